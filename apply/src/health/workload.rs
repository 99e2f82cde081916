//! The health of what runs pods.

use serde_json::Value;

use super::{Health, Told, conditions, current, number, text, wanted};

/// kube-controller-manager writes no Progressing condition at this deadline.
const NO_DEADLINE: i64 = 2_147_483_647;

/// `spec.replicas`, 1 when absent.
fn replicas_wanted(object: &Value) -> i64 {
    object
        .pointer("/spec/replicas")
        .and_then(Value::as_i64)
        .unwrap_or(1)
}

/// The first test that does not hold says what is waited for.
fn first_unmet(tests: &[(bool, String)]) -> Option<Told> {
    tests
        .iter()
        .find(|(holds, _)| !holds)
        .map(|(_, why)| (Health::InProgress, why.clone()))
}

pub(super) fn deployment(object: &Value) -> Told {
    if let Some(c) = conditions(object)
        .find(|c| c.type_ == "Progressing" && c.reason == "ProgressDeadlineExceeded")
    {
        return (Health::Failed, c.message.to_owned());
    }
    let wanted_replicas = replicas_wanted(object);
    let of = |field: &str| number(object, &format!("/status/{field}"));
    let (all, updated, available, ready) = (
        of("replicas"),
        of("updatedReplicas"),
        of("availableReplicas"),
        of("readyReplicas"),
    );
    let deadline = object
        .pointer("/spec/progressDeadlineSeconds")
        .and_then(Value::as_i64)
        .unwrap_or(NO_DEADLINE);
    let is_rolled_out = deadline == NO_DEADLINE
        || conditions(object).any(|c| {
            c.type_ == "Progressing" && c.status == "True" && c.reason == "NewReplicaSetAvailable"
        });
    let is_available = conditions(object).any(|c| c.type_ == "Available" && c.status == "True");
    first_unmet(&[
        (
            all >= wanted_replicas,
            format!("{all} of {wanted_replicas} pods made"),
        ),
        (
            updated >= wanted_replicas,
            format!("{updated} of {wanted_replicas} pods updated"),
        ),
        (
            all <= wanted_replicas,
            format!(
                "{} old pods pending termination",
                all.saturating_sub(wanted_replicas)
            ),
        ),
        (
            available >= updated,
            format!("{available} of {updated} pods available"),
        ),
        (
            ready >= wanted_replicas,
            format!("{ready} of {wanted_replicas} pods ready"),
        ),
        (
            is_rolled_out,
            "the new ReplicaSet is not available yet".to_owned(),
        ),
        (is_available, "not available yet".to_owned()),
    ])
    .unwrap_or_else(current)
}

pub(super) fn stateful_set(object: &Value) -> Told {
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return current();
    }
    let wanted_replicas = replicas_wanted(object);
    let of = |field: &str| number(object, &format!("/status/{field}"));
    let (all, ready) = (of("replicas"), of("readyReplicas"));
    let counts = [
        (
            all >= wanted_replicas,
            format!("{all} of {wanted_replicas} pods made"),
        ),
        (
            ready >= wanted_replicas,
            format!("{ready} of {wanted_replicas} pods ready"),
        ),
        (
            all <= wanted_replicas,
            format!("{} pods too many", all.saturating_sub(wanted_replicas)),
        ),
    ];
    if let Some(told) = first_unmet(&counts) {
        return told;
    }
    let partition = object
        .pointer("/spec/updateStrategy/rollingUpdate/partition")
        .and_then(Value::as_i64);
    if let Some(partition) = partition.filter(|p| *p > 0) {
        let due = wanted_replicas.saturating_sub(partition);
        let updated = of("updatedReplicas");
        return wanted(updated >= due, &format!("{updated} of {due} pods updated"));
    }
    let is_current = of("currentReplicas") >= wanted_replicas
        && text(object, "/status/currentRevision") == text(object, "/status/updateRevision");
    wanted(is_current, "the new revision is not everywhere yet")
}

pub(super) fn replica_set(object: &Value) -> Told {
    if let Some(c) = conditions(object).find(|c| c.type_ == "ReplicaFailure" && c.status == "True")
    {
        return (Health::InProgress, c.message.to_owned());
    }
    let wanted_replicas = replicas_wanted(object);
    let of = |field: &str| number(object, &format!("/status/{field}"));
    first_unmet(&[
        (
            of("fullyLabeledReplicas") >= wanted_replicas,
            "not all pods are labelled".to_owned(),
        ),
        (
            of("availableReplicas") >= wanted_replicas,
            "not all pods are available".to_owned(),
        ),
        (
            of("readyReplicas") >= wanted_replicas,
            "not all pods are ready".to_owned(),
        ),
        (
            of("replicas") <= wanted_replicas,
            "there are pods too many".to_owned(),
        ),
    ])
    .unwrap_or_else(current)
}

pub(super) fn daemon_set(object: &Value) -> Told {
    let desired = object
        .pointer("/status/desiredNumberScheduled")
        .and_then(Value::as_i64);
    let is_observed = ["/metadata/generation", "/status/observedGeneration"]
        .iter()
        .all(|p| object.pointer(p).is_some());
    let Some(desired) = desired.filter(|_| is_observed) else {
        return (Health::InProgress, "not scheduled yet".to_owned());
    };
    let of = |field: &str| number(object, &format!("/status/{field}"));
    let tests = [
        "currentNumberScheduled",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberReady",
    ]
    .map(|field| {
        (
            of(field) >= desired,
            format!("{field} is {} of {desired}", of(field)),
        )
    });
    first_unmet(&tests).unwrap_or_else(current)
}

pub(super) fn job(object: &Value) -> Told {
    if object.pointer("/spec/suspend").and_then(Value::as_bool) == Some(true) {
        return current();
    }
    for c in conditions(object).filter(|c| c.status == "True") {
        match c.type_ {
            "Complete" => return current(),
            "Failed" => return (Health::Failed, c.message.to_owned()),
            _ => {}
        }
    }
    (Health::InProgress, "it has not ended yet".to_owned())
}

pub(super) fn pod(object: &Value) -> Told {
    let is_crashing = || {
        let statuses = object
            .pointer("/status/containerStatuses")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        statuses
            .into_iter()
            .any(|s| text(s, "/state/waiting/reason") == "CrashLoopBackOff")
    };
    match text(object, "/status/phase") {
        "Succeeded" | "Failed" => current(),
        "Running" if conditions(object).any(|c| c.type_ == "Ready" && c.status == "True") => {
            current()
        }
        "Running" if is_crashing() => (
            Health::Failed,
            "a container crashes again and again".to_owned(),
        ),
        _ => (Health::InProgress, "it is not ready yet".to_owned()),
    }
}
