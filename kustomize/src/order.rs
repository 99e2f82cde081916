//! Orders the output.
//!
//! Without `sortOptions` kustomize's own order applies: namespaces and other
//! things that many need first, webhooks last, the rest by kind.

use std::cmp::Ordering;

use crate::error::Fault;
use crate::id::Gvk;
use crate::kustomization::{LegacySortOptions, SortOptions};
use crate::resource::Resource;

const FIRST: &[&str] = &[
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

const LAST: &[&str] = &[
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// Sorts as the options say.
pub(crate) fn sort(
    resources: &mut Vec<Resource>,
    options: Option<&SortOptions>,
) -> Result<(), Fault> {
    let legacy = options.and_then(|o| o.legacy_sort_options.as_ref());
    match options.map(|o| o.order.as_str()) {
        None | Some("legacy") => {
            by_kind(resources, legacy);
            Ok(())
        }
        Some("fifo") if legacy.is_none() => Ok(()),
        Some("fifo") => {
            let why = "legacySortOptions need order \"legacy\"".to_owned();
            Err(Fault::BadValue(why))
        }
        Some(other) => {
            let why = format!("order {other:?} must be \"legacy\" or \"fifo\"");
            Err(Fault::BadValue(why))
        }
    }
}

fn by_kind(resources: &mut Vec<Resource>, options: Option<&LegacySortOptions>) {
    let first: Vec<&str> = match options {
        Some(o) => o.order_first.iter().map(String::as_str).collect(),
        None => FIRST.to_vec(),
    };
    let last: Vec<&str> = match options {
        Some(o) => o.order_last.iter().map(String::as_str).collect(),
        None => LAST.to_vec(),
    };
    let mut keyed: Vec<(Key, Resource)> = std::mem::take(resources)
        .into_iter()
        .map(|resource| (Key::new(&resource, &first, &last), resource))
        .collect();
    keyed.sort_by(|(a, _), (b, _)| a.compare(b));
    resources.extend(keyed.into_iter().map(|(_, resource)| resource));
}

/// What two resources are compared by, made once for each.
struct Key {
    /// First, in between, last; then the place in the list.
    rank: (u8, usize),
    gvk: Gvk,
    gvk_text: String,
    id_text: String,
}

impl Key {
    fn new(resource: &Resource, first: &[&str], last: &[&str]) -> Self {
        let gvk = resource.gvk();
        let place = |list: &[&str]| list.iter().rposition(|kind| *kind == gvk.kind);
        let rank = match (place(last), place(first)) {
            (Some(at), _) => (2, at),
            (None, Some(at)) => (0, at),
            (None, None) => (1, 0),
        };
        let gvk_text = format!(
            "{}_{}_{}",
            or(&gvk.group, "~G"),
            or(&gvk.version, "~V"),
            or(&gvk.kind, "~K")
        );
        let id_text = format!(
            "{}.{}.{}|{}|{}",
            or(&gvk.kind, "[noKind]"),
            or(&gvk.version, "[noVer]"),
            or(&gvk.group, "[noGrp]"),
            or(resource.namespace(), "~X"),
            or(resource.name(), "~N")
        );
        Self {
            rank,
            gvk,
            gvk_text,
            id_text,
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        if self.gvk == other.gvk {
            return self.id_text.cmp(&other.id_text);
        }
        let namespaces = self.gvk.kind == "Namespace" && other.gvk.kind == "Namespace";
        let by_text = self.gvk_text.cmp(&other.gvk_text);
        // A core Namespace comes before a custom kind of that name.
        let core = self.gvk.group.is_empty() || other.gvk.group.is_empty();
        let by_text = if namespaces && core {
            by_text.reverse()
        } else {
            by_text
        };
        self.rank.cmp(&other.rank).then(by_text)
    }
}

fn or<'a>(text: &'a str, instead: &'a str) -> &'a str {
    if text.is_empty() { instead } else { text }
}
