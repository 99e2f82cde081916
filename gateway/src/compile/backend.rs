//! Resolves references to Services into endpoint addresses.
//!
//! Pure. Reads Services, EndpointSlices and ReferenceGrants; the first fault of a route
//! becomes its `ResolvedRefs` condition.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::Finding;
use crate::resource::{GROUP, ObjectRef, RouteKind, Slice};
use crate::table::Target;
use crate::world::World;

/// The label that ties an EndpointSlice to its Service.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";
/// The `appProtocol` of HTTP/2 without TLS (KEP-3726).
const H2C: &str = "kubernetes.io/h2c";

/// What references are resolved against, and the first fault found.
pub(crate) struct Refs<'a> {
    pub(crate) world: &'a World,
    /// Kind of the route.
    pub(crate) kind: RouteKind,
    /// Namespace of the route.
    pub(crate) namespace: &'a str,
    pub(crate) fault: Option<Finding>,
}

impl Refs<'_> {
    /// Keeps the first fault.
    pub(crate) fn fail(&mut self, reason: &'static str, message: String) {
        self.fault
            .get_or_insert_with(|| Finding::no(reason, message));
    }
}

/// The endpoints behind a backendRef.
pub(crate) fn resolve(refs: &mut Refs<'_>, wanted: &ObjectRef) -> Target {
    let name = &wanted.name;
    let namespace = wanted.namespace.as_deref().unwrap_or(refs.namespace);
    let kind = wanted.kind.as_deref().unwrap_or("Service");
    if kind != "Service" || !wanted.group.as_deref().unwrap_or_default().is_empty() {
        refs.fail(
            "InvalidKind",
            format!("backend {name:?} is a {kind:?}: only Services are served"),
        );
        return Target::Invalid;
    }
    if namespace != refs.namespace && !is_granted(refs, namespace, name) {
        let message = format!(
            "no ReferenceGrant in namespace {namespace:?} lets this route use Service {name:?}"
        );
        refs.fail("RefNotPermitted", message);
        return Target::Invalid;
    }
    let service = refs
        .world
        .services
        .get(&(namespace.to_owned(), name.clone()));
    let Some(spec) = service.and_then(|service| service.spec.as_ref().ok()) else {
        refs.fail(
            "BackendNotFound",
            format!("Service \"{namespace}/{name}\" does not exist"),
        );
        return Target::Invalid;
    };
    let port = spec
        .ports
        .iter()
        .find(|port| Some(port.port) == wanted.port);
    let Some(port) = port.filter(|port| port.protocol.as_deref().unwrap_or("TCP") == "TCP") else {
        let asked = wanted
            .port
            .map_or_else(|| "none".to_owned(), |port| port.to_string());
        let message = format!("Service \"{namespace}/{name}\" has no TCP port {asked}");
        refs.fail("BackendNotFound", message);
        return Target::Invalid;
    };
    let port_name = port.name.as_deref().unwrap_or_default();
    Target::Endpoints {
        addresses: endpoints(refs.world, namespace, name, port_name),
        // gRPC is HTTP/2 whatever the Service says.
        h2c: refs.kind == RouteKind::Grpc || port.app_protocol.as_deref() == Some(H2C),
    }
}

fn is_granted(refs: &Refs<'_>, to: &str, name: &str) -> bool {
    let (kind, from) = (refs.kind.as_str(), refs.namespace);
    refs.world
        .grants
        .range((to.to_owned(), String::new())..)
        .take_while(|((namespace, _), _)| namespace == to)
        .filter_map(|(_, grant)| grant.spec.as_ref().ok())
        .any(|grant| {
            grant
                .from
                .iter()
                .any(|end| end.group == GROUP && end.kind == kind && end.namespace == from)
                && grant.to.iter().any(|end| {
                    let is_named = end
                        .name
                        .as_deref()
                        .is_none_or(|wanted| wanted.is_empty() || wanted == name);
                    end.group.is_empty() && end.kind == "Service" && is_named
                })
        })
}

/// Ready addresses; if none is ready, those that still serve while they terminate, as
/// kube-proxy does.
fn endpoints(world: &World, namespace: &str, service: &str, port_name: &str) -> Vec<SocketAddr> {
    let (mut ready, mut leaving) = (BTreeSet::new(), BTreeSet::new());
    let slices = world
        .slices
        .range((namespace.to_owned(), String::new())..)
        .take_while(|((of, _), _)| of == namespace)
        .filter(|(_, slice)| {
            slice
                .meta
                .labels
                .get(SERVICE_LABEL)
                .is_some_and(|label| label == service)
        });
    for slice in slices.filter_map(|(_, slice)| slice.spec.as_ref().ok()) {
        gather(slice, port_name, &mut ready, &mut leaving);
    }
    if ready.is_empty() {
        leaving.into_iter().collect()
    } else {
        ready.into_iter().collect()
    }
}

fn gather(
    slice: &Slice,
    port_name: &str,
    ready: &mut BTreeSet<SocketAddr>,
    leaving: &mut BTreeSet<SocketAddr>,
) {
    let ports = slice.ports.as_deref().unwrap_or_default();
    let port = ports
        .iter()
        .find(|port| port.name.as_deref().unwrap_or_default() == port_name);
    let Some(port) = port.and_then(|port| port.port) else {
        return;
    };
    if !["", "IPv4", "IPv6"].contains(&slice.address_type.as_str()) {
        return;
    }
    for endpoint in slice.endpoints.as_deref().unwrap_or_default() {
        let address = endpoint
            .addresses
            .first()
            .and_then(|address| address.parse::<IpAddr>().ok());
        let Some(address) = address.map(|address| SocketAddr::new(address, port)) else {
            continue;
        };
        let conditions = &endpoint.conditions;
        if conditions.ready.unwrap_or(true) {
            ready.insert(address);
        } else if conditions.serving == Some(true) && conditions.terminating == Some(true) {
            leaving.insert(address);
        }
    }
}
