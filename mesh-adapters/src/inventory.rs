//! Inventory: which kinds are made for Canaries, and whether an object that was found is a Canary's to delete.
//!
//! What a spec asks for is its adapter's to say; here is what can be told without the spec of before.

use api::canary::status::ObjectStatus;
use serde_json::Value;

use crate::{
    apisix, appmesh, contour, gateway_api, gloo, ingress, istio, kuma,
    metadata::is_owned,
    object::{Kind, ObjectRef},
    route::Owner,
    smi, traefik,
};

/// The Services of a Canary, which all meshes have.
const SERVICE: Kind = Kind {
    api_version: "v1",
    kind: "Service",
    plural: "services",
};

/// All kinds that are made for Canaries.
const KINDS: [&Kind; 21] = [
    &SERVICE,
    &apisix::APISIX_ROUTE,
    &appmesh::v1beta1::NODE,
    &appmesh::v1beta1::SERVICE,
    &appmesh::v1beta2::NODE,
    &appmesh::v1beta2::ROUTER,
    &appmesh::v1beta2::SERVICE,
    &contour::HTTP_PROXY,
    &gateway_api::GRPC_ROUTE,
    &gateway_api::ROUTE_V1,
    &gateway_api::ROUTE_V1BETA1,
    &gloo::ROUTE_TABLE,
    &gloo::UPSTREAM,
    &ingress::INGRESS,
    &istio::DESTINATION_RULE,
    &istio::VIRTUAL_SERVICE,
    &kuma::TRAFFIC_ROUTE,
    &smi::V1ALPHA1,
    &smi::V1ALPHA2,
    &smi::V1ALPHA3,
    &traefik::TRAEFIK_SERVICE,
];

/// How the status names an object.
#[must_use]
pub fn told(object: &ObjectRef) -> ObjectStatus {
    ObjectStatus {
        api_version: object.api_version.clone(),
        kind: object.kind.clone(),
        name: object.name.clone(),
    }
}

/// The object that a status names; none of a kind that is not made for Canaries.
#[must_use]
pub fn known(told: &ObjectStatus, namespace: &str) -> Option<ObjectRef> {
    let is_same = |kind: &&&Kind| kind.api_version == told.api_version && kind.kind == told.kind;
    let kind = KINDS.iter().find(is_same)?;
    let namespace = if is_of_cluster(&told.kind) {
        ""
    } else {
        namespace
    };
    Some(kind.named(namespace, told.name.as_str()))
}

/// Names one of the Services of a Canary.
#[must_use]
pub fn service(namespace: &str, name: impl Into<String>) -> ObjectRef {
    SERVICE.named(namespace, name)
}

/// True when `manager` wrote the object for this Canary and for nobody else, so that it can be deleted.
#[must_use]
pub fn is_ours(
    object: &ObjectRef,
    live: &Value,
    owner: &Owner,
    namespace: &str,
    manager: &str,
) -> bool {
    let managers = live
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    let mut managers = managers.into_iter().flatten();
    let is_written =
        managers.any(|one| one.get("manager").and_then(Value::as_str) == Some(manager));
    let is_owned = if is_of_cluster(&object.kind) {
        kuma::is_of(&object.name, namespace, live)
    } else {
        is_owned(live, owner)
    };
    is_written && is_owned
}

/// True for the one kind that is of no namespace, and so can have no owner.
fn is_of_cluster(kind: &str) -> bool {
    kind == kuma::TRAFFIC_ROUTE.kind
}
