//! Whose object it is, and which labels or annotations take it out of our hands.

use serde_json::{Value, json};

use crate::object::mark;

/// Prefix of Flux's labels and annotations for applied objects.
const PREFIX: &str = "kustomize.toolkit.fluxcd.io";

/// The object that applies others, as the labels on them name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

impl Owner {
    /// Puts the owner's labels on an object.
    pub fn label(&self, object: &mut Value) {
        if let Some(labels) = labels_of(object) {
            labels.insert(format!("{PREFIX}/name"), json!(self.name));
            labels.insert(format!("{PREFIX}/namespace"), json!(self.namespace));
        }
    }

    /// Whether the labels of an object name this owner.
    #[must_use]
    pub fn owns(&self, object: &Value) -> bool {
        let label = |key: &str| {
            object
                .get("metadata")?
                .get("labels")?
                .get(format!("{PREFIX}/{key}"))?
                .as_str()
        };
        label("name") == Some(&self.name) && label("namespace") == Some(&self.namespace)
    }
}

fn labels_of(object: &mut Value) -> Option<&mut serde_json::Map<String, Value>> {
    let metadata = object
        .as_object_mut()?
        .entry("metadata")
        .or_insert_with(|| json!({}))
        .as_object_mut()?;
    let labels = metadata.entry("labels").or_insert_with(|| json!({}));
    if !labels.is_object() {
        *labels = json!({});
    }
    labels.as_object_mut()
}

/// What an object's labels or annotations say about applying it (`spec/flux-sync.md` 3.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// `reconcile: disabled` or `ssa: Ignore`: leave it alone, keep it in the inventory.
    pub ignore: bool,
    /// `ssa: IfNotPresent`: create it, then leave it alone.
    pub if_not_present: bool,
    /// `force: enabled`: recreate it when an immutable field changes.
    pub force: bool,
    /// `prune: disabled`: never delete it.
    pub keep: bool,
    /// `ssa: Merge`: do not take fields from other managers.
    pub merge: bool,
}

impl Rules {
    /// The rules that an object carries.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        let is = |key: &str, value: &str| {
            mark(object, &format!("{PREFIX}/{key}"))
                .is_some_and(|found| found.eq_ignore_ascii_case(value))
        };
        Self {
            ignore: is("reconcile", "disabled") || is("ssa", "ignore"),
            if_not_present: is("ssa", "ifnotpresent"),
            force: is("force", "enabled"),
            keep: is("prune", "disabled"),
            merge: is("ssa", "merge"),
        }
    }

    /// The rules that either carries.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            ignore: self.ignore || other.ignore,
            if_not_present: self.if_not_present || other.if_not_present,
            force: self.force || other.force,
            keep: self.keep || other.keep,
            merge: self.merge || other.merge,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_name_the_owner() {
        let owner = Owner {
            name: "apps".to_owned(),
            namespace: "flux-system".to_owned(),
        };
        let mut object = json!({"metadata": {"labels": null}});
        assert!(!owner.owns(&object));
        owner.label(&mut object);
        assert!(owner.owns(&object));
        assert!(
            !Owner {
                name: "other".to_owned(),
                ..owner
            }
            .owns(&object)
        );
    }

    #[test]
    fn marks_are_read_from_labels_and_annotations() {
        let rules = |metadata: Value| Rules::of(&json!({ "metadata": metadata }));
        let none = Rules::default();
        assert_eq!(rules(json!({})), none);
        assert_eq!(
            rules(json!({"labels": {"kustomize.toolkit.fluxcd.io/reconcile": "Disabled"}})),
            Rules {
                ignore: true,
                ..none
            }
        );
        assert_eq!(
            rules(json!({"annotations": {"kustomize.toolkit.fluxcd.io/ssa": "IfNotPresent"}})),
            Rules {
                if_not_present: true,
                ..none
            }
        );
        assert_eq!(
            rules(json!({"annotations": {"kustomize.toolkit.fluxcd.io/prune": "disabled"}})),
            Rules { keep: true, ..none }
        );
    }
}
