//! Holds the columns of the built-in kinds and how their cells are found.
//!
//! Columns and wording are those of pkg/printers/internalversion in k8s.io/kubernetes.

use serde_json::{Value, json};

use crate::{
    object::{self, at, list, text, whole},
    status::plain,
};

/// A column: its name, its priority, and its cell of an object.
pub(super) type Row = (&'static str, i64, fn(&Value) -> Value);

/// The columns between name and age, and those after age.
pub(super) type Rows = (&'static [Row], &'static [Row]);

/// The columns of a built-in resource.
pub(super) fn rows(plural: &str) -> Rows {
    match plural {
        "pods" => PODS,
        "deployments" => DEPLOYMENTS,
        "replicasets" => REPLICASETS,
        "statefulsets" => STATEFULSETS,
        "daemonsets" => DAEMONSETS,
        "services" => SERVICES,
        "namespaces" => NAMESPACES,
        "nodes" => NODES,
        "configmaps" => CONFIGMAPS,
        "secrets" => SECRETS,
        "jobs" => JOBS,
        "ingresses" => INGRESSES,
        "horizontalpodautoscalers" => HORIZONTALPODAUTOSCALERS,
        "leases" => LEASES,
        "events" => EVENTS,
        _ => (&[], &[]),
    }
}

const PODS: Rows = (
    &[
        ("Ready", 0, pod_ready),
        ("Status", 0, pod_status),
        ("Restarts", 0, pod_restarts),
    ],
    &[
        ("IP", 1, |o| or_none(text(o, &["status", "podIP"]))),
        ("Node", 1, |o| or_none(text(o, &["spec", "nodeName"]))),
    ],
);

const DEPLOYMENTS: Rows = (
    &[
        ("Ready", 0, |o| fraction(o, "readyReplicas", "replicas")),
        ("Up-to-date", 0, |o| status_number(o, "updatedReplicas")),
        ("Available", 0, |o| status_number(o, "availableReplicas")),
    ],
    WORKLOAD,
);

const REPLICASETS: Rows = (
    &[
        ("Desired", 0, |o| {
            json!(whole(o, &["spec", "replicas"]).unwrap_or(0))
        }),
        ("Current", 0, |o| status_number(o, "replicas")),
        ("Ready", 0, |o| status_number(o, "readyReplicas")),
    ],
    WORKLOAD,
);

const STATEFULSETS: Rows = (
    &[("Ready", 0, |o| fraction(o, "readyReplicas", "replicas"))],
    WORKLOAD,
);

const DAEMONSETS: Rows = (
    &[
        ("Desired", 0, |o| status_number(o, "desiredNumberScheduled")),
        ("Current", 0, |o| status_number(o, "currentNumberScheduled")),
        ("Ready", 0, |o| status_number(o, "numberReady")),
        ("Up-to-date", 0, |o| {
            status_number(o, "updatedNumberScheduled")
        }),
        ("Available", 0, |o| status_number(o, "numberAvailable")),
    ],
    WORKLOAD,
);

const SERVICES: Rows = (
    &[
        ("Type", 0, |o| or_none(text(o, &["spec", "type"]))),
        ("Cluster-IP", 0, |o| {
            or_none(text(o, &["spec", "clusterIP"]))
        }),
        ("External-IP", 0, service_external),
        ("Port(s)", 0, service_ports),
    ],
    &[("Selector", 1, |o| map_words(at(o, &["spec", "selector"])))],
);

const NAMESPACES: Rows = (
    &[("Status", 0, |o| or_none(text(o, &["status", "phase"])))],
    &[],
);

const NODES: Rows = (&[("Status", 0, node_status)], &[]);

const CONFIGMAPS: Rows = (
    &[("Data", 0, |o| {
        json!(size(o, "data") + size(o, "binaryData"))
    })],
    &[],
);

const SECRETS: Rows = (
    &[
        ("Type", 0, |o| or_none(text(o, &["type"]))),
        ("Data", 0, |o| json!(size(o, "data"))),
    ],
    &[],
);

const JOBS: Rows = (
    &[
        ("Status", 0, job_status),
        ("Completions", 0, |o| {
            fraction(o, "succeeded", "completions")
        }),
    ],
    &[],
);

const INGRESSES: Rows = (
    &[
        ("Class", 0, |o| {
            or_none(text(o, &["spec", "ingressClassName"]))
        }),
        ("Hosts", 0, ingress_hosts),
    ],
    &[],
);

const HORIZONTALPODAUTOSCALERS: Rows = (
    &[
        ("Reference", 0, autoscaler_target),
        ("MinPods", 0, |o| {
            json!(whole(o, &["spec", "minReplicas"]).unwrap_or(1))
        }),
        ("MaxPods", 0, |o| {
            json!(whole(o, &["spec", "maxReplicas"]).unwrap_or(0))
        }),
        ("Replicas", 0, |o| status_number(o, "currentReplicas")),
    ],
    &[],
);

const LEASES: Rows = (
    &[("Holder", 0, |o| {
        or_none(text(o, &["spec", "holderIdentity"]))
    })],
    &[],
);

const EVENTS: Rows = (
    &[
        ("Type", 0, |o| or_none(text(o, &["type"]))),
        ("Reason", 0, |o| or_none(text(o, &["reason"]))),
        ("Object", 0, event_object),
        ("Message", 0, |o| {
            or_none(text(o, &["message"]).or(text(o, &["note"])))
        }),
    ],
    &[],
);

const WORKLOAD: &[Row] = &[
    ("Containers", 1, |o| container_words(o, "name")),
    ("Images", 1, |o| container_words(o, "image")),
    ("Selector", 1, |o| {
        map_words(at(o, &["spec", "selector", "matchLabels"]))
    }),
];

fn or_none(text: Option<&str>) -> Value {
    json!(text.filter(|text| !text.is_empty()).unwrap_or("<none>"))
}

fn status_number(object: &Value, field: &str) -> Value {
    json!(whole(object, &["status", field]).unwrap_or(0))
}

fn fraction(object: &Value, part: &str, of: &str) -> Value {
    let part = whole(object, &["status", part]).unwrap_or(0);
    let of = whole(object, &["spec", of]).unwrap_or(0);
    json!(format!("{part}/{of}"))
}

fn size(object: &Value, field: &str) -> usize {
    at(object, &[field])
        .and_then(Value::as_object)
        .map_or(0, serde_json::Map::len)
}

fn map_words(map: Option<&Value>) -> Value {
    let words: Vec<String> = map
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", plain(value)))
        .collect();
    or_none(Some(&words.join(",")))
}

fn container_words(object: &Value, field: &str) -> Value {
    let words: Vec<&str> = list(object, &["spec", "template", "spec", "containers"])
        .iter()
        .filter_map(|container| text(container, &[field]))
        .collect();
    json!(words.join(","))
}

fn pod_ready(pod: &Value) -> Value {
    let ready = list(pod, &["status", "containerStatuses"])
        .iter()
        .filter(|status| status.get("ready").and_then(Value::as_bool) == Some(true))
        .count();
    json!(format!(
        "{ready}/{}",
        list(pod, &["spec", "containers"]).len()
    ))
}

fn pod_restarts(pod: &Value) -> Value {
    let restarts: i64 = list(pod, &["status", "containerStatuses"])
        .iter()
        .filter_map(|status| whole(status, &["restartCount"]))
        .sum();
    json!(restarts.to_string())
}

fn pod_status(pod: &Value) -> Value {
    if object::is_terminating(pod) {
        return json!("Terminating");
    }
    let waiting = list(pod, &["status", "containerStatuses"])
        .iter()
        .find_map(|status| {
            text(status, &["state", "waiting", "reason"])
                .or_else(|| text(status, &["state", "terminated", "reason"]))
        });
    let reason = text(pod, &["status", "reason"]).or_else(|| text(pod, &["status", "phase"]));
    json!(waiting.or(reason).unwrap_or("Unknown"))
}

fn node_status(node: &Value) -> Value {
    let is_ready = list(node, &["status", "conditions"])
        .iter()
        .any(|condition| {
            text(condition, &["type"]) == Some("Ready")
                && text(condition, &["status"]) == Some("True")
        });
    let mut words = vec![if is_ready { "Ready" } else { "NotReady" }];
    if at(node, &["spec", "unschedulable"]) == Some(&json!(true)) {
        words.push("SchedulingDisabled");
    }
    json!(words.join(","))
}

fn service_external(service: &Value) -> Value {
    match text(service, &["spec", "type"]) {
        Some("ExternalName") => or_none(text(service, &["spec", "externalName"])),
        Some("LoadBalancer") => {
            let places: Vec<&str> = list(service, &["status", "loadBalancer", "ingress"])
                .iter()
                .filter_map(|place| text(place, &["ip"]).or_else(|| text(place, &["hostname"])))
                .collect();
            if places.is_empty() {
                json!("<pending>")
            } else {
                json!(places.join(","))
            }
        }
        Some(_) | None => json!("<none>"),
    }
}

fn service_ports(service: &Value) -> Value {
    let words: Vec<String> = list(service, &["spec", "ports"])
        .iter()
        .map(|port| {
            let number = whole(port, &["port"]).unwrap_or(0);
            let protocol = text(port, &["protocol"]).unwrap_or("TCP");
            match whole(port, &["nodePort"]) {
                Some(node) => format!("{number}:{node}/{protocol}"),
                None => format!("{number}/{protocol}"),
            }
        })
        .collect();
    or_none(Some(&words.join(",")))
}

fn job_status(job: &Value) -> Value {
    let is = |kind: &str| {
        list(job, &["status", "conditions"])
            .iter()
            .any(|condition| {
                text(condition, &["type"]) == Some(kind)
                    && text(condition, &["status"]) == Some("True")
            })
    };
    let known = ["Complete", "Failed", "Suspended"]
        .into_iter()
        .find(|kind| is(kind));
    json!(known.unwrap_or("Running"))
}

fn ingress_hosts(ingress: &Value) -> Value {
    let hosts: Vec<&str> = list(ingress, &["spec", "rules"])
        .iter()
        .filter_map(|rule| text(rule, &["host"]))
        .collect();
    if hosts.is_empty() {
        json!("*")
    } else {
        json!(hosts.join(","))
    }
}

fn autoscaler_target(autoscaler: &Value) -> Value {
    let word =
        |field: &str| text(autoscaler, &["spec", "scaleTargetRef", field]).unwrap_or_default();
    json!(format!("{}/{}", word("kind"), word("name")))
}

fn event_object(event: &Value) -> Value {
    let about = at(event, &["involvedObject"]).or_else(|| at(event, &["regarding"]));
    let word = |field: &str| {
        about
            .and_then(|about| text(about, &[field]))
            .unwrap_or_default()
    };
    json!(format!("{}/{}", word("kind").to_lowercase(), word("name")))
}
