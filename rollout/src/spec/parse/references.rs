//! Reviews what a Canary refers to, and pairs that exclude each other (spec/flagger.md 1.8).

use api::{Canary, canary::CanaryAnalysis};

use crate::spec::{Defaults, finding::Review};

pub(super) fn review(
    canary: &Canary,
    analysis: &CanaryAnalysis,
    provider: &str,
    defaults: &Defaults,
    review: &mut Review,
) {
    if provider == "knative" {
        review.add(
            "spec.provider",
            "\"knative\"",
            "Knative Services cannot be released; use another provider",
        );
    }
    if let Some(affinity) = &analysis.session_affinity
        && affinity.primary_cookie_name.as_deref() == Some(affinity.cookie_name.as_str())
    {
        review.add(
            "spec.analysis.sessionAffinity.primaryCookieName",
            format!("{:?}", affinity.cookie_name),
            "it cannot be the same as cookieName; give the primary its own cookie",
        );
    }
    if defaults.is_cross_namespace_blocked {
        cross_namespace(canary, analysis, review);
    }
}

fn cross_namespace(canary: &Canary, analysis: &CanaryAnalysis, review: &mut Review) {
    let own = canary.metadata.namespace.as_deref().unwrap_or_default();
    let upstream = canary
        .spec
        .upstream_ref
        .iter()
        .map(|upstream| ("spec.upstreamRef.namespace".to_owned(), &upstream.namespace));
    let metrics = analysis
        .metrics
        .iter()
        .enumerate()
        .filter_map(|(place, metric)| {
            let field = format!("spec.analysis.metrics[{place}].templateRef.namespace");
            Some((field, &metric.template_ref.as_ref()?.namespace))
        });
    let alerts = analysis.alerts.iter().enumerate().map(|(place, alert)| {
        let field = format!("spec.analysis.alerts[{place}].providerRef.namespace");
        (field, &alert.provider_ref.namespace)
    });
    for (field, namespace) in upstream.chain(metrics).chain(alerts) {
        let Some(namespace) = namespace.as_deref() else {
            continue;
        };
        if !namespace.is_empty() && namespace != own {
            review.add(
                field,
                format!("{namespace:?}"),
                format!("cross-namespace references are blocked; use one in {own:?}"),
            );
        }
    }
}
