//! What a GRPCRoute has instead of an HTTPRoute's: matches by service and method, and fewer settings.
//!
//! `service.match[].uri` is `/package.Service/Method`, as gRPC has it on the wire: exact for one method, as prefix
//! for all methods of a service.

use api::canary::service::{HttpMatch, StringMatch};
use serde_json::{Map, Value, json};

use super::matches;
use crate::{
    error::RenderError,
    refuse::{self, TESTERS},
    route::Route,
};

const URI_CURE: &str = "a GRPCRoute tells requests apart by service and method; give \"/package.Service/Method\" as exact or \"/package.Service\" as prefix";

/// Takes out what a GRPCRoute cannot say and nobody misses, and refuses what would route or judge wrongly.
pub(super) fn honour(route: &mut Route) -> Result<(), RenderError> {
    if route.session_affinity.is_some() {
        return Err(refused(
            "spec.analysis.sessionAffinity",
            "gRPC clients keep no cookies; remove it, or use routeKind HTTPRoute",
        ));
    }
    if route.service.rewrite.is_some() {
        return Err(refused(
            "spec.service.rewrite",
            "a GRPCRoute does not rewrite; remove it, or use routeKind HTTPRoute",
        ));
    }
    let lists = [
        ("spec.analysis.match", &route.matches),
        (TESTERS, &route.testers),
    ];
    for (field, chosen) in lists {
        let place = chosen.iter().position(|one| !one.query_params.is_empty());
        if let Some(place) = place {
            return Err(refused(
                format!("{field}[{place}].queryParams"),
                "gRPC requests have none; choose users by headers",
            ));
        }
    }
    route.service.timeout = None;
    route.service.backend_timeout = None;
    route.service.cors_policy = None;
    Ok(())
}

/// `service.match` as a GRPCRoute has it; one match of everything when it is empty.
pub(super) fn of_service(route: &Route) -> Result<Vec<Value>, RenderError> {
    if route.service.match_.is_empty() {
        return Ok(vec![json!({})]);
    }
    let each = route.service.match_.iter().enumerate();
    each.map(|(place, given)| one(&format!("spec.service.match[{place}]"), given))
        .collect()
}

fn one(field: &str, given: &HttpMatch) -> Result<Value, RenderError> {
    let cure = "a GRPCRoute matches uri and headers; remove it";
    refuse::beyond(field, given, &["uri"], cure)?;
    let mut wanted = Map::new();
    if let Some(uri) = &given.uri
        && let Some(method) =
            method_of(uri).ok_or_else(|| refused(format!("{field}.uri"), URI_CURE))?
    {
        wanted.insert("method".into(), method);
    }
    let headers = matches::named(&format!("{field}.headers"), &given.headers)?;
    if !headers.is_empty() {
        wanted.insert("headers".into(), headers.into());
    }
    Ok(wanted.into())
}

/// Service and method of a path; `Some(None)` for all paths, `None` for what is no path of gRPC.
fn method_of(uri: &StringMatch) -> Option<Option<Value>> {
    let is_name = |text: &str| !text.is_empty() && !text.contains('/');
    match uri {
        StringMatch {
            exact: Some(path),
            prefix: None,
            suffix: None,
            regex: None,
        } => {
            let (service, method) = path.strip_prefix('/')?.split_once('/')?;
            (is_name(service) && is_name(method))
                .then(|| Some(json!({"type": "Exact", "service": service, "method": method})))
        }
        StringMatch {
            exact: None,
            prefix: Some(path),
            suffix: None,
            regex: None,
        } => {
            let service = path.strip_prefix('/')?;
            if service.is_empty() {
                return Some(None);
            }
            let service = service.strip_suffix('/').unwrap_or(service);
            is_name(service).then(|| Some(json!({"type": "Exact", "service": service})))
        }
        StringMatch { .. } => None,
    }
}

fn refused(field: impl Into<String>, cure: &str) -> RenderError {
    RenderError::unsupported(field, "given", cure)
}
