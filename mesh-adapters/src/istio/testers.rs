//! The HTTP route of testers: before all others, and to the canary alone.

use api::canary::{analysis::AnalysisMatch, service::StringMatch};
use rollout::Weight;
use serde_json::{Map, Value};

use super::{destination, http};
use crate::{error::RenderError, refuse::TESTERS, route::Route};

/// The route wanted, when there are testers now.
pub(super) fn route(route: &Route, service: &[Value]) -> Result<Option<Value>, RenderError> {
    for (place, given) in route.testers.iter().enumerate() {
        review(&format!("{TESTERS}[{place}]"), given)?;
    }
    if !route.has_testers_now() {
        return Ok(None);
    }
    let canary = vec![
        destination(route, &route.primary(), Weight::ZERO),
        destination(route, &route.canary(), Weight::FULL),
    ];
    let matches = merged(&http::list(&route.testers)?, service);
    Ok(Some(http::one(route, matches, canary)?.into()))
}

/// Istio drops what it does not know, and would take every user who sends the header or parameter.
pub(super) fn review(field: &str, given: &AnalysisMatch) -> Result<(), RenderError> {
    let AnalysisMatch {
        headers,
        query_params,
        source_labels: _,
    } = given;
    for (key, conditions) in [("headers", headers), ("queryParams", query_params)] {
        let is_known =
            |it: &StringMatch| it.exact.is_some() || it.prefix.is_some() || it.regex.is_some();
        if let Some((name, _)) = conditions.iter().find(|(_, it)| !is_known(it)) {
            return Err(RenderError::unsupported(
                format!("{field}.{key}[{name:?}]"),
                "given",
                format!("Istio matches {key} by exact, prefix or regex"),
            ));
        }
    }
    Ok(())
}

/// Each tester beside each service match: what both ask for must hold; of one name, the tester's counts.
fn merged(testers: &[Value], service: &[Value]) -> Vec<Value> {
    if service.is_empty() {
        return testers.to_vec();
    }
    let both = |tester: &Value, base: &Value| {
        let mut next = base.as_object().cloned().unwrap_or_default();
        for (key, added) in tester.as_object().into_iter().flatten() {
            let there = next.entry(key).or_insert_with(|| Map::new().into());
            if let (Value::Object(there), Value::Object(added)) = (there, added) {
                let is_same = |one: &str, name: &str| {
                    one == name || (key == "headers" && one.eq_ignore_ascii_case(name))
                };
                there.retain(|name, _| !added.keys().any(|one| is_same(one, name)));
                there.extend(added.clone());
            }
        }
        Value::Object(next)
    };
    let each = |tester| service.iter().map(move |base| both(tester, base));
    testers.iter().flat_map(each).collect()
}
