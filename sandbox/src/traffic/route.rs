//! Reads an HTTPRoute (Gateway API v1) or a VirtualService (Istio) into rules:
//! which request a rule takes, and how it splits it. Unknown fields are
//! passed over; a rule without weight sends nowhere.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client};
use regex::Regex;
use serde_json::Value;

use super::{Mesh, TrafficOptions};

/// The rules of one routing object, in its order.
#[derive(Debug, Default)]
pub(super) struct Route {
    rules: Vec<Rule>,
    /// Gateway API prefers the more specific rule; Istio takes the first.
    is_by_specificity: bool,
}

#[derive(Debug, Default)]
pub(super) struct Rule {
    /// Any of them is enough; none takes everything.
    matches: Vec<Match>,
    backends: Vec<Backend>,
    pub(super) mirrors: Vec<String>,
}

#[derive(Debug)]
struct Backend {
    service: String,
    weight: u32,
}

#[derive(Debug, Default)]
struct Match {
    path: Option<TextMatch>,
    method: Option<TextMatch>,
    headers: Vec<(String, TextMatch)>,
}

#[derive(Debug)]
enum TextMatch {
    Exact(String),
    Prefix(String),
    Pattern(Option<Regex>),
}

impl TextMatch {
    fn takes(&self, text: &str) -> bool {
        match self {
            Self::Exact(wanted) => wanted == text,
            Self::Prefix(prefix) => text.starts_with(prefix),
            Self::Pattern(pattern) => pattern.as_ref().is_some_and(|p| p.is_match(text)),
        }
    }

    /// Patterns match the whole text, as RE2 full match does in Envoy.
    fn pattern(text: &str) -> Self {
        Self::Pattern(Regex::new(&format!("^(?:{text})$")).ok())
    }

    /// Exact before prefix before pattern, then the longer one.
    fn rank(&self) -> (u8, usize) {
        match self {
            Self::Exact(text) => (2, text.len()),
            Self::Prefix(text) => (1, text.len()),
            Self::Pattern(_) => (0, 0),
        }
    }
}

impl Match {
    fn takes(&self, headers: &BTreeMap<String, String>) -> bool {
        self.path.as_ref().is_none_or(|path| path.takes("/"))
            && self
                .method
                .as_ref()
                .is_none_or(|method| method.takes("GET"))
            && self
                .headers
                .iter()
                .all(|(name, text)| headers.get(name).is_some_and(|value| text.takes(value)))
    }

    fn rank(&self) -> ((u8, usize), bool, usize) {
        let path = self.path.as_ref().map_or((0, 0), TextMatch::rank);
        (path, self.method.is_some(), self.headers.len())
    }
}

impl Rule {
    /// The rank of its best match that takes the request.
    fn takes(&self, headers: &BTreeMap<String, String>) -> Option<((u8, usize), bool, usize)> {
        if self.matches.is_empty() {
            return Some(Match::default().rank());
        }
        self.matches
            .iter()
            .filter(|m| m.takes(headers))
            .map(Match::rank)
            .max()
    }

    /// The backend for a draw from 0 to 1, by weight.
    pub(super) fn backend(&self, draw: f64) -> Option<&str> {
        let all: u32 = self.backends.iter().map(|b| b.weight).sum();
        let mut at = draw * f64::from(all);
        for backend in &self.backends {
            let weight = f64::from(backend.weight);
            if at < weight {
                return Some(&backend.service);
            }
            at -= weight;
        }
        None
    }
}

impl Route {
    pub(super) fn rule(&self, headers: &BTreeMap<String, String>) -> Option<&Rule> {
        let mut best: Option<(&Rule, _)> = None;
        for rule in &self.rules {
            let Some(rank) = rule.takes(headers) else {
                continue;
            };
            if !self.is_by_specificity {
                return Some(rule);
            }
            if best.as_ref().is_none_or(|(_, known)| rank > *known) {
                best = Some((rule, rank));
            }
        }
        best.map(|(rule, _)| rule)
    }

    /// Every Service that can be asked.
    pub(super) fn services(&self) -> BTreeSet<String> {
        let backends = self
            .rules
            .iter()
            .flat_map(|rule| rule.backends.iter().map(|b| b.service.clone()));
        backends
            .chain(self.rules.iter().flat_map(|rule| rule.mirrors.clone()))
            .collect()
    }

    fn to_service(service: &str) -> Self {
        let backends = vec![Backend {
            service: service.to_owned(),
            weight: 1,
        }];
        Self {
            rules: vec![Rule {
                backends,
                ..Rule::default()
            }],
            is_by_specificity: false,
        }
    }
}

/// The route as the API server has it now; the plain Service when there is none.
pub(super) async fn read(client: &Client, options: &TrafficOptions) -> Result<Route, kube::Error> {
    let (group, versions, kind, parse): (_, &[&str], _, fn(&Value) -> Route) = match options.mesh {
        Mesh::Istio => (
            "networking.istio.io",
            &["v1", "v1beta1"],
            "VirtualService",
            virtual_service,
        ),
        Mesh::GatewayApi | Mesh::Sluice => (
            "gateway.networking.k8s.io",
            &["v1", "v1beta1"],
            "HTTPRoute",
            http_route,
        ),
        Mesh::Kubernetes => return Ok(Route::to_service(&options.service)),
    };
    for version in versions {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), &options.namespace, &resource);
        match api.get(&options.service).await {
            Ok(object) => return Ok(parse(inside(&object.data, "spec"))),
            // Also what a server says that does not know the kind; then there is no Status with a reason.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Route::to_service(&options.service))
}

fn inside<'v>(value: &'v Value, field: &str) -> &'v Value {
    value.get(field).unwrap_or(&Value::Null)
}

fn list<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    value
        .get(field)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn weight(value: &Value, default: u32) -> u32 {
    value
        .get("weight")
        .and_then(Value::as_u64)
        .map_or(default, |w| u32::try_from(w).unwrap_or(u32::MAX >> 8))
}

fn http_route(spec: &Value) -> Route {
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
    }
}

/// `podinfo-canary.test.svc.cluster.local` is the Service `podinfo-canary`.
fn service_of(host: &str) -> String {
    host.split('.').next().unwrap_or(host).to_owned()
}

fn virtual_service(spec: &Value) -> Route {
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
        is_by_specificity: false,
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
