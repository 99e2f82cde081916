//! Reads from an object whether it is as wanted (kstatus, `spec/flux-sync.md` 4.2). Pure.

use std::fmt;

use serde_json::Value;

mod workload;

/// Whether an object is as wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// It is as wanted.
    Current,
    /// It is on its way.
    InProgress,
    /// It cannot become as wanted by itself.
    Failed,
    /// It is being deleted.
    Terminating,
    /// It does not exist.
    NotFound,
    /// It could not be read.
    Unknown,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Current => "Current",
            Self::InProgress => "InProgress",
            Self::Failed => "Failed",
            Self::Terminating => "Terminating",
            Self::NotFound => "NotFound",
            Self::Unknown => "Unknown",
        })
    }
}

/// A health and why, in words.
pub type Told = (Health, String);

/// What an object says of itself.
#[must_use]
pub fn health(object: &Value) -> Told {
    let group = object
        .get("apiVersion")
        .and_then(Value::as_str)
        .and_then(|v| v.split_once('/'))
        .map_or("", |(g, _)| g);
    let kind = object
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if (group, kind) != ("batch", "Job")
        && let Some(told) = generic(object)
    {
        return told;
    }
    match (group, kind) {
        ("", "ConfigMap" | "Secret") | ("batch", "CronJob") | ("policy", "PodDisruptionBudget") => {
            current()
        }
        ("", "Service") => service(object),
        ("", "PersistentVolumeClaim") => {
            wanted(text(object, "/status/phase") == "Bound", "not bound")
        }
        ("", "Pod") => workload::pod(object),
        ("apps" | "extensions", "Deployment") => workload::deployment(object),
        ("apps", "StatefulSet") => workload::stateful_set(object),
        ("apps" | "extensions", "ReplicaSet") => workload::replica_set(object),
        ("apps", "DaemonSet") => workload::daemon_set(object),
        ("batch", "Job") => workload::job(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        _ => by_ready_condition(object),
    }
}

/// The rules for every kind but Job.
fn generic(object: &Value) -> Option<Told> {
    if object
        .pointer("/metadata/deletionTimestamp")
        .is_some_and(|t| !t.is_null())
    {
        return Some((Health::Terminating, "it is being deleted".to_owned()));
    }
    let generation = object
        .pointer("/metadata/generation")
        .and_then(Value::as_i64);
    let observed = object
        .pointer("/status/observedGeneration")
        .and_then(Value::as_i64);
    if let (Some(generation), Some(observed)) = (generation, observed)
        && generation != observed
    {
        return Some((
            Health::InProgress,
            format!("generation {generation} is not observed yet, the last is {observed}"),
        ));
    }
    for condition in conditions(object) {
        let is_true = condition.status == "True";
        match condition.type_ {
            "Reconciling" if is_true => {
                return Some((Health::InProgress, condition.message.to_owned()));
            }
            "Stalled" if is_true => return Some((Health::Failed, condition.message.to_owned())),
            _ => {}
        }
    }
    None
}

fn service(object: &Value) -> Told {
    let is_balancer = text(object, "/spec/type") == "LoadBalancer";
    wanted(
        !is_balancer || !text(object, "/spec/clusterIP").is_empty(),
        "no cluster IP yet",
    )
}

fn definition(object: &Value) -> Told {
    let of = |type_: &str| conditions(object).find(|c| c.type_ == type_);
    if let Some(refused) = of("NamesAccepted").filter(|c| c.status == "False") {
        return (Health::Failed, refused.message.to_owned());
    }
    match of("Established") {
        Some(c) if c.status == "True" => current(),
        Some(c) if c.status == "False" && c.reason != "Installing" => {
            (Health::Failed, c.message.to_owned())
        }
        Some(_) | None => (Health::InProgress, "not established yet".to_owned()),
    }
}

fn by_ready_condition(object: &Value) -> Told {
    match conditions(object).find(|c| c.type_ == "Ready") {
        None => current(),
        Some(c) if c.status == "True" => current(),
        Some(c) => (Health::InProgress, c.message.to_owned()),
    }
}

/// A condition as objects of any kind write it.
struct Seen<'a> {
    type_: &'a str,
    status: &'a str,
    reason: &'a str,
    message: &'a str,
}

fn conditions(object: &Value) -> impl Iterator<Item = Seen<'_>> {
    let all = object
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    all.map(|c| Seen {
        type_: text(c, "/type"),
        status: text(c, "/status"),
        reason: text(c, "/reason"),
        message: text(c, "/message"),
    })
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn number(object: &Value, pointer: &str) -> i64 {
    object
        .pointer(pointer)
        .and_then(Value::as_i64)
        .unwrap_or_default()
}

fn current() -> Told {
    (Health::Current, String::new())
}

fn wanted(is_so: bool, otherwise: &str) -> Told {
    if is_so {
        current()
    } else {
        (Health::InProgress, otherwise.to_owned())
    }
}

#[cfg(test)]
mod tests;
