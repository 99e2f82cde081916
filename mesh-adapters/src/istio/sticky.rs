//! HTTP routes by weight, and before them those of users that stay where they were (spec/flagger.md 4.13).

use rollout::Weight;
use serde_json::{Map, Value, json};

use super::{destination, destinations, http};
use crate::{
    cookie::{Cookie, Plan, plan},
    error::RenderError,
    route::Route,
};

/// The routes wanted; the weighted one is the last.
pub(super) fn routes(route: &Route, service: Vec<Value>) -> Result<Vec<Value>, RenderError> {
    let mut routes = Vec::new();
    let mut weighted = destinations(route);
    match plan(route)? {
        Plan::Plain => {}
        Plan::Stick { canary, primary } => {
            routes.push(kept(route, &service, &canary, Weight::FULL)?);
            set(&mut weighted, &route.canary(), &canary);
            if let Some(primary) = primary {
                routes.push(kept(route, &service, &primary, Weight::ZERO)?);
                set(&mut weighted, &route.primary(), &primary);
            }
        }
        Plan::Clear { previous } => {
            let matches = holding(&service, &previous);
            let mut clearing = http::one(route, matches, weighted.clone())?;
            respond(&mut clearing, previous.take_back());
            routes.push(clearing.into());
        }
    }
    let mut last = http::one(route, service, weighted)?;
    http::mirror(route, &mut last);
    routes.push(last.into());
    Ok(routes)
}

/// The route of users that hold a cookie: all on one side.
fn kept(
    route: &Route,
    service: &[Value],
    cookie: &Cookie<'_>,
    canary: Weight,
) -> Result<Value, RenderError> {
    let both = vec![
        destination(route, &route.primary(), canary.rest()),
        destination(route, &route.canary(), canary),
    ];
    Ok(http::one(route, holding(service, cookie), both)?.into())
}

/// The Canary's matches, and the cookie beside their headers.
fn holding(service: &[Value], cookie: &Cookie<'_>) -> Vec<Value> {
    let mut matches = service.to_vec();
    if matches.is_empty() {
        matches.push(json!({}));
    }
    for one in &mut matches {
        if let Value::Object(one) = one {
            let headers = one.entry("headers").or_insert_with(|| json!({}));
            if let Value::Object(headers) = headers {
                headers.insert("Cookie".into(), json!({"regex": cookie.pattern()}));
            }
        }
    }
    matches
}

/// Users that this destination answers get the cookie.
fn set(destinations: &mut [Value], host: &str, cookie: &Cookie<'_>) {
    for one in destinations {
        if one.pointer("/destination/host").and_then(Value::as_str) == Some(host)
            && let Value::Object(one) = one
        {
            respond(one, cookie.set());
        }
    }
}

/// Adds a cookie to the answers of a route or destination.
fn respond(to: &mut Map<String, Value>, cookie: String) {
    let mut found: &mut Map<String, Value> = to;
    for key in ["headers", "response", "add"] {
        let Value::Object(next) = found.entry(key).or_insert_with(|| json!({})) else {
            return;
        };
        found = next;
    }
    found.insert("Set-Cookie".into(), cookie.into());
}
