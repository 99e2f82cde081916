//! Rules of a route: who is sent where, and the split that live rules are in.

use rollout::{Split, Weight};
use serde_json::{Map, Value, json};

use super::{filters, matches, sticky};
use crate::{
    duration::gateway_duration,
    error::{ReadError, RenderError},
    object::ObjectRef,
    route::Route,
    seen,
};

/// The API's weight of a backend that gives none.
const WEIGHT_DEFAULT: i64 = 1;

/// The rules wanted: one, or two when only some users are to reach the canary.
pub(super) fn rules(route: &Route) -> Result<Vec<Value>, RenderError> {
    let service = matches::of_service(route)?;
    let both = vec![
        backend(route, &route.primary(), route.split.primary()),
        backend(route, &route.canary(), route.split.canary),
    ];
    if route.matches.is_empty() {
        let mut rules: Vec<Value> = testers(route, &service)?.into_iter().collect();
        rules.extend(sticky::rules(route, service, both)?);
        return Ok(rules);
    }
    let chosen = matches::merged(route, &service)?;
    let primary = vec![backend(route, &route.primary(), Weight::FULL)];
    Ok(vec![
        rule(route, chosen, true, both)?,
        rule(route, service, false, primary)?,
    ])
}

/// The rule of testers, when there are any now: all of them to the canary. It comes first, and so wins against
/// the others where they are as specific.
fn testers(route: &Route, service: &[Value]) -> Result<Option<Value>, RenderError> {
    let matches = matches::testers(route, service)?;
    if matches.is_empty() {
        return Ok(None);
    }
    let canary = vec![
        backend(route, &route.primary(), Weight::ZERO),
        backend(route, &route.canary(), Weight::FULL),
    ];
    // Made at every weight: what cannot be said is refused before a release, not in the middle of one.
    let rule = rule(route, matches, false, canary)?;
    Ok(route.has_testers_now().then_some(rule))
}

/// One rule with the settings of the Canary.
pub(super) fn rule(
    route: &Route,
    matches: Vec<Value>,
    has_canary: bool,
    backends: Vec<Value>,
) -> Result<Value, RenderError> {
    let mut filters = filters::filters(route);
    filters::check_prefix(&filters, &matches)?;
    let mut rule = Map::new();
    // One that asks for nothing is the same as none.
    if matches.iter().any(|one| *one != json!({})) {
        rule.insert("matches".into(), matches.into());
    }
    if has_canary && route.split.mirrored {
        filters.push(filters::mirror_to_canary(route));
    }
    if !filters.is_empty() {
        rule.insert("filters".into(), filters.into());
    }
    rule.insert("backendRefs".into(), backends.into());
    let mut timeouts = Map::new();
    for (key, field, given) in [
        ("request", "spec.service.timeout", &route.service.timeout),
        (
            "backendRequest",
            "spec.service.backendTimeout",
            &route.service.backend_timeout,
        ),
    ] {
        if let Some(text) = given.as_deref().filter(|text| !text.is_empty()) {
            timeouts.insert(key.into(), gateway_duration(field, text)?.into());
        }
    }
    if !timeouts.is_empty() {
        rule.insert("timeouts".into(), timeouts.into());
    }
    Ok(rule.into())
}

/// One backend.
pub(super) fn backend(route: &Route, name: &str, weight: Weight) -> Value {
    json!({
        "group": "", "kind": "Service", "name": name, "port": route.service.port,
        "weight": weight.percent(),
    })
}

/// The split of the last rule that has exactly the two backends.
pub(super) fn split(
    object: &Value,
    route: &Route,
    reference: &ObjectRef,
) -> Result<Split, ReadError> {
    let rules = object.pointer("/spec/rules").and_then(Value::as_array);
    let found = rules
        .into_iter()
        .flatten()
        .rev()
        .find_map(|rule| Some((rule, weights(rule, route)?)));
    let Some((rule, (primary, canary))) = found else {
        return Err(seen::no_rule(reference, &route.primary(), &route.canary()));
    };
    match Weight::try_from(canary) {
        Ok(weight) if primary + canary == 100 => Ok(Split {
            canary: weight,
            mirrored: filters::is_mirrored(rule, &route.canary()),
        }),
        Ok(_) | Err(_) => Err(ReadError::Weights {
            kind: reference.kind.clone(),
            name: reference.name.clone(),
            primary,
            canary,
        }),
    }
}

fn weights(rule: &Value, route: &Route) -> Option<(i64, i64)> {
    let backends = rule.get("backendRefs")?.as_array()?;
    if backends.len() != 2 {
        return None;
    }
    let weight = |wanted: &str| {
        let backend = backends
            .iter()
            .find(|backend| backend.get("name").and_then(Value::as_str) == Some(wanted))?;
        let given = backend.get("weight").and_then(Value::as_i64);
        // The API allows up to 1,000,000; the bound keeps the sum from overflowing.
        Some(given.unwrap_or(WEIGHT_DEFAULT).clamp(-1, 1_000_000))
    };
    Some((weight(&route.primary())?, weight(&route.canary())?))
}
