//! The objects the gateway has seen, as it keeps them.
//!
//! Takes objects as JSON, from watches or by hand, and keeps what routing needs. Decides
//! nothing; `compile.rs` turns a world into a table.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::grpc;
use crate::resource::{
    ClassSpec, GatewaySpec, GrantSpec, Meta, RouteKind, RouteSpec, ServiceSpec, Slice,
};

/// Namespace and name; the namespace is empty for cluster-scoped objects.
pub(crate) type Key = (String, String);

/// An object with its metadata, decoded spec and raw status.
#[derive(Clone, Debug)]
pub(crate) struct Seen<S> {
    pub(crate) meta: Meta,
    /// The decoded spec, or why it could not be decoded.
    pub(crate) spec: Result<S, String>,
    pub(crate) status: Value,
}

/// All objects that routing depends on.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub(crate) classes: BTreeMap<Key, Seen<ClassSpec>>,
    pub(crate) gateways: BTreeMap<Key, Seen<GatewaySpec>>,
    pub(crate) routes: BTreeMap<Key, Seen<RouteSpec>>,
    /// GRPCRoutes, as the HTTPRoutes that they mean.
    pub(crate) grpc_routes: BTreeMap<Key, Seen<RouteSpec>>,
    pub(crate) services: BTreeMap<Key, Seen<ServiceSpec>>,
    pub(crate) slices: BTreeMap<Key, Seen<Slice>>,
    pub(crate) grants: BTreeMap<Key, Seen<GrantSpec>>,
    pub(crate) namespaces: BTreeMap<Key, Seen<Value>>,
}

/// Why an object was not taken.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// Routing does not depend on this kind.
    #[error("failed to take an object of kind {kind:?}: routing does not depend on it")]
    Kind {
        /// The object's `kind`.
        kind: String,
    },
    /// The object has no usable metadata.
    #[error("failed to read metadata of a {kind:?}")]
    Meta {
        /// The object's `kind`.
        kind: String,
        /// What was wrong with it.
        source: serde_json::Error,
    },
}

impl World {
    /// Adds or replaces one object, given as JSON with `kind` and `metadata`.
    ///
    /// # Errors
    /// An object of another kind, or without metadata. A spec that cannot be decoded is
    /// kept and told in the object's conditions.
    pub fn apply(&mut self, object: Value) -> Result<(), WorldError> {
        let kind = object
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        match kind.as_str() {
            "GatewayClass" => put(&mut self.classes, &kind, object, "spec"),
            "Gateway" => put(&mut self.gateways, &kind, object, "spec"),
            "HTTPRoute" => put(&mut self.routes, &kind, object, "spec"),
            "GRPCRoute" => {
                let object = grpc::as_http(object);
                put(&mut self.grpc_routes, &kind, object, "spec")
            }
            "Service" => put(&mut self.services, &kind, object, "spec"),
            "EndpointSlice" => put(&mut self.slices, &kind, object, ""),
            "ReferenceGrant" => put(&mut self.grants, &kind, object, "spec"),
            "Namespace" => put(&mut self.namespaces, &kind, object, "spec"),
            _ => Err(WorldError::Kind { kind }),
        }
    }

    /// Forgets one object; `namespace` is empty for cluster-scoped kinds.
    pub fn delete(&mut self, kind: &str, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        match kind {
            "GatewayClass" => drop(self.classes.remove(&key)),
            "Gateway" => drop(self.gateways.remove(&key)),
            "HTTPRoute" => drop(self.routes.remove(&key)),
            "GRPCRoute" => drop(self.grpc_routes.remove(&key)),
            "Service" => drop(self.services.remove(&key)),
            "EndpointSlice" => drop(self.slices.remove(&key)),
            "ReferenceGrant" => drop(self.grants.remove(&key)),
            "Namespace" => drop(self.namespaces.remove(&key)),
            _ => {}
        }
    }

    /// The routes of one kind.
    pub(crate) fn routes_of(&self, kind: RouteKind) -> &BTreeMap<Key, Seen<RouteSpec>> {
        match kind {
            RouteKind::Http => &self.routes,
            RouteKind::Grpc => &self.grpc_routes,
        }
    }

    /// Forgets every object of a kind that is not among `kept`: the end of a relist.
    pub(crate) fn retain(&mut self, kind: &str, kept: &std::collections::BTreeSet<Key>) {
        match kind {
            "GatewayClass" => self.classes.retain(|key, _| kept.contains(key)),
            "Gateway" => self.gateways.retain(|key, _| kept.contains(key)),
            "HTTPRoute" => self.routes.retain(|key, _| kept.contains(key)),
            "GRPCRoute" => self.grpc_routes.retain(|key, _| kept.contains(key)),
            "Service" => self.services.retain(|key, _| kept.contains(key)),
            "EndpointSlice" => self.slices.retain(|key, _| kept.contains(key)),
            "ReferenceGrant" => self.grants.retain(|key, _| kept.contains(key)),
            "Namespace" => self.namespaces.retain(|key, _| kept.contains(key)),
            _ => {}
        }
    }
}

/// Decodes an object and keeps it. `part` names the field to decode; "" means the whole.
fn put<S: DeserializeOwned>(
    map: &mut BTreeMap<Key, Seen<S>>,
    kind: &str,
    mut object: Value,
    part: &str,
) -> Result<(), WorldError> {
    let mut take = |field: &str| object.get_mut(field).map(Value::take).unwrap_or_default();
    let meta: Meta =
        serde_json::from_value(take("metadata")).map_err(|source| WorldError::Meta {
            kind: kind.to_owned(),
            source,
        })?;
    let status = take("status");
    let spec = if part.is_empty() { object } else { take(part) };
    let spec = if spec.is_null() {
        Value::Object(serde_json::Map::new())
    } else {
        spec
    };
    let spec = serde_json::from_value(spec).map_err(|error| error.to_string());
    let key = (meta.namespace.clone(), meta.name.clone());
    map.insert(key, Seen { meta, spec, status });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_come_and_go() {
        let mut world = World::default();
        world
            .apply(json!({"kind": "Service", "metadata": {"name": "a", "namespace": "n"}}))
            .unwrap();
        world
            .apply(json!({"kind": "HTTPRoute", "metadata": {"name": "r", "namespace": "n"}, "spec": {"rules": 5}}))
            .unwrap();
        assert!(
            world
                .apply(json!({"kind": "Pod", "metadata": {"name": "p"}}))
                .is_err()
        );
        assert!(world.apply(json!({"kind": "Service"})).is_err());
        assert!(world.routes.values().all(|route| route.spec.is_err()));
        world.delete("HTTPRoute", "n", "r");
        world.retain("Service", &std::collections::BTreeSet::new());
        assert!(world.routes.is_empty() && world.services.is_empty());
    }
}
