//! `spec.service.ports[]`: further ports, routed by the same weights as the first.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GatewayRef, LABEL, RouteKind, int_or_string};

/// A further port of the Services, with a route of its own where the mesh has one for each port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    /// Name of the port; its route is named `<service>-<name>`.
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL))]
    pub name: String,
    /// Port of the Services.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Port of the containers, by number or name; `port` when absent or 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "int_or_string")]
    pub target_port: Option<IntOrString>,
    /// Application protocol of the port; `tcp` selects TCP routes (Istio).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
    /// Parents of its route (Gateway API); `service.gatewayRefs` when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub gateway_refs: Vec<GatewayRef>,
    /// Host names of its route (Gateway API); `service.hosts` when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Kind of its route (Gateway API); HTTPRoute when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_kind: Option<RouteKind>,
}
