//! Puts objects into stages and orders them inside a stage (`spec/flux-sync.md` 3.7).

use std::cmp::Ordering;

use crate::object::ObjectId;

/// What must exist before what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// CustomResourceDefinitions, Namespaces, ClusterRoles.
    Definitions,
    /// Kinds whose name ends in `Class`.
    Classes,
    /// Everything else.
    Rest,
}

/// Kinds that come first, in this order.
const FIRST: [&str; 23] = [
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "ClusterRoleBinding",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// Kinds that come last, in this order: they could refuse the others.
const LAST: [&str; 2] = [
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// The stage of an object.
#[must_use]
pub fn stage(id: &ObjectId) -> Stage {
    match id.kind.as_str() {
        "CustomResourceDefinition" | "Namespace" | "ClusterRole" => Stage::Definitions,
        kind if kind.ends_with("Class") => Stage::Classes,
        _ => Stage::Rest,
    }
}

/// The order of two objects in one stage; deletion goes the other way.
#[must_use]
pub fn compare(a: &ObjectId, b: &ObjectId) -> Ordering {
    let key = |id: &ObjectId| {
        (
            rank(&id.kind),
            id.group.clone(),
            id.kind.clone(),
            id.namespace.clone(),
            id.name.clone(),
        )
    };
    key(a).cmp(&key(b))
}

fn rank(kind: &str) -> usize {
    let first = FIRST.iter().position(|k| *k == kind);
    let last = || {
        LAST.iter()
            .position(|k| *k == kind)
            .map(|i| i.saturating_add(FIRST.len()).saturating_add(1))
    };
    first.or_else(last).unwrap_or(FIRST.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &[&str], want: &[&str]) {
        let mut ids: Vec<ObjectId> = given
            .iter()
            .map(|kind| ObjectId {
                group: String::new(),
                version: "v1".to_owned(),
                kind: (*kind).to_owned(),
                namespace: "a".to_owned(),
                name: "a".to_owned(),
            })
            .collect();
        ids.sort_by(|a, b| stage(a).cmp(&stage(b)).then_with(|| compare(a, b)));
        assert_eq!(
            ids.iter().map(|id| id.kind.as_str()).collect::<Vec<_>>(),
            want
        );
    }

    #[test]
    fn definitions_first_and_webhooks_last() {
        check(
            &[
                "Canary",
                "ValidatingWebhookConfiguration",
                "Deployment",
                "Service",
                "Namespace",
                "StorageClass",
                "Secret",
                "CustomResourceDefinition",
            ],
            &[
                "CustomResourceDefinition",
                "Namespace",
                "StorageClass",
                "Secret",
                "Service",
                "Deployment",
                "Canary",
                "ValidatingWebhookConfiguration",
            ],
        );
    }
}
