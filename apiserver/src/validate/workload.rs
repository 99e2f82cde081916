//! Validates pods, the workloads that make them, and autoscalers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::metadata::{check_labels, is_label};
use crate::{
    object::{at, list, text, whole},
    resource::ResourceType,
    selector::label_selector_matches,
    status::FieldError,
};

/// Adds the broken rules of a pod.
pub(super) fn check_pod(pod: &Value, problems: &mut Vec<FieldError>) {
    check_pod_spec(pod.get("spec").unwrap_or(&Value::Null), "spec", problems);
}

/// Adds the broken rules of a Deployment, ReplicaSet, DaemonSet or StatefulSet.
pub(super) fn check_workload(
    kind: &ResourceType,
    new: &Value,
    old: Option<&Value>,
    problems: &mut Vec<FieldError>,
) {
    if let Some(replicas) = whole(new, &["spec", "replicas"]).filter(|replicas| *replicas < 0) {
        problems.push(FieldError::invalid(
            "spec.replicas",
            &Value::from(replicas),
            "must be greater than or equal to 0",
        ));
    }
    check_template(new, problems);
    let null = Value::Null;
    let selector = at(new, &["spec", "selector"]).unwrap_or(&null);
    let before = old.and_then(|old| at(old, &["spec", "selector"]));
    if before.is_some_and(|before| before != selector) {
        problems.push(FieldError::immutable("spec.selector", selector));
    }
    if kind.plural == "statefulsets" {
        check_stateful_set(new, old, problems);
    }
    let strategy = text(new, &["spec", "strategy", "type"]);
    if strategy == Some("Recreate") && at(new, &["spec", "strategy", "rollingUpdate"]).is_some() {
        problems.push(FieldError::forbidden(
            "spec.strategy.rollingUpdate",
            "may not be specified when strategy `type` is 'Recreate'",
        ));
    }
    if let Some(strategy) =
        strategy.filter(|strategy| !matches!(*strategy, "Recreate" | "RollingUpdate"))
    {
        problems.push(FieldError::not_supported(
            "spec.strategy.type",
            &Value::from(strategy),
            &["Recreate".to_owned(), "RollingUpdate".to_owned()],
        ));
    }
}

fn check_stateful_set(new: &Value, old: Option<&Value>, problems: &mut Vec<FieldError>) {
    let Some(old) = old else {
        return;
    };
    let fixed = ["podManagementPolicy", "serviceName", "volumeClaimTemplates"];
    if fixed
        .iter()
        .any(|field| at(old, &["spec", field]) != at(new, &["spec", field]))
    {
        problems.push(FieldError::forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        ));
    }
}

/// Adds the broken rules of the selector and the template that it must match.
fn check_template(new: &Value, problems: &mut Vec<FieldError>) {
    let null = Value::Null;
    let selector = at(new, &["spec", "selector"]).unwrap_or(&null);
    let labels = at(new, &["spec", "template", "metadata", "labels"]).unwrap_or(&null);
    let is_empty =
        selector.get("matchLabels").is_none() && selector.get("matchExpressions").is_none();
    if selector.is_null() {
        problems.push(FieldError::required("spec.selector", ""));
    } else if is_empty {
        problems.push(FieldError::invalid(
            "spec.selector",
            selector,
            "empty selector is invalid for deployment",
        ));
    } else if !label_selector_matches(selector, labels) {
        problems.push(FieldError::invalid(
            "spec.template.metadata.labels",
            labels,
            "`selector` does not match template `labels`",
        ));
    }
    check_labels(Some(labels), "spec.template.metadata.labels", problems);
    let spec = at(new, &["spec", "template", "spec"]).unwrap_or(&null);
    check_pod_spec(spec, "spec.template.spec", problems);
    if let Some(policy) = text(spec, &["restartPolicy"]).filter(|policy| *policy != "Always") {
        problems.push(FieldError::not_supported(
            "spec.template.spec.restartPolicy",
            &Value::from(policy),
            &["Always".to_owned()],
        ));
    }
}

/// Adds the broken rules of a Job.
pub(super) fn check_job(new: &Value, old: Option<&Value>, problems: &mut Vec<FieldError>) {
    let null = Value::Null;
    let spec = at(new, &["spec", "template", "spec"]).unwrap_or(&null);
    check_pod_spec(spec, "spec.template.spec", problems);
    let policy = text(spec, &["restartPolicy"]).unwrap_or_default();
    if !matches!(policy, "OnFailure" | "Never") {
        problems.push(FieldError::not_supported(
            "spec.template.spec.restartPolicy",
            &Value::from(policy),
            &["OnFailure".to_owned(), "Never".to_owned()],
        ));
    }
    let template = at(new, &["spec", "template"]).unwrap_or(&null);
    let is_changed = old.is_some_and(|old| {
        at(old, &["spec", "template"]) != Some(template)
            && at(old, &["spec", "suspend"]) != Some(&Value::from(true))
    });
    if is_changed {
        problems.push(FieldError::immutable("spec.template", template));
    }
}

/// Adds the broken rules of a HorizontalPodAutoscaler.
pub(super) fn check_autoscaler(new: &Value, problems: &mut Vec<FieldError>) {
    let max = whole(new, &["spec", "maxReplicas"]).unwrap_or(0);
    let min = whole(new, &["spec", "minReplicas"]).unwrap_or(1);
    if max < 1 {
        problems.push(FieldError::invalid(
            "spec.maxReplicas",
            &Value::from(max),
            "must be greater than 0",
        ));
    }
    if min < 1 {
        problems.push(FieldError::invalid(
            "spec.minReplicas",
            &Value::from(min),
            "must be greater than or equal to 1",
        ));
    }
    if max < min {
        problems.push(FieldError::invalid(
            "spec.maxReplicas",
            &Value::from(max),
            "must be greater than or equal to `minReplicas`",
        ));
    }
    for field in ["kind", "name"] {
        if text(new, &["spec", "scaleTargetRef", field]).is_none_or(str::is_empty) {
            problems.push(FieldError::required(
                format!("spec.scaleTargetRef.{field}"),
                "",
            ));
        }
    }
}

fn check_pod_spec(spec: &Value, path: &str, problems: &mut Vec<FieldError>) {
    let containers = list(spec, &["containers"]);
    if containers.is_empty() {
        problems.push(FieldError::required(format!("{path}.containers"), ""));
    }
    let volumes: BTreeSet<&str> = list(spec, &["volumes"])
        .iter()
        .filter_map(|volume| text(volume, &["name"]))
        .collect();
    let mut names = BTreeSet::new();
    for field in ["initContainers", "containers"] {
        for (index, container) in list(spec, &[field]).iter().enumerate() {
            let here = format!("{path}.{field}[{index}]");
            check_container(container, &here, &volumes, problems);
            let name = text(container, &["name"]).unwrap_or_default();
            if !name.is_empty() && !names.insert(name) {
                problems.push(FieldError::duplicate(
                    format!("{here}.name"),
                    &Value::from(name),
                ));
            }
        }
    }
    let policy = text(spec, &["restartPolicy"]).unwrap_or("Always");
    if !matches!(policy, "Always" | "OnFailure" | "Never") {
        let supported = ["Always", "Never", "OnFailure"].map(ToOwned::to_owned);
        problems.push(FieldError::not_supported(
            format!("{path}.restartPolicy"),
            &Value::from(policy),
            &supported,
        ));
    }
}

fn check_container(
    container: &Value,
    path: &str,
    volumes: &BTreeSet<&str>,
    problems: &mut Vec<FieldError>,
) {
    match text(container, &["name"]).unwrap_or_default() {
        "" => problems.push(FieldError::required(format!("{path}.name"), "")),
        name if !is_label(name) => problems.push(FieldError::invalid(
            format!("{path}.name"),
            &Value::from(name),
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
        )),
        _ => {}
    }
    if text(container, &["image"]).is_none_or(str::is_empty) {
        problems.push(FieldError::required(format!("{path}.image"), ""));
    }
    for (index, port) in list(container, &["ports"]).iter().enumerate() {
        let number = whole(port, &["containerPort"]).unwrap_or(0);
        if !(1..=65_535).contains(&number) {
            problems.push(FieldError::invalid(
                format!("{path}.ports[{index}].containerPort"),
                &Value::from(number),
                "must be between 1 and 65535, inclusive",
            ));
        }
    }
    for (index, mount) in list(container, &["volumeMounts"]).iter().enumerate() {
        let name = text(mount, &["name"]).unwrap_or_default();
        if !volumes.contains(name) {
            problems.push(FieldError {
                field: format!("{path}.volumeMounts[{index}].name"),
                fault: crate::status::FieldFault::Invalid(
                    format!("{name:?}"),
                    "Not found".to_owned(),
                ),
            });
        }
    }
}
