//! Istio: one VirtualService and two DestinationRules (spec/flagger.md 4.2).
//!
//! Routes are in `istio/http.rs`, `istio/sticky.rs`, `istio/testers.rs` and `istio/tcp.rs`; what a user's VirtualService was before us is kept by
//! `istio/original.rs`.

use rollout::{Split, Weight};
use serde_json::{Map, Value, json};

use crate::{
    adapter::Adapter,
    error::{ReadError, RenderError},
    metadata,
    object::{Kind, Live, Manifest, ObjectRef, Replacement},
    refuse,
    route::Route,
    seen,
};

mod http;
mod original;
mod sticky;
mod tcp;
mod testers;

const API_VERSION: &str = "networking.istio.io/v1beta1";
/// The routes.
pub(crate) const VIRTUAL_SERVICE: Kind = Kind {
    api_version: API_VERSION,
    kind: "VirtualService",
    plural: "virtualservices",
};
/// What is said of a destination.
pub(crate) const DESTINATION_RULE: Kind = Kind {
    api_version: API_VERSION,
    kind: "DestinationRule",
    plural: "destinationrules",
};

/// Istio's objects.
#[derive(Debug)]
pub(crate) struct Istio;

fn object(route: &Route) -> ObjectRef {
    VIRTUAL_SERVICE.named(&route.namespace, route.apex.as_str())
}

/// True when the Service speaks plain TCP.
fn is_tcp(route: &Route) -> bool {
    route
        .service
        .app_protocol
        .as_deref()
        .is_some_and(|protocol| protocol.eq_ignore_ascii_case("tcp"))
}

fn destination_rule(route: &Route, live: &Live, name: &str) -> Manifest {
    let mut spec = Map::new();
    spec.insert("host".into(), name.into());
    if let Some(policy) = &route.service.traffic_policy {
        spec.insert("trafficPolicy".into(), policy.clone());
    }
    let there = live.at(&DESTINATION_RULE.named(&route.namespace, name));
    DESTINATION_RULE.manifest(metadata::named(route, name, there), spec)
}

fn virtual_service(route: &Route, live: &Live) -> Result<Manifest, RenderError> {
    let there = live.at(&object(route));
    let mut metadata = metadata::apex(route, there);
    original::keep(route, there, &mut metadata);
    let mut spec = Map::new();
    if route.service.delegation {
        refuse_with_delegation("spec.service.hosts", &route.service.hosts)?;
        refuse_with_delegation("spec.service.gateways", &route.service.gateways)?;
    } else {
        spec.insert("hosts".into(), hosts(route).into());
        spec.insert("gateways".into(), gateways(route).into());
    }
    if is_tcp(route) {
        refuse::matches(route, "TCP on Istio")?;
        refuse::mirror(route, "TCP on Istio")?;
        refuse::sessions(route, "TCP on Istio")?;
        spec.insert("tcp".into(), tcp::routes(route).into());
    } else {
        spec.insert("http".into(), http::routes(route)?.into());
    }
    Ok(VIRTUAL_SERVICE.manifest(metadata, spec))
}

/// The hosts given, and the apex unless it is among them.
fn hosts(route: &Route) -> Vec<String> {
    let mut hosts = route.service.hosts.clone();
    if !hosts.iter().any(|host| *host == route.apex || host == "*") {
        hosts.push(route.apex.clone());
    }
    hosts
}

fn gateways(route: &Route) -> Vec<String> {
    if route.service.gateways.is_empty() {
        return vec!["mesh".into()];
    }
    route.service.gateways.clone()
}

fn refuse_with_delegation(field: &str, given: &[String]) -> Result<(), RenderError> {
    if given.is_empty() {
        return Ok(());
    }
    Err(RenderError::Unsupported {
        field: field.to_owned(),
        value: given.join(", "),
        cure: "a delegate VirtualService has none; remove it or spec.service.delegation".into(),
    })
}

/// One destination of a route. Its port is pinned where Istio could not tell it from the Service: behind a
/// gateway or in a delegate, when there are several.
fn destination(route: &Route, host: &str, weight: Weight) -> Value {
    let service = &route.service;
    let is_behind_gateway = service
        .gateways
        .first()
        .is_some_and(|first| first != "mesh");
    let mut destination = Map::new();
    destination.insert("host".into(), host.into());
    if service.port_discovery && (is_behind_gateway || service.delegation) {
        destination.insert("port".into(), json!({"number": service.port}));
    }
    json!({"destination": destination, "weight": weight.percent()})
}

/// Primary and canary with their weights.
fn destinations(route: &Route) -> Vec<Value> {
    vec![
        destination(route, &route.primary(), route.split.primary()),
        destination(route, &route.canary(), route.split.canary),
    ]
}

/// The split of the last route that leads to the canary.
fn split(object: &Value, route: &Route) -> Result<Split, ReadError> {
    let key = if is_tcp(route) { "tcp" } else { "http" };
    let routes = object
        .pointer("/spec")
        .and_then(|spec| spec.get(key)?.as_array());
    let found = routes.into_iter().flatten().rev().find_map(|one| {
        let canary = weight(one, &route.canary())?;
        Some((one, weight(one, &route.primary()).unwrap_or(0), canary))
    });
    let Some((one, primary, canary)) = found else {
        return Err(ReadError::NoRule {
            kind: VIRTUAL_SERVICE.kind.into(),
            name: route.apex.clone(),
            primary: route.primary(),
            canary: route.canary(),
        });
    };
    let is_mirrored = one
        .pointer("/mirror/host")
        .and_then(Value::as_str)
        .is_some_and(|host| !host.is_empty());
    match Weight::try_from(canary) {
        Ok(weight) if primary + canary == 100 => Ok(Split {
            canary: weight,
            mirrored: is_mirrored,
        }),
        Ok(_) | Err(_) => Err(ReadError::Weights {
            kind: VIRTUAL_SERVICE.kind.into(),
            name: route.apex.clone(),
            primary,
            canary,
        }),
    }
}

/// True when a route of the live object has the canary among its destinations.
fn leads_to_canary(object: &Value, route: &Route) -> bool {
    ["/spec/http", "/spec/tcp"].into_iter().any(|pointer| {
        object
            .pointer(pointer)
            .and_then(Value::as_array)
            .is_some_and(|routes| {
                routes
                    .iter()
                    .any(|one| weight(one, &route.canary()).is_some())
            })
    })
}

/// The weight of a host in a route; Istio leaves a weight of 0 out.
fn weight(one: &Value, host: &str) -> Option<i64> {
    let destinations = one.get("route")?.as_array()?;
    let found = destinations.iter().find(|destination| {
        destination
            .pointer("/destination/host")
            .and_then(Value::as_str)
            == Some(host)
    })?;
    let given = found.get("weight").and_then(Value::as_i64).unwrap_or(0);
    Some(given.clamp(-1, 1_000_000))
}

impl Adapter for Istio {
    fn objects(&self, route: &Route) -> Vec<ObjectRef> {
        let rule = |name| DESTINATION_RULE.named(&route.namespace, name);
        vec![rule(route.canary()), rule(route.primary()), object(route)]
    }

    fn render(&self, route: &Route, live: &Live) -> Result<Vec<Manifest>, RenderError> {
        Ok(vec![
            destination_rule(route, live, &route.canary()),
            destination_rule(route, live, &route.primary()),
            virtual_service(route, live)?,
        ])
    }

    fn seen(&self, route: &Route, live: &Live) -> Result<Split, ReadError> {
        let object = seen::there(live, &object(route))?;
        split(object, route)
    }

    fn restore(&self, route: &Route, live: &Live) -> Vec<Replacement> {
        let object = object(route);
        live.at(&object)
            .and_then(|there| original::replacement(there, object.clone()))
            .into_iter()
            .collect()
    }
}
