//! Refuses what a mesh cannot do where leaving it out would judge or route wrongly.
//!
//! Settings whose absence harms nobody (time-outs, retries, headers …) are left out without a word, as in Flagger.

use api::canary::{
    analysis::AnalysisMatch,
    service::{HttpMatch, StringMatch},
};

use crate::{error::RenderError, ports::FIELD, route::Route};

/// The field of users who always reach the canary.
pub(crate) const TESTERS: &str = "spec.analysis.testers";

/// A mesh that cannot copy requests: the canary would be judged on no traffic.
pub(crate) fn mirror(route: &Route, mesh: &str) -> Result<(), RenderError> {
    if !route.is_mirror_asked && !route.split.mirrored {
        return Ok(());
    }
    Err(RenderError::unsupported(
        "spec.analysis.mirror",
        "true",
        format!("{mesh} cannot copy requests to the canary; remove it"),
    ))
}

/// A mesh whose routes are of one port: the others would reach the primary alone.
pub(crate) fn ports(route: &Route, mesh: &str) -> Result<(), RenderError> {
    let Some(first) = route.service.ports.first() else {
        return Ok(());
    };
    Err(RenderError::unsupported(
        format!("{FIELD}[0].name"),
        first.name.as_str(),
        format!(
            "{mesh} splits one port; remove it, or use contour, gatewayapi, istio, linkerd, nginx, sluice or traefik"
        ),
    ))
}

/// A mesh that does not route by cookies: users would go to and fro between the versions.
pub(crate) fn sessions(route: &Route, mesh: &str) -> Result<(), RenderError> {
    if route.session_affinity.is_none() {
        return Ok(());
    }
    Err(RenderError::unsupported(
        "spec.analysis.sessionAffinity",
        "given",
        format!(
            "{mesh} cannot keep users where they are by cookies; remove it, or use istio, gatewayapi or sluice"
        ),
    ))
}

/// A mesh whose routes are not ordered by who asks: testers would be split like everybody else.
pub(crate) fn testers(route: &Route, mesh: &str) -> Result<(), RenderError> {
    if route.testers.is_empty() {
        return Ok(());
    }
    Err(RenderError::unsupported(
        TESTERS,
        "given",
        format!(
            "{mesh} cannot send testers to the canary beside weights; remove it, or use contour, gatewayapi, istio or nginx"
        ),
    ))
}

/// A mesh that routes by weight alone: all users would be sent to the canary instead of those chosen.
pub(crate) fn matches(route: &Route, mesh: &str) -> Result<(), RenderError> {
    testers(route, mesh)?;
    if route.matches.is_empty() {
        return Ok(());
    }
    Err(RenderError::unsupported(
        "spec.analysis.match",
        "given",
        format!("{mesh} routes by weight alone and cannot choose users; remove it"),
    ))
}

/// A condition of `service.match` that is none of `known` (keys of the manifest), for a mesh that cannot say it.
/// `name` and `headers` are known to all.
pub(crate) fn beyond(
    field: &str,
    given: &HttpMatch,
    known: &[&str],
    cure: &str,
) -> Result<(), RenderError> {
    let HttpMatch {
        name: _,
        uri,
        scheme,
        method,
        authority,
        headers: _,
        without_headers,
        query_params,
        port,
        source_labels,
        source_namespace,
        gateways,
        ignore_uri_case,
    } = given;
    let all = [
        (uri.is_some(), "uri"),
        (scheme.is_some(), "scheme"),
        (method.is_some(), "method"),
        (authority.is_some(), "authority"),
        (!without_headers.is_empty(), "withoutHeaders"),
        (!query_params.is_empty(), "queryParams"),
        (port.is_some(), "port"),
        (!source_labels.is_empty(), "sourceLabels"),
        (source_namespace.is_some(), "sourceNamespace"),
        (!gateways.is_empty(), "gateways"),
        (*ignore_uri_case, "ignoreUriCase"),
    ];
    let mut all = all.into_iter();
    match all.find(|(is_given, key)| *is_given && !known.contains(key)) {
        Some((_, key)) => Err(RenderError::unsupported(
            format!("{field}.{key}"),
            "given",
            cure,
        )),
        None => Ok(()),
    }
}

/// A header that chooses users.
pub(crate) struct Header<'a> {
    /// Where it is given.
    pub(crate) field: String,
    /// Its name.
    pub(crate) name: &'a str,
    /// What it must be.
    pub(crate) value: &'a StringMatch,
}

impl Header<'_> {
    /// The mesh does not match like this.
    pub(crate) fn unsupported(&self, mesh: &str, kinds: &str) -> RenderError {
        let cure = format!("{mesh} matches headers by {kinds}");
        RenderError::unsupported(self.field.as_str(), "given", cure)
    }
}

/// The headers of all of `analysis.match`: for a mesh that takes one list of headers, all of which must match,
/// and no other condition.
pub(crate) fn headers<'a>(route: &'a Route, mesh: &str) -> Result<Vec<Header<'a>>, RenderError> {
    let mut headers = Vec::new();
    for (place, chosen) in route.matches.iter().enumerate() {
        let field = format!("spec.analysis.match[{place}]");
        headers.extend(headers_of(field, chosen, mesh)?);
    }
    Ok(headers)
}

/// The headers of each of the testers, for a mesh that takes no other condition.
pub(crate) fn testers_headers<'a>(
    route: &'a Route,
    mesh: &str,
) -> Result<Vec<Vec<Header<'a>>>, RenderError> {
    let testers = route.testers.iter().enumerate();
    testers
        .map(|(place, chosen)| headers_of(format!("{TESTERS}[{place}]"), chosen, mesh))
        .collect()
}

/// The headers of one condition at `field`, which must have nothing else.
fn headers_of<'a>(
    field: String,
    chosen: &'a AnalysisMatch,
    mesh: &str,
) -> Result<Vec<Header<'a>>, RenderError> {
    let AnalysisMatch {
        headers,
        query_params,
        source_labels,
    } = chosen;
    if !query_params.is_empty() || !source_labels.is_empty() || headers.is_empty() {
        let cure = format!("{mesh} chooses users by headers alone; give headers only");
        return Err(RenderError::unsupported(
            field,
            "without headers, or with more",
            cure,
        ));
    }
    let headers = headers.iter().map(|(name, value)| Header {
        field: format!("{field}.headers[{name:?}]"),
        name,
        value,
    });
    Ok(headers.collect())
}
