//! Tells whether a live object lacks anything of a manifest.
//!
//! What the API server fills in beside our fields is no difference: only fields that we write are compared, and
//! those that we would write if there were anything to say (the tables below), so that a mirror or time-out that
//! is not wanted any more is a difference, whoever wrote it. What we wrote ourselves and no longer ask for is told by
//! the mark of the manifest (`mark.rs`), which is a field like any other here.

use rollout::Split;
use serde_json::{Map, Value};

use crate::{
    adapter::Adapter,
    error::RenderError,
    object::{Live, Manifest},
    route::Route,
};

/// Fields of an HTTPRoute's rule.
const HTTP_ROUTE_RULE: [&str; 2] = ["filters", "timeouts"];
/// Fields of an HTTP route of a VirtualService.
const VIRTUAL_SERVICE_HTTP: [&str; 8] = [
    "match",
    "rewrite",
    "timeout",
    "retries",
    "corsPolicy",
    "headers",
    "mirror",
    "mirrorPercentage",
];

/// True when the live objects differ from what is rendered for the split that they are in (the one wanted, when
/// that cannot be told).
///
/// # Errors
/// As `render`.
pub(crate) fn has_drifted<A: Adapter + ?Sized>(
    adapter: &A,
    route: &Route,
    live: &Live,
    split: Option<Split>,
) -> Result<bool, RenderError> {
    let as_seen = Route {
        split: split.unwrap_or(route.split),
        ..route.clone()
    };
    let wanted = adapter.marked(&as_seen, live)?;
    Ok(wanted
        .iter()
        .any(|manifest| differs(manifest, live.of(manifest))))
}

/// The fields of the spec of such an object in which nobody but the Canary has a say: what another wrote there is to
/// go, even where the Canary asks for nothing.
#[must_use]
pub fn sole(manifest: &Manifest) -> &'static [&'static str] {
    match kind(manifest) {
        "HTTPRoute" | "GRPCRoute" => &["hostnames"],
        "VirtualService" => &["gateways", "hosts", "http", "tcp"],
        "DestinationRule" => &["trafficPolicy"],
        "Upstream" => &["loadBalancerConfig", "sslConfig"],
        "VirtualNode" => &["backends", "logging"],
        "Ingress" => &["defaultBackend", "ingressClassName", "rules", "tls"],
        _ => &[],
    }
}

/// True when `live` is missing or lacks or contradicts anything in `wanted`.
#[must_use]
pub fn differs(wanted: &Manifest, live: Option<&Value>) -> bool {
    let mut wanted = wanted.clone();
    let sole = sole(&wanted);
    own(&mut wanted, "/spec", sole);
    match kind(&wanted) {
        "HTTPRoute" => {
            own_each(&mut wanted, "/spec/rules", "", &HTTP_ROUTE_RULE);
            for rule in elements(&mut wanted, "/spec/rules") {
                own_each(rule, "/backendRefs", "", &["filters"]);
            }
        }
        "GRPCRoute" => {
            own_each(&mut wanted, "/spec/rules", "", &["filters", "matches"]);
        }
        "VirtualService" => {
            own_each(&mut wanted, "/spec/http", "", &VIRTUAL_SERVICE_HTTP);
            for route in elements(&mut wanted, "/spec/http") {
                own_each(route, "/route", "", &["headers"]);
            }
            own_each(&mut wanted, "/spec/tcp", "", &["match"]);
            own_each(&mut wanted, "/spec/routes", "/http", &["retryPolicy"]);
        }
        "HTTPProxy" => {
            own_each(
                &mut wanted,
                "/spec/routes",
                "",
                &["timeoutPolicy", "retryPolicy"],
            );
        }
        "RouteTable" => {
            own_each(&mut wanted, "/spec/routes", "", &["matchers"]);
            let destinations = "/spec/routes/0/routeAction/multi/destinations";
            own_each(&mut wanted, destinations, "", &["weight"]);
        }
        "VirtualNode" => {
            own_each(&mut wanted, "/spec/listeners", "", &["timeout"]);
        }
        "VirtualRouter" => {
            let keys = ["timeout", "retryPolicy"];
            own_each(&mut wanted, "/spec/routes", "/httpRoute", &keys);
        }
        _ => {}
    }
    live.is_none_or(|live| !covers(&wanted, live) || !is_copied(&wanted, live))
}

/// True when what is copied from a user's object is the same to the last field: there an empty object can be a
/// choice, and a field less a change.
fn is_copied(wanted: &Manifest, live: &Value) -> bool {
    let copied: &[&str] = match kind(wanted) {
        "Ingress" => &["/spec"],
        "ApisixRoute" => &["/spec/http/0/match", "/spec/http/0/plugins"],
        "Upstream" => &["/spec/loadBalancerConfig", "/spec/sslConfig"],
        _ => &[],
    };
    copied.iter().all(
        |pointer| match (wanted.pointer(pointer), live.pointer(pointer)) {
            (Some(wanted), Some(live)) => is_same(wanted, live),
            (Some(_) | None, Some(_) | None) => true,
        },
    )
}

/// True when both are the same; null is the same as nothing.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let within = |this: &Map<String, Value>, that: &Map<String, Value>| {
                this.iter().all(|(key, value)| {
                    let there = that.get(key).unwrap_or(&Value::Null);
                    is_same(value, there)
                })
            };
            within(one, other) && within(other, one)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| is_same(one, other))
        }
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (one, other) => one == other,
    }
}

fn kind(manifest: &Manifest) -> &str {
    let kind = manifest.get("kind").and_then(Value::as_str);
    kind.unwrap_or_default()
}

/// Marks fields of the object at `pointer` as ours: a live value where we want none is a difference.
fn own(manifest: &mut Manifest, pointer: &str, keys: &[&str]) {
    if let Some(Value::Object(map)) = manifest.pointer_mut(pointer) {
        for key in keys {
            map.entry(*key).or_insert(Value::Null);
        }
    }
}

/// Marks fields of the object at `inner` of each element of the list at `pointer`.
fn own_each(manifest: &mut Manifest, pointer: &str, inner: &str, keys: &[&str]) {
    for element in elements(manifest, pointer) {
        own(element, inner, keys);
    }
}

/// The elements of the list at `pointer`.
fn elements<'a>(manifest: &'a mut Manifest, pointer: &str) -> impl Iterator<Item = &'a mut Value> {
    let list = manifest.pointer_mut(pointer).and_then(Value::as_array_mut);
    list.into_iter().flatten()
}

/// True when all of `wanted` is in `live`. Lists must have the same length: an element more is a rule more.
fn covers(wanted: &Value, live: &Value) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => wanted.iter().all(|(key, value)| {
            let Some(there) = live.get(key) else {
                return is_empty(value);
            };
            // Others may add owners of their own.
            if key == "ownerReferences" {
                return has_each(value, there);
            }
            covers(value, there)
        }),
        (Value::Array(wanted), Value::Array(live)) => {
            wanted.len() == live.len()
                && wanted
                    .iter()
                    .zip(live)
                    .all(|(wanted, live)| covers(wanted, live))
        }
        (Value::Number(wanted), Value::Number(live)) => wanted.as_f64() == live.as_f64(),
        (Value::Null, live) => is_empty(live),
        (wanted, live) => wanted == live,
    }
}

fn has_each(wanted: &Value, live: &Value) -> bool {
    let elements = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let live = elements(live);
    elements(wanted)
        .iter()
        .all(|one| live.iter().any(|there| covers(one, there)))
}

/// An empty list or object is the same as none.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
