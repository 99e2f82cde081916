//! Matches of HTTPRoute rules, from `service.match` and `analysis.match`.
//!
//! A condition that HTTPRoute cannot say is an error: leaving it out would route more users than wanted.

use std::collections::BTreeMap;

use api::canary::{
    analysis::AnalysisMatch,
    service::{HttpMatch, RouteKind, StringMatch},
};
use serde_json::{Map, Value, json};

use super::grpc;
use crate::{
    error::RenderError,
    refuse::{self, TESTERS},
    route::Route,
};

const CURE: &str = "HTTPRoute matches paths by exact, prefix or regex, methods by exact, headers and query parameters by exact or regex";

/// `service.match`, or all paths when it is empty.
pub(super) fn of_service(route: &Route) -> Result<Vec<Value>, RenderError> {
    match route.service.route_kind.unwrap_or_default() {
        RouteKind::Http => {}
        RouteKind::Grpc => return grpc::of_service(route),
    }
    if route.service.match_.is_empty() {
        return Ok(vec![json!({"path": {"type": "PathPrefix", "value": "/"}})]);
    }
    route
        .service
        .match_
        .iter()
        .enumerate()
        .map(|(place, given)| one(&format!("spec.service.match[{place}]"), given))
        .collect()
}

/// Headers and query parameters that choose users.
fn conditions(field: &str, given: &AnalysisMatch) -> Result<(Vec<Value>, Vec<Value>), RenderError> {
    if !given.source_labels.is_empty() {
        return Err(unsupported(&format!("{field}.sourceLabels")));
    }
    let headers = named(&format!("{field}.headers"), &given.headers)?;
    let parameters = named(&format!("{field}.queryParams"), &given.query_params)?;
    Ok((headers, parameters))
}

/// Each tester beside each service match: what both ask for must hold; of one name, the tester's counts.
pub(super) fn testers(route: &Route, service: &[Value]) -> Result<Vec<Value>, RenderError> {
    let mut merged = Vec::new();
    for (place, given) in route.testers.iter().enumerate() {
        let field = format!("{TESTERS}[{place}]");
        let (headers, parameters) = conditions(&field, given)?;
        for base in service {
            let mut next = base.as_object().cloned().unwrap_or_default();
            let before = count(&next, "headers");
            join(&mut next, "headers", &headers);
            join(&mut next, "queryParams", &parameters);
            // A match with more headers goes first, and a cookie that keeps users in their place is one.
            if route.session_affinity.is_some() && count(&next, "headers") <= before {
                return Err(RenderError::unsupported(
                    field,
                    "without a header of its own",
                    "HTTPRoute puts the cookies of spec.analysis.sessionAffinity before it; choose testers by a header that spec.service.match does not name",
                ));
            }
            merged.push(next.into());
        }
    }
    Ok(merged)
}

fn count(one: &Map<String, Value>, key: &str) -> usize {
    one.get(key).and_then(Value::as_array).map_or(0, Vec::len)
}

/// Adds conditions to those of a match; one of the same name (of headers, in any case) goes.
fn join(one: &mut Map<String, Value>, key: &str, added: &[Value]) {
    if added.is_empty() {
        return;
    }
    let name = |one: &Value| {
        let name = one.get("name").and_then(Value::as_str).unwrap_or_default();
        if key == "headers" {
            name.to_ascii_lowercase()
        } else {
            name.to_owned()
        }
    };
    if let Value::Array(list) = one.entry(key).or_insert_with(|| json!([])) {
        list.retain(|there| !added.iter().any(|added| name(added) == name(there)));
        list.extend(added.iter().cloned());
    }
}

/// Each analysis match over each service match; its headers and query parameters take the place of theirs.
pub(super) fn merged(route: &Route, service: &[Value]) -> Result<Vec<Value>, RenderError> {
    let mut merged = Vec::new();
    for (place, given) in route.matches.iter().enumerate() {
        let field = format!("spec.analysis.match[{place}]");
        let (headers, parameters) = conditions(&field, given)?;
        for base in service {
            let mut next = base.as_object().cloned().unwrap_or_default();
            if !headers.is_empty() {
                next.insert("headers".into(), headers.clone().into());
            }
            if !parameters.is_empty() {
                next.insert("queryParams".into(), parameters.clone().into());
            }
            merged.push(next.into());
        }
    }
    Ok(merged)
}

fn one(field: &str, given: &HttpMatch) -> Result<Value, RenderError> {
    refuse::beyond(field, given, &["uri", "method", "queryParams"], CURE)?;
    let mut wanted = Map::new();
    if let Some(uri) = &given.uri {
        wanted.insert("path".into(), path(&format!("{field}.uri"), uri)?);
    }
    if let Some(method) = &given.method {
        let exact = method
            .exact
            .clone()
            .ok_or_else(|| unsupported(&format!("{field}.method")))?;
        wanted.insert("method".into(), exact.into());
    }
    let headers = named(&format!("{field}.headers"), &given.headers)?;
    if !headers.is_empty() {
        wanted.insert("headers".into(), headers.into());
    }
    let parameters = named(&format!("{field}.queryParams"), &given.query_params)?;
    if !parameters.is_empty() {
        wanted.insert("queryParams".into(), parameters.into());
    }
    Ok(wanted.into())
}

fn path(field: &str, uri: &StringMatch) -> Result<Value, RenderError> {
    let (kind, value) = match (&uri.regex, &uri.exact, &uri.prefix) {
        (Some(regex), _, _) => ("RegularExpression", regex),
        (None, Some(exact), _) => ("Exact", exact),
        (None, None, Some(prefix)) => ("PathPrefix", prefix),
        (None, None, None) => return Err(unsupported(field)),
    };
    Ok(json!({"type": kind, "value": value}))
}

/// Headers or query parameters, sorted by name.
pub(super) fn named(
    field: &str,
    given: &BTreeMap<String, StringMatch>,
) -> Result<Vec<Value>, RenderError> {
    given
        .iter()
        .map(|(name, value)| {
            let (kind, value) = match (&value.exact, &value.regex) {
                (Some(exact), _) => ("Exact", exact),
                (None, Some(regex)) => ("RegularExpression", regex),
                (None, None) => return Err(unsupported(&format!("{field}[{name:?}]"))),
            };
            Ok(json!({"type": kind, "name": name, "value": value}))
        })
        .collect()
}

fn unsupported(field: &str) -> RenderError {
    RenderError::unsupported(field, "given", CURE)
}
