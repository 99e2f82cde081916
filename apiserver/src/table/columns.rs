//! Says which columns each kind has in `kubectl get`, and finds their cells.
//!
//! Columns and wording are those of pkg/printers/internalversion for built-in kinds, and of the CRD for custom ones.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{age, json_path};
use crate::{
    object::{self, at, list, text, whole},
    resource::ResourceType,
    status::plain,
};

/// One column.
pub(super) struct Column {
    name: String,
    kind: String,
    format: String,
    description: String,
    priority: i64,
    source: Source,
}

enum Source {
    Name,
    Age,
    /// A path of a CRD's column, and whether its value is a date.
    Path(String, bool),
    Cell(fn(&Value) -> Value),
}

type Row = (&'static str, i64, fn(&Value) -> Value);

impl Column {
    fn new(name: &str, kind: &str, priority: i64, source: Source) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            format: if name == "Name" {
                "name".to_owned()
            } else {
                String::new()
            },
            description: String::new(),
            priority,
            source,
        }
    }

    /// The definition that the client reads.
    pub(super) fn definition(&self) -> Value {
        json!({
            "name": self.name,
            "type": self.kind,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        })
    }

    /// The cell of an object.
    pub(super) fn cell(&self, object: &Value, now: DateTime<Utc>) -> Value {
        match &self.source {
            Source::Name => json!(object::name(object)),
            Source::Age => json!(age::since(
                text(object, &["metadata", "creationTimestamp"]),
                now
            )),
            Source::Cell(cell) => cell(object),
            Source::Path(path, is_date) => {
                let found = json_path::find(object, path);
                match found.as_slice() {
                    [] => Value::Null,
                    [first, ..] if *is_date => json!(age::since(first.as_str(), now)),
                    [one] if one.is_number() || one.is_boolean() => (*one).clone(),
                    many => json!(
                        many.iter()
                            .map(|value| plain(value))
                            .collect::<Vec<_>>()
                            .join(",")
                    ),
                }
            }
        }
    }
}

/// The columns of a kind.
pub(super) fn of(kind: &ResourceType) -> Vec<Column> {
    let mut columns = vec![Column::new("Name", "string", 0, Source::Name)];
    if kind.is_custom {
        for column in &kind.columns {
            columns.push(Column {
                name: column.name.clone(),
                kind: column.kind.clone(),
                format: column.format.clone(),
                description: column.description.clone(),
                priority: column.priority,
                source: Source::Path(column.json_path.clone(), column.kind == "date"),
            });
        }
        if kind.columns.is_empty() {
            columns.push(Column::new("Age", "string", 0, Source::Age));
        }
        return columns;
    }
    let (before_age, after_age) = rows(&kind.plural);
    let cell = |row: &Row| Column::new(row.0, "string", row.1, Source::Cell(row.2));
    columns.extend(before_age.iter().map(cell));
    columns.push(Column::new("Age", "string", 0, Source::Age));
    columns.extend(after_age.iter().map(cell));
    columns
}

/// The columns between name and age, and those after age.
fn rows(plural: &str) -> (&'static [Row], &'static [Row]) {
    match plural {
        "pods" => (
            &[
                ("Ready", 0, pod_ready),
                ("Status", 0, pod_status),
                ("Restarts", 0, pod_restarts),
            ],
            &[
                ("IP", 1, |o| or_none(text(o, &["status", "podIP"]))),
                ("Node", 1, |o| or_none(text(o, &["spec", "nodeName"]))),
            ],
        ),
        "deployments" => (
            &[
                ("Ready", 0, |o| fraction(o, "readyReplicas", "replicas")),
                ("Up-to-date", 0, |o| status_number(o, "updatedReplicas")),
                ("Available", 0, |o| status_number(o, "availableReplicas")),
            ],
            WORKLOAD,
        ),
        "replicasets" => (
            &[
                ("Desired", 0, |o| {
                    json!(whole(o, &["spec", "replicas"]).unwrap_or(0))
                }),
                ("Current", 0, |o| status_number(o, "replicas")),
                ("Ready", 0, |o| status_number(o, "readyReplicas")),
            ],
            WORKLOAD,
        ),
        "statefulsets" => (
            &[("Ready", 0, |o| fraction(o, "readyReplicas", "replicas"))],
            WORKLOAD,
        ),
        "daemonsets" => (
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
        ),
        "services" => (
            &[
                ("Type", 0, |o| or_none(text(o, &["spec", "type"]))),
                ("Cluster-IP", 0, |o| {
                    or_none(text(o, &["spec", "clusterIP"]))
                }),
                ("External-IP", 0, service_external),
                ("Port(s)", 0, service_ports),
            ],
            &[("Selector", 1, |o| map_words(at(o, &["spec", "selector"])))],
        ),
        "namespaces" => (
            &[("Status", 0, |o| or_none(text(o, &["status", "phase"])))],
            &[],
        ),
        "nodes" => (&[("Status", 0, node_status)], &[]),
        "configmaps" => (
            &[("Data", 0, |o| {
                json!(size(o, "data") + size(o, "binaryData"))
            })],
            &[],
        ),
        "secrets" => (
            &[
                ("Type", 0, |o| or_none(text(o, &["type"]))),
                ("Data", 0, |o| json!(size(o, "data"))),
            ],
            &[],
        ),
        "jobs" => (
            &[
                ("Status", 0, job_status),
                ("Completions", 0, |o| {
                    fraction(o, "succeeded", "completions")
                }),
            ],
            &[],
        ),
        "ingresses" => (
            &[
                ("Class", 0, |o| {
                    or_none(text(o, &["spec", "ingressClassName"]))
                }),
                ("Hosts", 0, ingress_hosts),
            ],
            &[],
        ),
        "horizontalpodautoscalers" => (
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
        ),
        "leases" => (
            &[("Holder", 0, |o| {
                or_none(text(o, &["spec", "holderIdentity"]))
            })],
            &[],
        ),
        "events" => (
            &[
                ("Type", 0, |o| or_none(text(o, &["type"]))),
                ("Reason", 0, |o| or_none(text(o, &["reason"]))),
                ("Object", 0, event_object),
                ("Message", 0, |o| {
                    or_none(text(o, &["message"]).or(text(o, &["note"])))
                }),
            ],
            &[],
        ),
        "customresourcedefinitions" => (&[], &[]),
        _ => (&[], &[]),
    }
}

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
