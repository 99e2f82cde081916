//! Parses `spec.metricsServer`: the Prometheus of built-in checks and inline queries.

use api::Canary;

use crate::spec::{Check, CheckSource, Defaults, finding::Review};

/// The canary's own, or the operator's. It must be a URL where a check asks it: with any other Flagger's never
/// succeeds, but whoever has templates alone, or no analysis, may have anything there.
pub(super) fn metrics_server(
    canary: &Canary,
    defaults: &Defaults,
    checks: &[Check],
    review: &mut Review,
) -> String {
    let own = canary.spec.metrics_server.as_deref();
    let (field, address) = match own.filter(|address| !address.is_empty()) {
        Some(own) => ("spec.metricsServer", own),
        None => (
            "flag -metrics-server of the operator",
            &*defaults.metrics_server,
        ),
    };
    let is_asked = !canary.spec.skip_analysis && checks.iter().any(asks);
    if is_asked && !is_http(address) {
        // A password may be in front of the host.
        let shown = address.rsplit_once('@').map_or(address, |(_, host)| host);
        review.add(
            field,
            format!("{shown:?}"),
            "use an http or https URL with a host, for example \"http://prometheus:9090\"",
        );
    }
    address.to_owned()
}

const fn asks(check: &Check) -> bool {
    match check.source {
        CheckSource::SuccessRate | CheckSource::Duration | CheckSource::Query(_) => true,
        CheckSource::Template { .. } => false,
    }
}

fn is_http(address: &str) -> bool {
    let Some((scheme, rest)) = address.split_once("://") else {
        return false;
    };
    let is_known = ["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    is_known && !rest.is_empty() && !rest.starts_with(['/', '?', '#'])
}
