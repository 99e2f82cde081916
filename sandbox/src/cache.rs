//! What the controllers know of the cluster: the objects of a few kinds, fed
//! by watches and by their own writes. An older version never replaces a
//! newer one, so a late watch event cannot undo what was just written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;

/// Namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(crate) fn of(meta: &ObjectMeta) -> Self {
        Self::new(
            meta.namespace.as_deref().unwrap_or_default(),
            meta.name.as_deref().unwrap_or_default(),
        )
    }

    fn first_of(namespace: &str) -> Self {
        Self::new(namespace, "")
    }
}

/// The objects of one kind.
#[derive(Debug)]
pub(crate) struct Kept<K> {
    by_key: BTreeMap<Key, Arc<K>>,
    /// Versions at which objects were removed; an older event must not bring them back.
    removed: BTreeMap<Key, u64>,
    listed: Option<BTreeSet<Key>>,
}

impl<K> Default for Kept<K> {
    fn default() -> Self {
        Self {
            by_key: BTreeMap::new(),
            removed: BTreeMap::new(),
            listed: None,
        }
    }
}

/// Removals remembered at most; they matter only while a watch lags.
const REMOVED_MAX: usize = 10_000;

fn version(meta: &ObjectMeta) -> u64 {
    meta.resource_version
        .as_deref()
        .and_then(|v| v.parse().ok())
        .unwrap_or(0)
}

impl<K: Resource> Kept<K> {
    pub(crate) fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.by_key.get(key).cloned()
    }

    pub(crate) fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = &Arc<K>> {
        let from = self.by_key.range(Key::first_of(namespace)..);
        let inside = namespace.to_owned();
        from.take_while(move |(key, _)| key.namespace == inside)
            .map(|(_, object)| object)
    }

    /// Objects whose controller has this uid.
    pub(crate) fn owned_by(&self, namespace: &str, uid: &str) -> Vec<Arc<K>> {
        let owned = |k: &&Arc<K>| controller(k.meta()).is_some_and(|owner| owner == uid);
        self.in_namespace(namespace)
            .filter(owned)
            .cloned()
            .collect()
    }

    /// Takes an object in, unless a newer one is known.
    pub(crate) fn put(&mut self, object: K) -> bool {
        let key = Key::of(object.meta());
        let seen = version(object.meta());
        if let Some(listed) = &mut self.listed {
            listed.insert(key.clone());
        }
        let is_old = self
            .by_key
            .get(&key)
            .is_some_and(|known| version(known.meta()) >= seen)
            || self.removed.get(&key).is_some_and(|at| *at >= seen);
        if is_old {
            return false;
        }
        self.by_key.insert(key, Arc::new(object));
        true
    }

    /// Takes an object out, unless a newer one is known.
    pub(crate) fn remove(&mut self, object: &K) -> bool {
        let key = Key::of(object.meta());
        let seen = version(object.meta());
        if self
            .by_key
            .get(&key)
            .is_none_or(|known| version(known.meta()) > seen)
        {
            return false;
        }
        self.forget(&key, seen);
        true
    }

    /// Takes an object out that we deleted ourselves.
    pub(crate) fn forget(&mut self, key: &Key, at_version: u64) {
        if let Some(known) = self.by_key.remove(key) {
            if self.removed.len() >= REMOVED_MAX {
                self.removed.clear();
            }
            self.removed
                .insert(key.clone(), at_version.max(version(known.meta())));
        }
    }

    /// A watch starts anew: what it does not list is gone.
    pub(crate) fn begin_list(&mut self) {
        self.listed = Some(BTreeSet::new());
    }

    /// The keys that the finished list did not have; they are removed.
    pub(crate) fn end_list(&mut self) -> Vec<Key> {
        let Some(listed) = self.listed.take() else {
            return Vec::new();
        };
        let gone: Vec<Key> = self
            .by_key
            .keys()
            .filter(|key| !listed.contains(*key))
            .cloned()
            .collect();
        for key in &gone {
            self.by_key.remove(key);
        }
        gone
    }
}

/// The uid of the owner that controls an object.
pub(crate) fn controller(meta: &ObjectMeta) -> Option<&str> {
    let owners = meta.owner_references.iter().flatten();
    owners
        .filter(|owner| owner.controller == Some(true))
        .map(|owner| owner.uid.as_str())
        .next()
}

/// Every kind the controllers watch.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    pub(crate) deployments: Kept<Deployment>,
    pub(crate) replica_sets: Kept<ReplicaSet>,
    pub(crate) daemon_sets: Kept<DaemonSet>,
    pub(crate) pods: Kept<Pod>,
    pub(crate) services: Kept<Service>,
    pub(crate) slices: Kept<EndpointSlice>,
}
