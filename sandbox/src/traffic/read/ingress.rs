//! Ingresses of a user and the copies that lead to a canary: NGINX and Skipper.
//! Hosts and paths are not looked at; all requests are for `/`.

use serde_json::Value;

use super::field::{list, read_weight};
use crate::traffic::route::{Backend, Match, Route, Rule, TextMatch};

const NGINX: &str = "nginx.ingress.kubernetes.io";
const SKIPPER: &str = "zalando.org";

/// The user's Ingress to the Service, and the rules of its canary. NGINX looks at the header, then at the cookie,
/// then at the weight.
pub(super) fn nginx(ingresses: &[Value], service: &str) -> Option<Route> {
    let is_canary = |one: &&Value| annotation(one, NGINX, "canary") == Some("true");
    let user = ingresses
        .iter()
        .find(|one| !is_canary(one) && services(one).any(|it| it == service))?;
    let mut route = Route::to_service(service);
    route.object = name(user);
    let Some(copy) = ingresses.iter().find(is_canary) else {
        return Some(route);
    };
    let canary = services(copy).next().unwrap_or_default();
    let read = |key: &str| annotation(copy, NGINX, key);
    let mut rules = Vec::new();
    let mut rule = |header: &str, wanted: TextMatch, service: &str| {
        rules.push(Rule {
            matches: vec![Match {
                headers: vec![(header.to_ascii_lowercase(), wanted)],
                ..Match::default()
            }],
            ..Rule::to_service(service)
        });
    };
    if let Some(header) = read("canary-by-header") {
        match (
            read("canary-by-header-value"),
            read("canary-by-header-pattern"),
        ) {
            (Some(value), _) => rule(header, TextMatch::Exact(value.to_owned()), canary),
            (None, Some(pattern)) => rule(header, TextMatch::pattern(pattern), canary),
            (None, None) => {
                rule(header, TextMatch::Exact("always".to_owned()), canary);
                rule(header, TextMatch::Exact("never".to_owned()), service);
            }
        }
    }
    if let Some(cookie) = read("canary-by-cookie") {
        let holds = |value: &str| {
            let cookie = regex::escape(cookie);
            TextMatch::pattern(&format!("(.*; ?)?{cookie}={value}(;.*)?"))
        };
        rule("cookie", holds("always"), canary);
        rule("cookie", holds("never"), service);
    }
    let weight = read("canary-weight")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
        .min(100);
    let backends = [(service, 100_u32.saturating_sub(weight)), (canary, weight)];
    rules.push(weighted(
        backends.map(|(service, weight)| (service.to_owned(), weight)),
    ));
    route.rules = rules;
    Some(route)
}

/// A copy with weights that is not switched off, or else the user's own Ingress.
pub(super) fn skipper(ingresses: &[Value], service: &str) -> Option<Route> {
    let weights = |one: &Value| {
        let text = annotation(one, SKIPPER, "backend-weights")?;
        let is_off = annotation(one, SKIPPER, "skipper-predicate")
            .is_some_and(|all| all.contains("False()"));
        let all: serde_json::Map<String, Value> = serde_json::from_str(text).ok()?;
        (!is_off).then_some(all)
    };
    let user = ingresses
        .iter()
        .find(|one| services(one).any(|it| it == service))?;
    let mut route = Route::to_service(service);
    route.object = name(user);
    for copy in ingresses {
        let Some(weights) = weights(copy) else {
            continue;
        };
        let backends =
            services(copy).map(|name| (name.to_owned(), read_weight(weights.get(name), 0)));
        route.rules = vec![weighted(backends)];
    }
    Some(route)
}

fn weighted(backends: impl IntoIterator<Item = (String, u32)>) -> Rule {
    let backends = backends
        .into_iter()
        .map(|(service, weight)| Backend { service, weight });
    Rule {
        backends: backends.collect(),
        ..Rule::default()
    }
}

fn annotation<'v>(ingress: &'v Value, prefix: &str, key: &str) -> Option<&'v str> {
    let annotations = ingress.pointer("/metadata/annotations")?;
    let value = annotations.get(format!("{prefix}/{key}"))?.as_str()?;
    (!value.is_empty()).then_some(value)
}

fn name(object: &Value) -> String {
    let name = object.pointer("/metadata/name").and_then(Value::as_str);
    name.unwrap_or_default().to_owned()
}

/// The Services of all paths.
fn services(ingress: &Value) -> impl Iterator<Item = &str> {
    let spec = ingress.get("spec").unwrap_or(&Value::Null);
    let paths = list(spec, "rules")
        .flat_map(|rule| list(rule.get("http").unwrap_or(&Value::Null), "paths"));
    let backends = paths.filter_map(|path| path.get("backend"));
    backends
        .chain(spec.get("defaultBackend"))
        .filter_map(|backend| backend.pointer("/service/name")?.as_str())
}
