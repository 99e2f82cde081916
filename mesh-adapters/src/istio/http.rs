//! HTTP routes of a VirtualService.

use api::canary::service::HttpRewrite;
use rollout::Weight;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{address, destination, destinations, sticky, testers};
use crate::{error::RenderError, route::Route};

/// The routes wanted: one, or two when only some users are to reach the canary.
pub(super) fn routes(route: &Route) -> Result<Vec<Value>, RenderError> {
    let service = list(&route.service.match_)?;
    if route.matches.is_empty() {
        let mut routes: Vec<Value> = testers::route(route, &service)?.into_iter().collect();
        routes.extend(sticky::routes(route, service)?);
        return Ok(routes);
    }
    for (place, given) in route.matches.iter().enumerate() {
        testers::review(&format!("spec.analysis.match[{place}]"), given)?;
    }
    let chosen = merged(&list(&route.matches)?, &service);
    let mut first = one(route, chosen, destinations(route))?;
    mirror(route, &mut first);
    let rest = vec![destination(route, &route.primary(), Weight::FULL)];
    Ok(vec![first.into(), one(route, service, rest)?.into()])
}

/// One route with the settings of the Canary.
pub(super) fn one(
    route: &Route,
    matches: Vec<Value>,
    destinations: Vec<Value>,
) -> Result<Map<String, Value>, RenderError> {
    let service = &route.service;
    let mut wanted = Map::new();
    if !matches.is_empty() {
        wanted.insert("match".into(), matches.into());
    }
    if let Some(rewrite) = service.rewrite.as_ref().and_then(rewrite) {
        wanted.insert("rewrite".into(), rewrite);
    }
    if let Some(timeout) = service.timeout.as_ref().filter(|text| !text.is_empty()) {
        wanted.insert("timeout".into(), timeout.clone().into());
    }
    if let Some(retries) = &service.retries {
        wanted.insert("retries".into(), value("spec.service.retries", retries)?);
    }
    if let Some(policy) = &service.cors_policy {
        wanted.insert(
            "corsPolicy".into(),
            value("spec.service.corsPolicy", policy)?,
        );
    }
    if let Some(headers) = &service.headers {
        wanted.insert("headers".into(), value("spec.service.headers", headers)?);
    }
    wanted.insert("route".into(), destinations.into());
    Ok(wanted)
}

/// Copies requests of the route to the canary, when that is wanted.
pub(super) fn mirror(route: &Route, wanted: &mut Map<String, Value>) {
    if !route.split.mirrored {
        return;
    }
    wanted.insert("mirror".into(), address(route, &route.canary()).into());
    if let Some(percent) = route.mirror_weight {
        wanted.insert("mirrorPercentage".into(), json!({"value": percent}));
    }
}

/// `type` is for Gateway API and stays out.
fn rewrite(given: &HttpRewrite) -> Option<Value> {
    let mut wanted = Map::new();
    for (key, text) in [("uri", &given.uri), ("authority", &given.authority)] {
        if let Some(text) = text.as_ref().filter(|text| !text.is_empty()) {
            wanted.insert(key.into(), text.clone().into());
        }
    }
    (!wanted.is_empty()).then_some(wanted.into())
}

/// Each analysis match over each service match; its headers, query parameters and source labels take the place of
/// theirs.
fn merged(analysis: &[Value], service: &[Value]) -> Vec<Value> {
    if service.is_empty() {
        return analysis.to_vec();
    }
    let mut merged = Vec::new();
    for chosen in analysis {
        for base in service {
            let mut next = base.clone();
            if let (Some(next), Some(chosen)) = (next.as_object_mut(), chosen.as_object()) {
                next.extend(chosen.clone());
            }
            merged.push(next);
        }
    }
    merged
}

/// The api's matches have Istio's own shape.
pub(super) fn list<T: Serialize>(matches: &[T]) -> Result<Vec<Value>, RenderError> {
    matches.iter().map(|one| value("match", one)).collect()
}

fn value<T: Serialize>(field: &str, given: &T) -> Result<Value, RenderError> {
    serde_json::to_value(given).map_err(|error| RenderError::Unsupported {
        field: field.to_owned(),
        value: "not JSON".into(),
        cure: error.to_string(),
    })
}
