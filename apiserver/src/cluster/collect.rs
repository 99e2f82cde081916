//! Does what follows from a removal: dependents go with their owners, namespaces and CRDs end when they are empty.
//!
//! kube-controller-manager does this a moment later; here it is done at once, so that a test sees the end state.

use serde_json::{Value, json};

use super::{
    Cluster,
    delete::{DeleteOptions, FOREGROUND, Propagation},
    shown,
};
use crate::{
    object::{self, put, text},
    resource::{ResourceType, StoreKey},
    status::ApiError,
    store::ObjectKey,
};

impl Cluster {
    /// Removes an object and collects what depended on it.
    pub(super) fn remove(&mut self, key: &StoreKey, at: &ObjectKey) {
        let Some(last) = self.store.remove(key, at) else {
            return;
        };
        self.collect_dependents(object::uid(&last));
        self.release_owners(&last);
        if key.group == "apiextensions.k8s.io" && key.plural == "customresourcedefinitions" {
            self.forget_definition(&last);
        } else {
            self.finish_definition(key);
        }
        if !at.0.is_empty() {
            self.finish_namespace(&at.0);
        }
    }

    /// Deletes the dependents of a gone owner, unless another owner still lives.
    fn collect_dependents(&mut self, owner_uid: &str) {
        for (key, at) in self.store.dependents(owner_uid) {
            let (Some(object), Some(kind)) =
                (self.store.get(&key, &at), self.registry.of_store(&key))
            else {
                continue;
            };
            let has_living_owner = object::owner_uids(&object)
                .iter()
                .any(|uid| *uid != owner_uid && self.store.place(uid).is_some());
            if has_living_owner {
                self.drop_owner(&key, &at, &object, owner_uid);
            } else {
                self.delete_at(&kind, &at, &DeleteOptions::default());
            }
        }
    }

    /// Deletes a new object whose owners are all gone already.
    pub(super) fn collect_if_ownerless(&mut self, kind: &ResourceType, object: &Value) {
        let owners = object::owner_uids(object);
        if owners.is_empty() || owners.iter().any(|uid| self.store.place(uid).is_some()) {
            return;
        }
        let at = (
            object::namespace(object).to_owned(),
            object::name(object).to_owned(),
        );
        self.delete_at(kind, &at, &DeleteOptions::default());
    }

    fn drop_owner(&mut self, key: &StoreKey, at: &ObjectKey, object: &Value, owner_uid: &str) {
        let left: Vec<Value> = object::list(object, &["metadata", "ownerReferences"])
            .iter()
            .filter(|owner| text(owner, &["uid"]) != Some(owner_uid))
            .cloned()
            .collect();
        let mut new = object.clone();
        put(
            &mut new,
            &["metadata", "ownerReferences"],
            Value::Array(left),
        );
        object::take_if_empty(&mut new, &["metadata", "ownerReferences"]);
        self.store.write(key, at, new);
    }

    /// Leaves dependents without this owner.
    pub(super) fn orphan_dependents(&mut self, owner_uid: &str) {
        for (key, at) in self.store.dependents(owner_uid) {
            if let Some(object) = self.store.get(&key, &at) {
                self.drop_owner(&key, &at, &object, owner_uid);
            }
        }
    }

    /// Marks an object as waiting for its dependents, and deletes them.
    pub(super) fn begin_foreground(&mut self, kind: &ResourceType, at: &ObjectKey, old: &Value) {
        if self.store.dependents(object::uid(old)).is_empty() {
            return;
        }
        let mut new = old.clone();
        if !object::finalizers(old).contains(&FOREGROUND) {
            let mut finalizers = object::list(old, &["metadata", "finalizers"]).to_vec();
            finalizers.push(Value::from(FOREGROUND));
            put(
                &mut new,
                &["metadata", "finalizers"],
                Value::Array(finalizers),
            );
        }
        if !object::is_terminating(old) {
            self.mark_terminating(&mut new, 0);
        }
        let uid = object::uid(old).to_owned();
        self.store.write(&kind.store_key, at, new);
        let options = DeleteOptions {
            propagation: Propagation::Foreground,
            ..DeleteOptions::default()
        };
        for (key, dependent) in self.store.dependents(&uid) {
            if let Some(kind) = self.registry.of_store(&key) {
                self.delete_at(&kind, &dependent, &options);
            }
        }
        self.release_if_waiting(&uid);
    }

    /// Lets owners go that waited for this object.
    fn release_owners(&mut self, gone: &Value) {
        for uid in object::owner_uids(gone) {
            self.release_if_waiting(uid);
        }
    }

    fn release_if_waiting(&mut self, owner_uid: &str) {
        let Some((key, at)) = self.store.place(owner_uid).cloned() else {
            return;
        };
        let Some(owner) = self.store.get(&key, &at) else {
            return;
        };
        if !object::is_terminating(&owner) || !object::finalizers(&owner).contains(&FOREGROUND) {
            return;
        }
        let is_blocked = self.store.dependents(owner_uid).iter().any(|(key, at)| {
            self.store
                .get(key, at)
                .is_some_and(|dependent| blocks(&dependent, owner_uid))
        });
        if is_blocked {
            return;
        }
        let left: Vec<Value> = object::list(&owner, &["metadata", "finalizers"])
            .iter()
            .filter(|finalizer| finalizer.as_str() != Some(FOREGROUND))
            .cloned()
            .collect();
        let is_free = left.is_empty();
        let mut new = (*owner).clone();
        put(&mut new, &["metadata", "finalizers"], Value::Array(left));
        object::take_if_empty(&mut new, &["metadata", "finalizers"]);
        self.store.write(&key, &at, new);
        if is_free {
            self.remove(&key, &at);
        }
    }

    /// Marks a namespace as ending and deletes all that is in it.
    pub(super) fn terminate_namespace(
        &mut self,
        kind: &ResourceType,
        at: &ObjectKey,
        old: &Value,
    ) -> Result<Value, ApiError> {
        let name = &at.1;
        if matches!(name.as_str(), "default" | "kube-system" | "kube-public") {
            return Err(ApiError::forbidden(
                kind.subject(name),
                "this namespace may not be deleted",
            ));
        }
        let mut new = old.clone();
        if !object::is_terminating(old) {
            put(&mut new, &["status", "phase"], json!("Terminating"));
            self.mark_terminating(&mut new, 0);
            object::take(&mut new, &["metadata", "deletionGracePeriodSeconds"]);
            new = (*self.store.write(&kind.store_key, at, new)).clone();
        }
        let contents: Vec<(StoreKey, ObjectKey)> = self
            .store
            .collections()
            .flat_map(|(key, collection)| {
                let inside = collection
                    .objects
                    .keys()
                    .filter(|(namespace, _)| namespace == name);
                inside.map(|at| (key.clone(), at.clone()))
            })
            .collect();
        for (key, at) in contents {
            if let Some(kind) = self.registry.of_store(&key) {
                self.delete_at(&kind, &at, &DeleteOptions::default());
            }
        }
        self.finish_namespace(name);
        Ok(shown(kind, &new))
    }

    /// Removes an ending namespace once nothing is in it.
    pub(super) fn finish_namespace(&mut self, name: &str) {
        let key = StoreKey {
            group: String::new(),
            plural: "namespaces".to_owned(),
        };
        let at = (String::new(), name.to_owned());
        let Some(namespace) = self.store.get(&key, &at) else {
            return;
        };
        let is_empty = !self
            .store
            .collections()
            .any(|(_, collection)| collection.objects.keys().any(|(inside, _)| inside == name));
        if object::is_terminating(&namespace)
            && is_empty
            && object::finalizers(&namespace).is_empty()
        {
            self.remove(&key, &at);
        }
    }
}

/// Whether a dependent holds up the foreground deletion of this owner.
fn blocks(dependent: &Value, owner_uid: &str) -> bool {
    object::list(dependent, &["metadata", "ownerReferences"])
        .iter()
        .any(|owner| {
            text(owner, &["uid"]) == Some(owner_uid)
                && owner.get("blockOwnerDeletion").and_then(Value::as_bool) == Some(true)
        })
}
