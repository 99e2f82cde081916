//! Objects that hold rules with conditions: HTTPRoute and GRPCRoute (Gateway API; of
//! a GRPCRoute only headers are conditions), VirtualService (Istio), HTTPProxy
//! (Contour). Unknown fields are passed over.

use serde_json::Value;

use super::field::{inside, list, service_of, text, weight};
use crate::traffic::route::{Backend, Match, Route, Rule, TextMatch};

/// Contour prefers the longer prefix, then more headers.
pub(in crate::traffic) fn http_proxy(spec: &Value) -> Route {
    let header = |value: &Value| {
        let field = |name: &str| value.get(name).and_then(Value::as_str);
        let wanted = match (field("exact"), field("contains"), field("regex")) {
            (Some(exact), _, _) => TextMatch::Exact(exact.to_owned()),
            (None, Some(part), _) => TextMatch::Contains(part.to_owned()),
            (None, None, pattern) => TextMatch::pattern(pattern.unwrap_or_default()),
        };
        (text(value, "name").to_ascii_lowercase(), wanted)
    };
    let rules = list(spec, "routes").map(|rule| {
        let conditions = || list(rule, "conditions");
        let prefix = conditions().find_map(|one| one.get("prefix")?.as_str());
        Rule {
            matches: vec![Match {
                path: prefix.map(|prefix| TextMatch::Prefix(prefix.to_owned())),
                method: None,
                headers: conditions()
                    .filter_map(|one| one.get("header"))
                    .map(header)
                    .collect(),
            }],
            backends: list(rule, "services")
                .map(|service| Backend {
                    service: text(service, "name").to_owned(),
                    weight: weight(service, 0),
                })
                .collect(),
            mirrors: Vec::new(),
        }
    });
    Route {
        rules: rules.collect(),
        is_by_specificity: true,
        ..Route::default()
    }
}

pub(in crate::traffic) fn http_route(spec: &Value) -> Route {
    let typed = |value: &Value| match text(value, "type") {
        "RegularExpression" => TextMatch::pattern(text(value, "value")),
        "PathPrefix" => TextMatch::Prefix(text(value, "value").to_owned()),
        _ => TextMatch::Exact(text(value, "value").to_owned()),
    };
    let one_match = |m: &Value| Match {
        path: m.get("path").map(typed),
        method: m
            .get("method")
            .and_then(Value::as_str)
            .map(|method| TextMatch::Exact(method.to_owned())),
        headers: list(m, "headers")
            .map(|h| (text(h, "name").to_ascii_lowercase(), typed(h)))
            .collect(),
    };
    let rules = list(spec, "rules").map(|rule| {
        let mirrors = list(rule, "filters").filter(|f| text(f, "type") == "RequestMirror");
        Rule {
            matches: list(rule, "matches").map(one_match).collect(),
            backends: list(rule, "backendRefs")
                .map(|b| Backend {
                    service: text(b, "name").to_owned(),
                    weight: weight(b, 1),
                })
                .collect(),
            mirrors: mirrors
                .map(|f| text(inside(inside(f, "requestMirror"), "backendRef"), "name").to_owned())
                .collect(),
        }
    });
    Route {
        rules: rules.collect(),
        is_by_specificity: true,
        ..Route::default()
    }
}

pub(in crate::traffic) fn virtual_service(spec: &Value) -> Route {
    let string_match = |value: &Value| {
        let field = |name: &str| value.get(name).and_then(Value::as_str);
        match (field("exact"), field("prefix"), field("regex")) {
            (Some(exact), _, _) => TextMatch::Exact(exact.to_owned()),
            (None, Some(prefix), _) => TextMatch::Prefix(prefix.to_owned()),
            (None, None, Some(regex)) => TextMatch::pattern(regex),
            (None, None, None) => TextMatch::Prefix(String::new()),
        }
    };
    let one_match = |m: &Value| Match {
        path: m.get("uri").map(string_match),
        method: m.get("method").map(string_match),
        headers: m
            .get("headers")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.to_ascii_lowercase(), string_match(value)))
            .collect(),
    };
    let rules = list(spec, "http").map(|rule| {
        let is_alone = list(rule, "route").count() == 1;
        let host = |value: &Value| service_of(text(value, "host"));
        let mirrors = list(rule, "mirrors")
            .map(|m| inside(m, "destination"))
            .chain(rule.get("mirror"));
        Rule {
            matches: list(rule, "match").map(one_match).collect(),
            backends: list(rule, "route")
                .map(|r| Backend {
                    service: host(inside(r, "destination")),
                    // Alone, a destination without weight takes everything.
                    weight: if is_alone {
                        weight(r, 0).max(1)
                    } else {
                        weight(r, 0)
                    },
                })
                .collect(),
            mirrors: mirrors.map(host).collect(),
        }
    });
    Route {
        rules: rules.collect(),
        ..Route::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chosen(route: &Route, headers: &[(&str, &str)], draw: f64) -> Option<String> {
        let headers = headers
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        route
            .rule(&headers)
            .and_then(|rule| rule.backend(draw))
            .map(str::to_owned)
    }

    #[test]
    fn http_route_splits_and_matches() {
        let route = http_route(&json!({"rules": [
            {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
             "backendRefs": [{"name": "a", "weight": 90}, {"name": "b", "weight": 10}]},
            {"matches": [{"path": {"type": "PathPrefix", "value": "/"},
                          "headers": [{"type": "RegularExpression", "name": "Cookie", "value": ".*canary.*always.*"}]}],
             "backendRefs": [{"name": "a", "weight": 0}, {"name": "b", "weight": 100}]}]}));
        assert_eq!(chosen(&route, &[], 0.89).as_deref(), Some("a"));
        assert_eq!(chosen(&route, &[], 0.91).as_deref(), Some("b"));
        let cookie = [("cookie", "x=1; canary=always;")];
        assert_eq!(
            chosen(&route, &cookie, 0.0).as_deref(),
            Some("b"),
            "the more specific rule, though second"
        );
        let none = http_route(&json!({"rules": [{"backendRefs": [{"name": "a", "weight": 0}]}]}));
        assert_eq!(chosen(&none, &[], 0.0), None);
    }

    #[test]
    fn virtual_service_takes_the_first_rule() {
        let route = virtual_service(&json!({"http": [
            {"match": [{"headers": {"X-User": {"exact": "test"}}}],
             "route": [{"destination": {"host": "b.test.svc"}}], "mirror": {"host": "m"}},
            {"route": [{"destination": {"host": "a"}, "weight": 100}, {"destination": {"host": "b"}, "weight": 0}]}]}));
        assert_eq!(
            chosen(&route, &[("x-user", "test")], 0.5).as_deref(),
            Some("b")
        );
        assert_eq!(
            chosen(&route, &[("x-user", "other")], 0.999).as_deref(),
            Some("a")
        );
        assert!(route.services().contains("m"));
    }
}
