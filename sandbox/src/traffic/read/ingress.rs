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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn ingress(name: &str, service: &str, annotations: &Value) -> Value {
        json!({"metadata": {"name": name, "annotations": annotations},
            "spec": {"rules": [{"http": {"paths": [{"backend": {"service": {"name": service}}}]}}, {"host": "odd"}]}})
    }

    fn chosen(route: &Route, header: (&str, &str), draw: f64) -> String {
        let headers = BTreeMap::from([(header.0.to_owned(), header.1.to_owned())]);
        let rule = route.rule(&headers);
        rule.and_then(|rule| rule.backend(draw))
            .unwrap_or("-")
            .to_owned()
    }

    #[test]
    fn nginx_looks_at_header_then_cookie_then_weight() {
        let key = |name: &str| format!("{NGINX}/{name}");
        let canary = json!({key("canary"): "true", key("canary-weight"): "30",
            key("canary-by-header"): "X-Tester", key("canary-by-header-value"): "yes", key("canary-by-cookie"): "tester"});
        let user = ingress("web", "app", &json!({}));
        let both = [ingress("web-canary", "app-canary", &canary), user.clone()];
        let route = nginx(&both, "app").unwrap();
        assert_eq!(route.object, "web");
        for (header, draw, wanted) in [
            (("x-tester", "yes"), 0.9, "app-canary"),
            (("x-tester", "no"), 0.9, "app-canary"),
            (("x-tester", "no"), 0.6, "app"),
            (("cookie", "a=b; tester=always"), 0.0, "app-canary"),
            (("cookie", "tester=never; a=b"), 0.9, "app"),
            (("cookie", "mytester=always"), 0.0, "app"),
        ] {
            assert_eq!(chosen(&route, header, draw), wanted, "{header:?} {draw}");
        }
        let odd = [
            user.clone(),
            ingress(
                "odd",
                "app-canary",
                &json!({key("canary"): "true", key("canary-weight"): "x"}),
            ),
        ];
        assert_eq!(
            chosen(&nginx(&odd, "app").unwrap(), ("a", "b"), 0.999),
            "app"
        );
        assert!(nginx(&[json!(5)], "app").is_none());
    }

    #[test]
    fn skipper_goes_by_a_copy_that_is_on() {
        let user = ingress("web", "app", &json!({}));
        let copy = |predicate: &str, weights: &str| {
            let annotations = json!({"zalando.org/skipper-predicate": predicate, "zalando.org/backend-weights": weights});
            let mut copy = ingress("web-canary", "app-primary", &annotations);
            let second = json!({"backend": {"service": {"name": "app-canary"}}});
            copy["spec"]["rules"][0]["http"]["paths"]
                .as_array_mut()
                .unwrap()
                .push(second);
            copy
        };
        for (predicate, weights, draw, wanted) in [
            (
                "Weight(100)",
                r#"{"app-primary": 70, "app-canary": 30}"#,
                0.69,
                "app-primary",
            ),
            (
                "Weight(100)",
                r#"{"app-primary": 70, "app-canary": 30}"#,
                0.71,
                "app-canary",
            ),
            (
                "False() && Path(\"/\")",
                r#"{"app-primary": 0, "app-canary": 100}"#,
                0.5,
                "app",
            ),
            ("Weight(100)", "no JSON", 0.5, "app"),
        ] {
            let route = skipper(&[user.clone(), copy(predicate, weights)], "app").unwrap();
            assert_eq!(
                chosen(&route, ("a", "b"), draw),
                wanted,
                "{predicate} {weights}"
            );
        }
    }
}
