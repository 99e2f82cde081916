//! Reviews what a Canary refers to (spec/flagger.md 1.8).

use api::{
    Canary,
    canary::{CanaryAnalysis, TargetRef},
};

use crate::spec::{Defaults, finding::Review};

/// The apiVersion of Knative Services.
pub(super) const KNATIVE: &str = "serving.knative.dev/v1";

pub(super) fn review(
    canary: &Canary,
    analysis: &CanaryAnalysis,
    provider: &str,
    defaults: &Defaults,
    review: &mut Review,
) {
    knative(canary, provider, review);
    if defaults.is_cross_namespace_blocked {
        cross_namespace(canary, analysis, review);
    }
}

/// True for a Knative Service; any other Service is a core one.
pub(super) fn is_knative(target: &TargetRef) -> bool {
    target.kind == "Service" && target.api_version == KNATIVE
}

/// A Knative Service goes with its own provider, which the Canary itself must name, and scales itself.
fn knative(canary: &Canary, provider: &str, review: &mut Review) {
    let target = &canary.spec.target_ref;
    let own = canary.spec.provider.as_deref().unwrap_or_default();
    if !is_knative(target) {
        if provider == "knative" {
            review.add(
                "spec.provider",
                "\"knative\"",
                format!(
                    "can't use {}/{} as target if provider is set to knative; use a {KNATIVE} Service, or another provider",
                    target.api_version, target.kind
                ),
            );
        }
        return;
    }
    if own != "knative" {
        review.add(
            "spec.provider",
            format!("{own:?}"),
            format!("can't use {own:?} provider with Knative Service as target; use \"knative\""),
        );
    }
    if let Some(scaler) = &canary.spec.autoscaler_ref {
        review.add(
            "spec.autoscalerRef.name",
            format!("{:?}", scaler.name),
            "can't use autoscaler with Knative Service, which scales itself; remove it",
        );
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
