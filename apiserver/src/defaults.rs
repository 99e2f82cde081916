//! Fills in what the built-in kinds get when the user leaves it out.
//!
//! The values are those of Kubernetes' SetDefaults functions; `pod`, `workload` and `service` hold a family each.
//! Defaults of custom resources come from their schema.

use serde_json::{Value, json};

mod pod;
mod service;
mod workload;

use crate::{
    object::{at, list, put, put_if_absent, take, text},
    resource::ResourceType,
};

/// Fills in a new or changed object.
pub(crate) fn fill(kind: &ResourceType, object: &mut Value) {
    if kind.is_custom {
        return;
    }
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "pods") => pod::fill(object, &["spec"]),
        ("", "services") => service::fill_service(object),
        ("", "endpoints") => service::fill_endpoints(object),
        ("", "secrets") => fill_secret(object),
        ("", "namespaces") => {
            let name = crate::object::name(object).to_owned();
            put(
                object,
                &["metadata", "labels", "kubernetes.io/metadata.name"],
                Value::from(name),
            );
        }
        ("", "persistentvolumeclaims") => {
            put_if_absent(object, &["spec", "volumeMode"], json!("Filesystem"))
        }
        ("apps", "deployments") => workload::fill_deployment(object),
        ("apps", "replicasets") => workload::fill_replica_set(object),
        ("apps", "daemonsets") => workload::fill_daemon_set(object),
        ("apps", "statefulsets") => workload::fill_stateful_set(object),
        ("batch", "jobs") => workload::fill_job(object),
        ("batch", "cronjobs") => workload::fill_cron_job(object),
        ("autoscaling", "horizontalpodautoscalers") => workload::fill_autoscaler(object),
        ("discovery.k8s.io", "endpointslices") => service::fill_endpoint_slice(object),
        ("networking.k8s.io", "networkpolicies") => {
            put_if_absent(object, &["spec", "policyTypes"], json!(["Ingress"]))
        }
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            fill_binding(object)
        }
        ("storage.k8s.io", "storageclasses") => {
            put_if_absent(object, &["reclaimPolicy"], json!("Delete"));
            put_if_absent(object, &["volumeBindingMode"], json!("Immediate"));
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => fill_definition(object),
        _ => {}
    }
    // A kind with a status shows one, empty or not.
    if kind.has_status && kind.kind != "CustomResourceDefinition" {
        put_if_absent(object, &["status"], json!({}));
    }
}

/// Fills in what only a new object gets.
pub(crate) fn fill_new(kind: &ResourceType, object: &mut Value) {
    if kind.is_custom {
        return;
    }
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "pods") => pod::fill_status(object),
        ("", "namespaces") => {
            put(object, &["status"], json!({ "phase": "Active" }));
            put(object, &["spec", "finalizers"], json!(["kubernetes"]));
        }
        ("", "services") => put(object, &["status"], json!({ "loadBalancer": {} })),
        ("", "persistentvolumeclaims") => put(object, &["status"], json!({ "phase": "Pending" })),
        ("networking.k8s.io", "ingresses") => {
            put(object, &["status"], json!({ "loadBalancer": {} }))
        }
        ("batch", "jobs") => workload::fill_job_selector(object),
        _ => {}
    }
}

fn fill_secret(object: &mut Value) {
    use base64::Engine as _;
    if let Some(Value::Object(plain)) = take(object, &["stringData"]) {
        for (key, value) in plain {
            let text = value.as_str().unwrap_or_default();
            let encoded = base64::engine::general_purpose::STANDARD.encode(text);
            put(object, &["data", &key], Value::from(encoded));
        }
    }
    put_if_absent(object, &["type"], json!("Opaque"));
}

fn fill_binding(object: &mut Value) {
    put_if_absent(
        object,
        &["roleRef", "apiGroup"],
        json!("rbac.authorization.k8s.io"),
    );
    let Some(subjects) = object.get_mut("subjects").and_then(Value::as_array_mut) else {
        return;
    };
    for subject in subjects {
        if matches!(text(subject, &["kind"]), Some("User" | "Group")) {
            put_if_absent(subject, &["apiGroup"], json!("rbac.authorization.k8s.io"));
        }
    }
}

fn fill_definition(object: &mut Value) {
    let kind = text(object, &["spec", "names", "kind"])
        .unwrap_or_default()
        .to_owned();
    put_if_absent(
        object,
        &["spec", "names", "listKind"],
        json!(format!("{kind}List")),
    );
    put_if_absent(
        object,
        &["spec", "names", "singular"],
        json!(kind.to_lowercase()),
    );
    put_if_absent(
        object,
        &["spec", "conversion"],
        json!({ "strategy": "None" }),
    );
    if at(object, &["spec", "preserveUnknownFields"]) == Some(&json!(false)) {
        take(object, &["spec", "preserveUnknownFields"]);
    }
    let versions = list(object, &["spec", "versions"]).len();
    for index in 0..versions {
        let pointer = format!("/spec/versions/{index}");
        if let Some(version) = object.pointer_mut(&pointer) {
            put_if_absent(version, &["served"], json!(false));
            put_if_absent(version, &["storage"], json!(false));
        }
    }
}
