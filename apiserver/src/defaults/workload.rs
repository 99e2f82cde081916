//! Fills in Deployments, ReplicaSets, DaemonSets, StatefulSets, Jobs, CronJobs and autoscalers.

use serde_json::{Value, json};

use super::pod;
use crate::object::{at, list, put, put_if_absent, text};

const TEMPLATE: [&str; 3] = ["spec", "template", "spec"];

/// Fills in a Deployment.
pub(super) fn fill_deployment(object: &mut Value) {
    put_if_absent(object, &["spec", "replicas"], json!(1));
    put_if_absent(object, &["spec", "revisionHistoryLimit"], json!(10));
    put_if_absent(object, &["spec", "progressDeadlineSeconds"], json!(600));
    put_if_absent(
        object,
        &["spec", "strategy", "type"],
        json!("RollingUpdate"),
    );
    if text(object, &["spec", "strategy", "type"]) == Some("RollingUpdate") {
        put_if_absent(
            object,
            &["spec", "strategy", "rollingUpdate", "maxUnavailable"],
            json!("25%"),
        );
        put_if_absent(
            object,
            &["spec", "strategy", "rollingUpdate", "maxSurge"],
            json!("25%"),
        );
    }
    pod::fill(object, &TEMPLATE);
}

/// Fills in a ReplicaSet.
pub(super) fn fill_replica_set(object: &mut Value) {
    put_if_absent(object, &["spec", "replicas"], json!(1));
    pod::fill(object, &TEMPLATE);
}

/// Fills in a DaemonSet.
pub(super) fn fill_daemon_set(object: &mut Value) {
    put_if_absent(object, &["spec", "revisionHistoryLimit"], json!(10));
    put_if_absent(
        object,
        &["spec", "updateStrategy", "type"],
        json!("RollingUpdate"),
    );
    if text(object, &["spec", "updateStrategy", "type"]) == Some("RollingUpdate") {
        put_if_absent(
            object,
            &["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"],
            json!(1),
        );
        put_if_absent(
            object,
            &["spec", "updateStrategy", "rollingUpdate", "maxSurge"],
            json!(0),
        );
    }
    pod::fill(object, &TEMPLATE);
}

/// Fills in a StatefulSet.
pub(super) fn fill_stateful_set(object: &mut Value) {
    put_if_absent(object, &["spec", "replicas"], json!(1));
    put_if_absent(object, &["spec", "revisionHistoryLimit"], json!(10));
    put_if_absent(
        object,
        &["spec", "podManagementPolicy"],
        json!("OrderedReady"),
    );
    put_if_absent(
        object,
        &["spec", "updateStrategy", "type"],
        json!("RollingUpdate"),
    );
    if text(object, &["spec", "updateStrategy", "type"]) == Some("RollingUpdate") {
        put_if_absent(
            object,
            &["spec", "updateStrategy", "rollingUpdate", "partition"],
            json!(0),
        );
    }
    put_if_absent(
        object,
        &[
            "spec",
            "persistentVolumeClaimRetentionPolicy",
            "whenDeleted",
        ],
        json!("Retain"),
    );
    put_if_absent(
        object,
        &["spec", "persistentVolumeClaimRetentionPolicy", "whenScaled"],
        json!("Retain"),
    );
    pod::fill(object, &TEMPLATE);
}

/// Fills in a Job.
pub(super) fn fill_job(object: &mut Value) {
    fill_job_spec(object, &["spec"]);
}

fn fill_job_spec(object: &mut Value, path: &[&str]) {
    let Some(spec) = path.iter().try_fold(object, |here, key| here.get_mut(*key)) else {
        return;
    };
    if spec.get("completions").is_none() && spec.get("parallelism").is_none() {
        put(spec, &["completions"], json!(1));
    }
    put_if_absent(spec, &["parallelism"], json!(1));
    put_if_absent(spec, &["backoffLimit"], json!(6));
    put_if_absent(spec, &["completionMode"], json!("NonIndexed"));
    put_if_absent(spec, &["suspend"], json!(false));
    put_if_absent(spec, &["manualSelector"], json!(false));
    put_if_absent(
        spec,
        &["podReplacementPolicy"],
        json!("TerminatingOrFailed"),
    );
    pod::fill(spec, &["template", "spec"]);
}

/// Gives a new Job the labels by which it finds its pods.
pub(super) fn fill_job_selector(object: &mut Value) {
    if at(object, &["spec", "manualSelector"]) == Some(&json!(true)) {
        return;
    }
    let uid = crate::object::uid(object).to_owned();
    let name = crate::object::name(object).to_owned();
    for (label, value) in [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("job-name", &name),
    ] {
        put(
            object,
            &["spec", "template", "metadata", "labels", label],
            json!(value),
        );
    }
    put(
        object,
        &[
            "spec",
            "selector",
            "matchLabels",
            "batch.kubernetes.io/controller-uid",
        ],
        json!(uid),
    );
}

/// Fills in a CronJob.
pub(super) fn fill_cron_job(object: &mut Value) {
    put_if_absent(object, &["spec", "concurrencyPolicy"], json!("Allow"));
    put_if_absent(object, &["spec", "suspend"], json!(false));
    put_if_absent(object, &["spec", "successfulJobsHistoryLimit"], json!(3));
    put_if_absent(object, &["spec", "failedJobsHistoryLimit"], json!(1));
    // The Job of a CronJob gets its own defaults when it is created; its pods get theirs here.
    pod::fill(object, &["spec", "jobTemplate", "spec", "template", "spec"]);
}

/// Fills in a HorizontalPodAutoscaler.
pub(super) fn fill_autoscaler(object: &mut Value) {
    put_if_absent(object, &["spec", "minReplicas"], json!(1));
    if list(object, &["spec", "metrics"]).is_empty() {
        put(
            object,
            &["spec", "metrics"],
            json!([{
                "type": "Resource",
                "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } },
            }]),
        );
    }
    for (direction, policies) in [
        (
            "scaleUp",
            json!([
                { "type": "Pods", "value": 4, "periodSeconds": 15 },
                { "type": "Percent", "value": 100, "periodSeconds": 15 },
            ]),
        ),
        (
            "scaleDown",
            json!([{ "type": "Percent", "value": 100, "periodSeconds": 15 }]),
        ),
    ] {
        if at(object, &["spec", "behavior"]).is_none() {
            return;
        }
        put_if_absent(
            object,
            &["spec", "behavior", direction, "selectPolicy"],
            json!("Max"),
        );
        put_if_absent(
            object,
            &["spec", "behavior", direction, "policies"],
            policies,
        );
        if direction == "scaleUp" {
            put_if_absent(
                object,
                &["spec", "behavior", direction, "stabilizationWindowSeconds"],
                json!(0),
            );
        }
    }
}
