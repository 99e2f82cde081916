//! Schema of `service.trafficPolicy`: the part of Istio's TrafficPolicy that a Canary may hold.
//!
//! The value itself is passed on as it is.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// Schema of the whole policy.
pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "connectionPool": object(&json!({"http": connections()})),
            "loadBalancer": load_balancer(),
            "outlierDetection": outliers(),
            "tls": tls(),
        },
    })
}

fn connections() -> Value {
    object(&json!({
        "h2UpgradePolicy": words(&["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"]),
        "http1MaxPendingRequests": int32(),
        "http2MaxRequests": int32(),
        "idleTimeout": text(),
        "maxRequestsPerConnection": int32(),
        "maxRetries": int32(),
    }))
}

/// Either a simple algorithm or a hash of exactly one thing.
fn load_balancer() -> Value {
    let hashed = [
        "httpHeaderName",
        "httpCookie",
        "useSourceIp",
        "httpQueryParameterName",
    ]
    .map(|way| json!({"required": [way]}));
    let mut schema = object(&json!({
        "simple": words(&["ROUND_ROBIN", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "LEAST_REQUEST"]),
        "consistentHash": object(&json!({
            "httpHeaderName": text(),
            "httpCookie": object(&json!({"name": text(), "path": text(), "ttl": text()})),
            "useSourceIp": {"type": "boolean"},
            "httpQueryParameterName": text(),
            "minimumRingSize": {"type": "integer"},
        })),
        "localityLbSetting": locality(),
        "warmupDurationSecs": text(),
    }));
    let ways = json!([
        {"required": ["simple"]},
        {"required": ["consistentHash"], "properties": {"consistentHash": {"oneOf": hashed}}},
    ]);
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("oneOf".into(), ways);
    }
    schema
}

fn locality() -> Value {
    let shares = json!({"type": "object", "additionalProperties": {"type": "integer"}});
    object(&json!({
        "enabled": {"type": "boolean"},
        "distribute": list(&object(&json!({"from": text(), "to": shares}))),
        "failover": list(&object(&json!({"from": text(), "to": text()}))),
    }))
}

fn outliers() -> Value {
    object(&json!({
        "consecutiveErrors": int32(),
        "consecutiveGatewayErrors": int32(),
        "consecutive5xxErrors": {"type": "integer"},
        "splitExternalLocalOriginErrors": {"type": "boolean"},
        "consecutiveLocalOriginFailures": int32(),
        "interval": text(),
        "baseEjectionTime": text(),
        "maxEjectionPercent": int32(),
        "minHealthPercent": int32(),
    }))
}

fn tls() -> Value {
    object(&json!({
        "mode": words(&["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"]),
        "clientCertificate": text(),
        "privateKey": text(),
        "caCertificates": text(),
        "subjectAltNames": list(&text()),
        "sni": text(),
    }))
}

fn object(properties: &Value) -> Value {
    json!({"type": "object", "properties": properties})
}

fn list(items: &Value) -> Value {
    json!({"type": "array", "items": items})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn words(known: &[&str]) -> Value {
    json!({"type": "string", "enum": known})
}

fn int32() -> Value {
    json!({"type": "integer", "format": "int32"})
}
