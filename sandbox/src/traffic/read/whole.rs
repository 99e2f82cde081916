//! Routes found by looking through all objects of a kind: APISIX takes the rule of
//! the highest priority, Knative has its traffic in its Service.

use serde_json::Value;

use super::field::{inside, list, read_weight, text, weight};
use crate::traffic::route::{Backend, Route, Rule};

/// The rules of all ApisixRoutes that lead to the Service or its copies, the highest priority first.
pub(super) fn apisix(routes: &[Value], service: &str) -> Option<Route> {
    let mut found = Vec::new();
    let mut object = String::new();
    for route in routes {
        for rule in list(inside(route, "spec"), "http") {
            let backends: Vec<Backend> = list(rule, "backends")
                .map(|backend| Backend {
                    service: text(backend, "serviceName").to_owned(),
                    weight: weight(backend, 100),
                })
                .collect();
            if backends.iter().any(|backend| backend.service == service) {
                object = text(inside(route, "metadata"), "name").to_owned();
            }
            let priority = rule.get("priority").and_then(Value::as_i64).unwrap_or(0);
            found.push((
                priority,
                Rule {
                    backends,
                    ..Rule::default()
                },
            ));
        }
    }
    found.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
    (!object.is_empty()).then(|| Route {
        rules: found.into_iter().map(|(_, rule)| rule).collect(),
        object,
        ..Route::default()
    })
}

/// What Knative has carried out: each revision is a Service of its name.
pub(super) fn knative(services: &[Value], service: &str) -> Option<Route> {
    let own = services
        .iter()
        .find(|one| text(inside(one, "metadata"), "name") == service)?;
    let backends = list(inside(own, "status"), "traffic").map(|entry| Backend {
        service: text(entry, "revisionName").to_owned(),
        weight: read_weight(entry.get("percent"), 0),
    });
    Some(Route {
        rules: vec![Rule {
            backends: backends.collect(),
            ..Rule::default()
        }],
        ..Route::default()
    })
}
