//! Istio: one VirtualService and two DestinationRules (spec/flagger.md 4.2).
//!
//! Routes are in `istio/http.rs`, `istio/sticky.rs`, `istio/testers.rs` and `istio/tcp.rs`; what a user's VirtualService was before us is kept by
//! `istio/original.rs`.

use api::canary::service::{HttpMatch, ServicePort};
use rollout::{Split, Weight};
use serde_json::{Map, Value, json};

use crate::{
    adapter::Adapter,
    error::{ReadError, RenderError},
    metadata,
    object::{Kind, Live, Manifest, ObjectRef, Replacement},
    ports, refuse,
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
    let (mut http, mut tcp) = (Vec::new(), Vec::new());
    for port in &route.service.ports {
        let added = add(&of_port(route, port), &mut http, &mut tcp);
        added.map_err(|error| ports::told(port, error))?;
    }
    add(route, &mut http, &mut tcp)?;
    for (key, routes) in [("http", http), ("tcp", tcp)] {
        if !routes.is_empty() {
            spec.insert(key.into(), routes.into());
        }
    }
    Ok(VIRTUAL_SERVICE.manifest(metadata, spec))
}

/// Adds the routes of one port.
fn add(route: &Route, http: &mut Vec<Value>, tcp: &mut Vec<Value>) -> Result<(), RenderError> {
    if is_tcp(route) {
        refuse::matches(route, "TCP on Istio")?;
        refuse::mirror(route, "TCP on Istio")?;
        refuse::sessions(route, "TCP on Istio")?;
        tcp.extend(tcp::routes(route));
    } else {
        http.extend(http::routes(route)?);
    }
    Ok(())
}

/// The route of a further port: its requests are told by their port, in the one VirtualService.
fn of_port(route: &Route, port: &ServicePort) -> Route {
    let mut one = ports::of(route, port);
    one.service.match_ = vec![HttpMatch {
        port: Some(port.port),
        ..HttpMatch::default()
    }];
    one
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

/// One destination of a route.
fn destination(route: &Route, host: &str, weight: Weight) -> Value {
    json!({"destination": address(route, host), "weight": weight.percent()})
}

/// A Service. Its port is pinned where Istio could not tell it: behind a gateway or in a delegate when there are
/// several, and where it is a further one.
fn address(route: &Route, host: &str) -> Map<String, Value> {
    let service = &route.service;
    let has_several = service.port_discovery || !service.ports.is_empty();
    let is_behind_gateway = service
        .gateways
        .first()
        .is_some_and(|first| first != "mesh");
    let mut destination = Map::new();
    destination.insert("host".into(), host.into());
    if route.is_further() || (has_several && (is_behind_gateway || service.delegation)) {
        destination.insert("port".into(), json!({"number": service.port}));
    }
    destination
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
    let routes = routes.into_iter().flatten().rev();
    let found = routes.filter(|one| is_of(route, one)).find_map(|one| {
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

/// True when the route of the live object is for this port: those of the first ask for none of the others.
fn is_of(route: &Route, one: &Value) -> bool {
    let matches = one.get("match").and_then(Value::as_array);
    let matches = matches.map_or(&[][..], Vec::as_slice);
    let ask_for = |is_wanted: &dyn Fn(i64) -> bool| {
        let port = |it: &Value| it.get("port").and_then(Value::as_i64);
        !matches.is_empty() && matches.iter().all(|it| port(it).is_some_and(is_wanted))
    };
    let service = &route.service;
    if route.is_further() {
        return ask_for(&|port| port == i64::from(service.port));
    }
    !ask_for(&|port| service.ports.iter().any(|one| i64::from(one.port) == port))
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
        ports::agreed(route, |one| split(object, one))
    }

    fn restore(&self, route: &Route, live: &Live) -> Vec<Replacement> {
        let object = object(route);
        live.at(&object)
            .and_then(|there| original::replacement(there, object.clone()))
            .into_iter()
            .collect()
    }
}
