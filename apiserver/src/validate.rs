//! Validates objects: names and metadata of every kind, the schema of custom ones, the main rules of built-in ones.
//!
//! The rules are those that users and controllers meet, in kube-apiserver's words; it is not the whole rule book.

use serde_json::Value;

mod metadata;
mod network;
mod workload;

use crate::{resource::ResourceType, schema::check::check as check_schema, status::FieldError};

/// All broken rules of a new object, or of a change when the old one is given.
pub(crate) fn check(kind: &ResourceType, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut problems = metadata::check(kind, new);
    if kind.is_custom {
        problems.extend(check_schema(new, &kind.schema));
        return problems;
    }
    let before = |field: &str| old.and_then(|old| old.get(field));
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "pods") => workload::check_pod(new, &mut problems),
        ("", "services") => network::check_service(new, old, &mut problems),
        ("", "configmaps" | "secrets") => network::check_keyed(new, old, &mut problems),
        ("apps", "deployments" | "replicasets" | "daemonsets" | "statefulsets") => {
            workload::check_workload(kind, new, old, &mut problems);
        }
        ("batch", "jobs") => workload::check_job(new, old, &mut problems),
        ("autoscaling", "horizontalpodautoscalers") => {
            workload::check_autoscaler(new, &mut problems)
        }
        ("networking.k8s.io", "ingresses") => network::check_ingress(new, &mut problems),
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            let reference = new.get("roleRef").unwrap_or(&Value::Null);
            if before("roleRef").is_some_and(|before| before != reference) {
                problems.push(FieldError::invalid(
                    "roleRef",
                    reference,
                    "cannot change roleRef",
                ));
            }
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            network::check_definition(new, &mut problems)
        }
        _ => {}
    }
    problems
}
