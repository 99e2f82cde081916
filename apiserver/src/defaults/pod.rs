//! Fills in pods and pod templates.

use serde_json::{Value, json};

use crate::object::{list, put, put_if_absent, take_if_empty, text};

/// Fills in the pod spec at a path.
pub(super) fn fill(object: &mut Value, path: &[&str]) {
    let Some(spec) = path.iter().try_fold(object, |here, key| here.get_mut(*key)) else {
        return;
    };
    put_if_absent(spec, &["restartPolicy"], json!("Always"));
    put_if_absent(spec, &["terminationGracePeriodSeconds"], json!(30));
    put_if_absent(spec, &["dnsPolicy"], json!("ClusterFirst"));
    put_if_absent(spec, &["schedulerName"], json!("default-scheduler"));
    put_if_absent(spec, &["securityContext"], json!({}));
    // The two names of the service account are one field.
    let account = text(spec, &["serviceAccountName"])
        .or(text(spec, &["serviceAccount"]))
        .map(ToOwned::to_owned);
    if let Some(account) = account {
        put(spec, &["serviceAccountName"], json!(account));
        put(spec, &["serviceAccount"], json!(account));
    }
    for field in ["initContainers", "containers"] {
        for container in spec
            .get_mut(field)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            fill_container(container);
        }
    }
    for volume in spec
        .get_mut("volumes")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        fill_volume(volume);
    }
}

/// The status of a pod that nobody has seen yet.
pub(super) fn fill_status(object: &mut Value) {
    let class = quality_of_service(object);
    put(
        object,
        &["status"],
        json!({ "phase": "Pending", "qosClass": class }),
    );
    // What the node lifecycle and priority admission add to every pod.
    put_if_absent(object, &["spec", "enableServiceLinks"], json!(true));
    put_if_absent(
        object,
        &["spec", "preemptionPolicy"],
        json!("PreemptLowerPriority"),
    );
    put_if_absent(object, &["spec", "priority"], json!(0));
    put_if_absent(object, &["spec", "serviceAccountName"], json!("default"));
    put_if_absent(object, &["spec", "serviceAccount"], json!("default"));
    put_if_absent(
        object,
        &["spec", "tolerations"],
        json!([
            { "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 },
            { "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 },
        ]),
    );
}

fn quality_of_service(object: &Value) -> &'static str {
    let containers = list(object, &["spec", "containers"]);
    let amount = |container: &Value, part: &str, resource: &str| {
        text(container, &["resources", part, resource]).map(ToOwned::to_owned)
    };
    let has_any = containers.iter().any(|container| {
        ["limits", "requests"].iter().any(|part| {
            container
                .get("resources")
                .and_then(|r| r.get(part))
                .is_some()
        })
    });
    let is_guaranteed = !containers.is_empty()
        && containers.iter().all(|container| {
            ["cpu", "memory"].iter().all(|resource| {
                let limit = amount(container, "limits", resource);
                let request = amount(container, "requests", resource);
                limit.is_some() && (request.is_none() || request == limit)
            })
        });
    match (has_any, is_guaranteed) {
        (_, true) => "Guaranteed",
        (true, false) => "Burstable",
        (false, false) => "BestEffort",
    }
}

fn fill_container(container: &mut Value) {
    put_if_absent(
        container,
        &["terminationMessagePath"],
        json!("/dev/termination-log"),
    );
    put_if_absent(container, &["terminationMessagePolicy"], json!("File"));
    put_if_absent(container, &["resources"], json!({}));
    let image = text(container, &["image"]).unwrap_or_default();
    let policy = pull_policy(image);
    put_if_absent(container, &["imagePullPolicy"], json!(policy));
    for port in container
        .get_mut("ports")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        put_if_absent(port, &["protocol"], json!("TCP"));
    }
    for field in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(field) {
            fill_probe(probe);
        }
    }
    for variable in container
        .get_mut("env")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            put_if_absent(field, &["apiVersion"], json!("v1"));
        }
    }
    // A limit stands for the request that is not given.
    let limits = container
        .pointer("/resources/limits")
        .and_then(Value::as_object)
        .cloned();
    for (name, limit) in limits.into_iter().flatten() {
        put_if_absent(container, &["resources", "requests", &name], limit);
    }
    take_if_empty(container, &["ports"]);
}

/// `Always` for the tag `latest`, named or not; `IfNotPresent` for any other tag or a digest.
fn pull_policy(image: &str) -> &'static str {
    if image.contains('@') {
        return "IfNotPresent";
    }
    let last = image.rsplit('/').next().unwrap_or_default();
    match last.split_once(':') {
        None | Some((_, "latest")) => "Always",
        Some(_) => "IfNotPresent",
    }
}

fn fill_probe(probe: &mut Value) {
    for (field, value) in [
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ] {
        put_if_absent(probe, &[field], json!(value));
    }
    if let Some(get) = probe.get_mut("httpGet") {
        put_if_absent(get, &["path"], json!("/"));
        put_if_absent(get, &["scheme"], json!("HTTP"));
    }
    if let Some(grpc) = probe.get_mut("grpc") {
        put_if_absent(grpc, &["service"], json!(""));
    }
}

fn fill_volume(volume: &mut Value) {
    const DEFAULT_MODE: i64 = 0o644;
    for field in ["configMap", "secret", "downwardAPI", "projected"] {
        if let Some(source) = volume.get_mut(field) {
            put_if_absent(source, &["defaultMode"], json!(DEFAULT_MODE));
        }
    }
    if let Some(path) = volume.get_mut("hostPath") {
        put_if_absent(path, &["type"], json!(""));
    }
    let sources = [
        "configMap",
        "secret",
        "emptyDir",
        "hostPath",
        "persistentVolumeClaim",
        "projected",
        "downwardAPI",
        "csi",
        "nfs",
        "ephemeral",
        "image",
    ];
    if sources.iter().all(|source| volume.get(source).is_none())
        && volume.as_object().is_some_and(|map| map.len() == 1)
    {
        put(volume, &["emptyDir"], json!({}));
    }
}
