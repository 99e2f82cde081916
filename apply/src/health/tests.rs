//! A row a rule: kind, the fields that matter, and what they mean.

use serde_json::json;

use super::*;

fn check(api_version: &str, kind: &str, rest: impl Into<Value>, want: &str) {
    let mut object = json!({"apiVersion": api_version, "kind": kind});
    let rest: Value = rest.into();
    for (key, value) in rest.as_object().unwrap() {
        object[key] = value.clone();
    }
    let (health, why) = health(&object);
    let got = if why.is_empty() {
        health.to_string()
    } else {
        format!("{health}: {why}")
    };
    assert_eq!(got, want, "{object}");
}

#[test]
fn any_kind() {
    check("v1", "ConfigMap", json!({}), "Current");
    check("x/v1", "Thing", json!({}), "Current");
    check(
        "x/v1",
        "Thing",
        json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
        "Terminating: it is being deleted",
    );
    let stale = json!({"metadata": {"generation": 2}, "status": {"observedGeneration": -1}});
    check(
        "x/v1",
        "Thing",
        stale,
        "InProgress: generation 2 is not observed yet, the last is -1",
    );
    let condition = |type_: &str, status: &str| json!({"status": {"conditions": [{"type": type_, "status": status, "message": "m"}]}});
    check(
        "x/v1",
        "Thing",
        condition("Ready", "False"),
        "InProgress: m",
    );
    check("x/v1", "Thing", condition("Ready", "True"), "Current");
    check("x/v1", "Thing", condition("Stalled", "True"), "Failed: m");
    check(
        "x/v1",
        "Thing",
        condition("Reconciling", "True"),
        "InProgress: m",
    );
    check(
        "v1",
        "PersistentVolumeClaim",
        json!({"status": {"phase": "Pending"}}),
        "InProgress: not bound",
    );
    check(
        "v1",
        "Service",
        json!({"spec": {"type": "LoadBalancer"}}),
        "InProgress: no cluster IP yet",
    );
}

#[test]
fn deployments() {
    let with = |status: Value| json!({"spec": {"replicas": 2, "progressDeadlineSeconds": 600}, "status": status});
    check(
        "apps/v1",
        "Deployment",
        with(json!({})),
        "InProgress: 0 of 2 pods made",
    );
    let half = json!({"replicas": 2, "updatedReplicas": 1});
    check(
        "apps/v1",
        "Deployment",
        with(half),
        "InProgress: 1 of 2 pods updated",
    );
    let old =
        json!({"replicas": 3, "updatedReplicas": 2, "availableReplicas": 3, "readyReplicas": 3});
    check(
        "apps/v1",
        "Deployment",
        with(old),
        "InProgress: 1 old pods pending termination",
    );
    let late = json!({"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "late"}]});
    check("apps/v1", "Deployment", with(late), "Failed: late");
    let done = json!({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2, "conditions": [
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}, {"type": "Available", "status": "True"}]});
    check("apps/v1", "Deployment", with(done), "Current");
    check(
        "apps/v1",
        "Deployment",
        json!({"spec": {"replicas": 0}, "status": {}}),
        "InProgress: not available yet",
    );
}

#[test]
fn other_workloads() {
    check(
        "apps/v1",
        "StatefulSet",
        json!({"spec": {"updateStrategy": {"type": "OnDelete"}}}),
        "Current",
    );
    check(
        "apps/v1",
        "StatefulSet",
        json!({"spec": {}}),
        "InProgress: 0 of 1 pods made",
    );
    check(
        "apps/v1",
        "DaemonSet",
        json!({}),
        "InProgress: not scheduled yet",
    );
    check(
        "apps/v1",
        "ReplicaSet",
        json!({"spec": {"replicas": 0}}),
        "Current",
    );
    check(
        "batch/v1",
        "Job",
        json!({}),
        "InProgress: it has not ended yet",
    );
    check(
        "batch/v1",
        "Job",
        json!({"spec": {"suspend": true}}),
        "Current",
    );
    let failed =
        json!({"status": {"conditions": [{"type": "Failed", "status": "True", "message": "no"}]}});
    check("batch/v1", "Job", failed, "Failed: no");
    let crash = json!({"status": {"phase": "Running", "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}});
    check(
        "v1",
        "Pod",
        crash,
        "Failed: a container crashes again and again",
    );
    check(
        "v1",
        "Pod",
        json!({"status": {"phase": "Succeeded"}}),
        "Current",
    );
}

#[test]
fn definitions() {
    let with = |type_: &str, status: &str, reason: &str| json!({"status": {"conditions": [{"type": type_, "status": status, "reason": reason, "message": "m"}]}});
    let check = |rest, want| {
        check(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            rest,
            want,
        )
    };
    check(with("Established", "True", ""), "Current");
    check(
        with("Established", "False", "Installing"),
        "InProgress: not established yet",
    );
    check(with("NamesAccepted", "False", "Conflict"), "Failed: m");
    check(json!({}), "InProgress: not established yet");
}
