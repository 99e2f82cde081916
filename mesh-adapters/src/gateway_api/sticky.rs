//! Rules by weight, and before them those of users that stay where they were (spec/flagger.md 4.13).

use rollout::Weight;
use serde_json::{Value, json};

use super::rule::{backend, rule};
use crate::{
    cookie::{Cookie, Plan, plan},
    error::RenderError,
    route::Route,
};

/// The rules wanted; the weighted one is the last.
pub(super) fn rules(
    route: &Route,
    service: Vec<Value>,
    mut weighted: Vec<Value>,
) -> Result<Vec<Value>, RenderError> {
    let mut rules = Vec::new();
    match plan(route)? {
        Plan::Plain => {}
        Plan::Stick { canary, primary } => {
            rules.push(kept(route, &service, &canary, Weight::FULL)?);
            set(&mut weighted, &route.canary(), &canary);
            if let Some(primary) = primary {
                rules.push(kept(route, &service, &primary, Weight::ZERO)?);
                set(&mut weighted, &route.primary(), &primary);
            }
        }
        Plan::Clear { previous } => {
            let matches = holding(&service, &previous);
            let mut clearing = rule(route, matches, false, weighted.clone())?;
            filter(&mut clearing, &previous.take_back());
            rules.push(clearing);
        }
    }
    rules.push(rule(route, service, true, weighted)?);
    Ok(rules)
}

/// The rule of users that hold a cookie: all on one side.
fn kept(
    route: &Route,
    service: &[Value],
    cookie: &Cookie<'_>,
    canary: Weight,
) -> Result<Value, RenderError> {
    let both = vec![
        backend(route, &route.primary(), canary.rest()),
        backend(route, &route.canary(), canary),
    ];
    rule(route, holding(service, cookie), false, both)
}

/// The Canary's matches, and the cookie beside their headers.
fn holding(service: &[Value], cookie: &Cookie<'_>) -> Vec<Value> {
    let mut matches = service.to_vec();
    for one in &mut matches {
        if let Value::Object(one) = one {
            let headers = one.entry("headers").or_insert_with(|| json!([]));
            if let Value::Array(headers) = headers {
                headers.push(json!({
                    "type": "RegularExpression", "name": "Cookie", "value": cookie.pattern(),
                }));
            }
        }
    }
    matches
}

/// Users that this backend answers get the cookie.
fn set(backends: &mut [Value], name: &str, cookie: &Cookie<'_>) {
    for one in backends {
        if one.get("name").and_then(Value::as_str) == Some(name) {
            filter(one, &cookie.set());
        }
    }
}

/// Adds a cookie to the answers of a rule or backend. A rule takes one filter that changes answers: where the
/// Canary has one, the cookie joins it.
fn filter(to: &mut Value, cookie: &str) {
    let Value::Object(to) = to else {
        return;
    };
    let added = json!({"name": "Set-Cookie", "value": cookie});
    let filters = to.entry("filters").or_insert_with(|| json!([]));
    let Value::Array(filters) = filters else {
        return;
    };
    let there = filters
        .iter_mut()
        .find_map(|filter| filter.get_mut("responseHeaderModifier")?.as_object_mut());
    match there {
        Some(modifier) => {
            if let Value::Array(list) = modifier.entry("add").or_insert_with(|| json!([])) {
                list.push(added);
            }
        }
        None => filters.push(json!({
            "type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [added]},
        })),
    }
}
