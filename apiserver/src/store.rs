//! Keeps the objects: one map per resource, one counter of versions for all, and a bounded history of changes.
//!
//! It knows nothing of HTTP, types or rules; those who write decide what is written. `history` holds what watchers read.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

pub(crate) mod history;

use self::history::{Change, ChangeKind, History};
use crate::{
    object::{self, put},
    resource::StoreKey,
};

/// Namespace and name of an object; the namespace is empty for cluster-wide ones.
pub(crate) type ObjectKey = (String, String);

/// The objects of one resource.
#[derive(Debug)]
pub(crate) struct Collection {
    pub(crate) objects: BTreeMap<ObjectKey, Arc<Value>>,
    pub(crate) history: History,
}

/// All objects.
#[derive(Debug)]
pub(crate) struct Store {
    collections: BTreeMap<StoreKey, Collection>,
    version: u64,
    history_changes_max: usize,
    /// Every uid, with where its object is.
    places: BTreeMap<String, (StoreKey, ObjectKey)>,
    /// Every uid that is named as an owner, with the objects that name it.
    dependents: BTreeMap<String, BTreeSet<(StoreKey, ObjectKey)>>,
}

impl Store {
    /// An empty store that keeps at most this many changes of each resource.
    pub(crate) fn new(history_changes_max: usize) -> Self {
        Self {
            collections: BTreeMap::new(),
            version: 1,
            history_changes_max,
            places: BTreeMap::new(),
            dependents: BTreeMap::new(),
        }
    }

    /// The version of the last change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The objects of a resource, made when first asked for.
    pub(crate) fn collection(&mut self, key: &StoreKey) -> &mut Collection {
        let version = self.version;
        let max = self.history_changes_max;
        self.collections
            .entry(key.clone())
            .or_insert_with(|| Collection {
                objects: BTreeMap::new(),
                history: History::new(version, max),
            })
    }

    /// One object.
    pub(crate) fn get(&self, key: &StoreKey, at: &ObjectKey) -> Option<Arc<Value>> {
        self.collections.get(key)?.objects.get(at).cloned()
    }

    /// Every resource that has been used, with its objects.
    pub(crate) fn collections(&self) -> impl Iterator<Item = (&StoreKey, &Collection)> {
        self.collections.iter()
    }

    /// Forgets the history of every resource, as a compaction does.
    pub(crate) fn compact(&mut self) {
        for collection in self.collections.values_mut() {
            collection.history.compact();
        }
    }

    /// Where the object of a uid is.
    pub(crate) fn place(&self, uid: &str) -> Option<&(StoreKey, ObjectKey)> {
        self.places.get(uid)
    }

    /// The objects that name this uid as an owner.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<(StoreKey, ObjectKey)> {
        self.dependents
            .get(uid)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// Writes an object at the next version and gives it back with that version.
    pub(crate) fn write(&mut self, key: &StoreKey, at: &ObjectKey, mut new: Value) -> Arc<Value> {
        self.version += 1;
        let version = self.version;
        put(
            &mut new,
            &["metadata", "resourceVersion"],
            Value::from(version.to_string()),
        );
        let new = Arc::new(new);
        let collection = self.collection(key);
        let old = collection.objects.insert(at.clone(), new.clone());
        collection.history.push(Change {
            version,
            kind: if old.is_some() {
                ChangeKind::Modified
            } else {
                ChangeKind::Added
            },
            object: new.clone(),
            before: old.clone(),
        });
        if let Some(old) = &old {
            self.unlink(key, at, old);
        }
        self.link(key, at, &new);
        new
    }

    /// Removes an object at the next version and gives back its last form, with that version.
    pub(crate) fn remove(&mut self, key: &StoreKey, at: &ObjectKey) -> Option<Arc<Value>> {
        let old = self.collections.get_mut(key)?.objects.remove(at)?;
        self.version += 1;
        let version = self.version;
        let mut last = (*old).clone();
        put(
            &mut last,
            &["metadata", "resourceVersion"],
            Value::from(version.to_string()),
        );
        let last = Arc::new(last);
        self.unlink(key, at, &old);
        self.collection(key).history.push(Change {
            version,
            kind: ChangeKind::Deleted,
            object: last.clone(),
            before: Some(old),
        });
        Some(last)
    }

    fn link(&mut self, key: &StoreKey, at: &ObjectKey, value: &Value) {
        let place = (key.clone(), at.clone());
        self.places
            .insert(object::uid(value).to_owned(), place.clone());
        for owner in object::owner_uids(value) {
            self.dependents
                .entry(owner.to_owned())
                .or_default()
                .insert(place.clone());
        }
    }

    fn unlink(&mut self, key: &StoreKey, at: &ObjectKey, value: &Value) {
        let place = (key.clone(), at.clone());
        self.places.remove(object::uid(value));
        for owner in object::owner_uids(value) {
            if let Some(known) = self.dependents.get_mut(owner) {
                known.remove(&place);
                if known.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
    }
}
