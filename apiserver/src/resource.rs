//! Describes the resources that the server has: names, scope, subresources, how generation counts, their type.
//!
//! `builtin` holds the table of Kubernetes' own; custom ones come and go with their CRDs (`crate::crd`).

use std::{collections::BTreeMap, sync::Arc};

use crate::{schema::Schema, status::Subject};

pub(crate) mod builtin;

/// Where objects of a resource are kept: group and plural, shared by all its versions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StoreKey {
    pub(crate) group: String,
    pub(crate) plural: String,
}

/// When `metadata.generation` rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    /// The kind has none.
    Absent,
    /// With every change outside metadata and status.
    Counted,
}

/// The fields that `/scale` reads and writes, as paths of field names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScalePaths {
    pub(crate) spec: Vec<String>,
    pub(crate) status: Vec<String>,
    /// A field that holds the selector as text; absent for built-in kinds, which hold a LabelSelector.
    pub(crate) selector: Option<Vec<String>>,
}

/// A column of `kubectl get` that a CRD declares.
#[derive(Debug, Clone)]
pub(crate) struct PrinterColumn {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) format: String,
    pub(crate) description: String,
    pub(crate) priority: i64,
    pub(crate) json_path: String,
}

/// One version of one resource.
#[derive(Debug, Clone)]
pub(crate) struct ResourceType {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) is_namespaced: bool,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) has_status: bool,
    pub(crate) scale: Option<ScalePaths>,
    /// Further subresources, with the kind that they take.
    pub(crate) extras: Vec<(&'static str, &'static str)>,
    pub(crate) generation: Generation,
    pub(crate) schema: Arc<Schema>,
    /// The schema of a CRD as it was given.
    pub(crate) raw_schema: Option<Arc<serde_json::Value>>,
    pub(crate) is_custom: bool,
    /// The `apiVersion` that objects are kept in.
    pub(crate) stored_as: String,
    pub(crate) store_key: StoreKey,
    pub(crate) columns: Vec<PrinterColumn>,
    pub(crate) selectable_fields: Vec<String>,
    /// Answered without being kept, such as access reviews.
    pub(crate) is_virtual: bool,
}

impl ResourceType {
    /// `group/version`, or the version alone for the core group.
    pub(crate) fn api_version(&self) -> String {
        join_version(&self.group, &self.version)
    }

    /// How refusals name an object of this resource.
    pub(crate) fn subject<'a>(&'a self, name: &'a str) -> Subject<'a> {
        Subject {
            group: &self.group,
            plural: &self.plural,
            kind: &self.kind,
            name,
        }
    }

    /// Whether this is the resource of this core or named group.
    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        self.group == group && self.plural == plural
    }
}

/// `group/version`, or the version alone for the core group.
pub(crate) fn join_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

/// All resources that the server has at the moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry {
    types: BTreeMap<(String, String, String), Arc<ResourceType>>,
    /// Versions of each group in the order in which clients should prefer them.
    groups: BTreeMap<String, Vec<String>>,
}

impl Registry {
    /// A registry of the built-in resources.
    pub(crate) fn builtin() -> Self {
        let mut registry = Self::default();
        for kind in builtin::types() {
            registry.add(kind);
        }
        registry
    }

    /// Adds or replaces one resource.
    pub(crate) fn add(&mut self, kind: ResourceType) {
        let versions = self.groups.entry(kind.group.clone()).or_default();
        if !versions.contains(&kind.version) {
            versions.push(kind.version.clone());
            versions.sort_by(|a, b| version_order(a, b));
        }
        let key = (
            kind.group.clone(),
            kind.version.clone(),
            kind.plural.clone(),
        );
        self.types.insert(key, Arc::new(kind));
    }

    /// Removes every version of a custom resource.
    pub(crate) fn remove(&mut self, group: &str, plural: &str) {
        self.types
            .retain(|(g, _, p), _| !(g == group && p == plural));
        let left: Vec<String> = self
            .types
            .keys()
            .filter(|(g, ..)| g == group)
            .map(|(_, version, _)| version.clone())
            .collect();
        if let Some(versions) = self.groups.get_mut(group) {
            versions.retain(|version| left.contains(version));
            if versions.is_empty() {
                self.groups.remove(group);
            }
        }
    }

    /// The resource of this group, version and plural.
    pub(crate) fn find(
        &self,
        group: &str,
        version: &str,
        plural: &str,
    ) -> Option<Arc<ResourceType>> {
        self.types
            .get(&(group.to_owned(), version.to_owned(), plural.to_owned()))
            .cloned()
    }

    /// The preferred version of what is kept under a key.
    pub(crate) fn of_store(&self, key: &StoreKey) -> Option<Arc<ResourceType>> {
        self.types
            .values()
            .find(|kind| kind.store_key == *key && kind.group == key.group)
            .cloned()
    }

    /// Groups with their versions, the preferred one first.
    pub(crate) fn groups(&self) -> &BTreeMap<String, Vec<String>> {
        &self.groups
    }

    /// The resources of one group and version.
    pub(crate) fn in_version<'a>(
        &'a self,
        group: &'a str,
        version: &'a str,
    ) -> impl Iterator<Item = &'a Arc<ResourceType>> {
        self.types
            .iter()
            .filter(move |((g, v, _), _)| g == group && v == version)
            .map(|(_, kind)| kind)
    }
}

/// Kubernetes' order of versions: v2 before v1 before v1beta2 before v1beta1 before v1alpha1, then others by name.
fn version_order(a: &str, b: &str) -> std::cmp::Ordering {
    let rank = |version: &str| -> Option<(u8, u64, u64)> {
        let rest = version.strip_prefix('v')?;
        for (stage, word) in [(1, "beta"), (0, "alpha")] {
            if let Some((major, minor)) = rest.split_once(word) {
                return Some((stage, major.parse().ok()?, minor.parse().ok()?));
            }
        }
        Some((2, rest.parse().ok()?, 0))
    };
    rank(b).cmp(&rank(a)).then_with(|| a.cmp(b))
}
