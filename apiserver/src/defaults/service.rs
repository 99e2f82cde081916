//! Fills in Services, Endpoints and EndpointSlices.

use serde_json::{Value, json};

use crate::object::{put_if_absent, text};

/// Fills in a Service.
pub(super) fn fill_service(object: &mut Value) {
    put_if_absent(object, &["spec", "type"], json!("ClusterIP"));
    put_if_absent(object, &["spec", "sessionAffinity"], json!("None"));
    if text(object, &["spec", "sessionAffinity"]) == Some("ClientIP") {
        put_if_absent(
            object,
            &[
                "spec",
                "sessionAffinityConfig",
                "clientIP",
                "timeoutSeconds",
            ],
            json!(10_800),
        );
    }
    let service_type = text(object, &["spec", "type"])
        .unwrap_or_default()
        .to_owned();
    if service_type != "ExternalName" {
        put_if_absent(object, &["spec", "internalTrafficPolicy"], json!("Cluster"));
        put_if_absent(object, &["spec", "ipFamilies"], json!(["IPv4"]));
        put_if_absent(object, &["spec", "ipFamilyPolicy"], json!("SingleStack"));
    }
    if matches!(service_type.as_str(), "NodePort" | "LoadBalancer") {
        put_if_absent(object, &["spec", "externalTrafficPolicy"], json!("Cluster"));
    }
    if service_type == "LoadBalancer" {
        put_if_absent(
            object,
            &["spec", "allocateLoadBalancerNodePorts"],
            json!(true),
        );
    }
    for port in object
        .pointer_mut("/spec/ports")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        put_if_absent(port, &["protocol"], json!("TCP"));
        let number = port.get("port").cloned().unwrap_or_default();
        if !number.is_null() {
            put_if_absent(port, &["targetPort"], number);
        }
    }
}

/// Fills in Endpoints.
pub(super) fn fill_endpoints(object: &mut Value) {
    for subset in object
        .get_mut("subsets")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        for port in subset
            .get_mut("ports")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            put_if_absent(port, &["protocol"], json!("TCP"));
        }
    }
}

/// Fills in an EndpointSlice.
pub(super) fn fill_endpoint_slice(object: &mut Value) {
    for port in object
        .get_mut("ports")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        put_if_absent(port, &["name"], json!(""));
        put_if_absent(port, &["protocol"], json!("TCP"));
    }
}
