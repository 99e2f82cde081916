//! The part of the cluster that the operator knows: small projections, kept by watches.
//!
//! Nothing here asks the API server on behalf of a round; a round reads what the watches
//! brought. Kinds that only some canaries need are watched from the first need on. A change
//! of an object wakes the canaries related to it. It judges nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::api::{ApiResource, DynamicObject, ObjectMeta};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clusters::Clusters;
use crate::queue::Queue;

pub mod canary;
pub mod key;
pub mod kind;
pub mod knative;
pub mod objects;
pub mod of_kind;
pub mod packed;
pub mod relations;
pub mod store;
pub mod table;
pub mod watch;
pub mod workload;

use canary::CanarySeen;
use key::Key;
use knative::RevisionSeen;
use objects::{ConfigSeen, RawSeen, ScalerSeen, ServiceSeen};
use packed::Packed;
use relations::Relations;
use store::Store;
use workload::WorkloadSeen;

/// All stores, and who is to be woken by which object.
pub struct Caches {
    /// Canaries.
    pub canaries: Arc<Store<CanarySeen>>,
    /// Deployments.
    pub deployments: Arc<Store<Packed<WorkloadSeen>>>,
    /// Services.
    pub services: Arc<Store<ServiceSeen>>,
    /// Which canary looks at which object, and claims which target.
    pub relations: Relations,
    /// Canaries that want a look.
    pub queue: Arc<Queue<Key>>,
    lazy: Mutex<Lazy>,
    source: Source,
}

/// Stores that are filled from the first need on.
#[derive(Default)]
struct Lazy {
    scalers: Option<Arc<Store<ScalerSeen>>>,
    daemon_sets: Option<Arc<Store<Packed<WorkloadSeen>>>>,
    config_maps: Option<Arc<Store<ConfigSeen>>>,
    secrets: Option<Arc<Store<ConfigSeen>>>,
    revisions: Option<Arc<Store<RevisionSeen>>>,
    raw: BTreeMap<String, Arc<Store<RawSeen>>>,
}

/// What a watch needs.
#[derive(Clone)]
pub struct Source {
    /// The clusters.
    pub clusters: Clusters,
    /// The only namespace to watch.
    pub namespace: Option<String>,
    /// Ends the watches.
    pub shutdown: CancellationToken,
    /// Waits for them to end.
    pub tasks: TaskTracker,
    /// Keys that may hold the selector label, in order.
    pub selector_labels: Arc<[String]>,
}

impl Caches {
    /// Starts the watches that every canary needs.
    pub fn start(source: Source, queue: Arc<Queue<Key>>) -> Arc<Self> {
        let caches = Arc::new(Self {
            canaries: Arc::default(),
            deployments: Arc::default(),
            services: Arc::default(),
            relations: Relations::default(),
            queue,
            lazy: Mutex::default(),
            source,
        });
        let labels = Arc::clone(&caches.source.selector_labels);
        watch::start(
            &caches,
            &kind::canary(),
            &caches.canaries,
            watch::Depth::Full,
            CanarySeen::project,
        );
        let project =
            move |object: &DynamicObject| Packed::new(&WorkloadSeen::project(object, &labels));
        watch::start(
            &caches,
            &kind::deployment(),
            &caches.deployments,
            watch::Depth::Full,
            project,
        );
        watch::start(
            &caches,
            &kind::service(),
            &caches.services,
            watch::Depth::Full,
            ServiceSeen::project,
        );
        caches
    }

    /// Waits until canaries, Deployments and Services are read.
    pub async fn ready(&self) {
        self.canaries.ready().await;
        self.deployments.ready().await;
        self.services.ready().await;
    }

    /// DaemonSets.
    pub fn daemon_sets(self: &Arc<Self>) -> Arc<Store<Packed<WorkloadSeen>>> {
        let mut lazy = self.lock();
        Arc::clone(lazy.daemon_sets.get_or_insert_with(|| {
            let store = Arc::default();
            let labels = Arc::clone(&self.source.selector_labels);
            let project = move |object: &DynamicObject| {
                Packed::new(&WorkloadSeen::of_daemon_set(object, &labels))
            };
            watch::start(
                self,
                &kind::daemon_set(),
                &store,
                watch::Depth::Full,
                project,
            );
            store
        }))
    }

    /// HorizontalPodAutoscalers.
    pub fn scalers(self: &Arc<Self>) -> Arc<Store<ScalerSeen>> {
        let mut lazy = self.lock();
        Arc::clone(lazy.scalers.get_or_insert_with(|| {
            let store = Arc::default();
            watch::start(
                self,
                &kind::autoscaler(),
                &store,
                watch::Depth::Full,
                ScalerSeen::project,
            );
            store
        }))
    }

    /// ConfigMaps, or Secrets: versions only.
    pub fn configs(
        self: &Arc<Self>,
        of: crate::canary::build::config::ConfigKind,
    ) -> Arc<Store<ConfigSeen>> {
        use crate::canary::build::config::ConfigKind;
        let mut lazy = self.lock();
        let (slot, resource) = match of {
            ConfigKind::ConfigMap => (&mut lazy.config_maps, kind::config_map()),
            ConfigKind::Secret => (&mut lazy.secrets, kind::secret()),
        };
        Arc::clone(slot.get_or_insert_with(|| {
            let store = Arc::default();
            watch::start(
                self,
                &resource,
                &store,
                watch::Depth::Metadata,
                ConfigSeen::project,
            );
            store
        }))
    }

    /// Objects of a kind that others define, kept whole.
    pub fn raw(self: &Arc<Self>, resource: &ApiResource) -> Arc<Store<RawSeen>> {
        let mut lazy = self.lock();
        let id = kind::id(resource);
        Arc::clone(lazy.raw.entry(id).or_insert_with(|| {
            let store = Arc::default();
            let of = resource.clone();
            let project = move |object: &DynamicObject| RawSeen::project(object, &of);
            watch::start(self, resource, &store, watch::Depth::Full, project);
            store
        }))
    }

    /// Takes in an object that a request of ours brought, before its watch does.
    pub fn learn(&self, resource: &ApiResource, object: &DynamicObject) {
        let metadata = &object.metadata;
        let key = &Key::of(metadata);
        let labels = &self.source.selector_labels;
        let lazy = self.lock();
        let raw = |id: &str| {
            let seen = || RawSeen::project(object, resource);
            put(lazy.raw.get(id), key, metadata, seen);
        };
        match kind::id(resource).as_str() {
            kind::CANARY => {
                let seen = || CanarySeen::project(object);
                self.canaries.put(key, metadata, seen);
            }
            "apps/v1/Deployment" => {
                let seen = || Packed::new(&WorkloadSeen::project(object, labels));
                self.deployments.put(key, metadata, seen);
            }
            "apps/v1/DaemonSet" => {
                let seen = || Packed::new(&WorkloadSeen::of_daemon_set(object, labels));
                put(lazy.daemon_sets.as_ref(), key, metadata, seen);
            }
            id @ "v1/Service" => {
                // Targets of that kind are kept whole, beside the digests of all Services.
                raw(id);
                let seen = || ServiceSeen::project(object);
                self.services.put(key, metadata, seen);
            }
            "v1/ConfigMap" => {
                let seen = || ConfigSeen::project(object);
                put(lazy.config_maps.as_ref(), key, metadata, seen);
            }
            "v1/Secret" => {
                let seen = || ConfigSeen::project(object);
                put(lazy.secrets.as_ref(), key, metadata, seen);
            }
            "autoscaling/v2/HorizontalPodAutoscaler" => {
                let seen = || ScalerSeen::project(object);
                put(lazy.scalers.as_ref(), key, metadata, seen);
            }
            id => raw(id),
        }
    }

    /// Forgets an object that a request of ours found missing.
    pub fn forget(&self, resource: &ApiResource, key: &Key) {
        let lazy = self.lock();
        match kind::id(resource).as_str() {
            kind::CANARY => self.canaries.forget(key),
            "apps/v1/Deployment" => self.deployments.forget(key),
            "apps/v1/DaemonSet" => lazy.daemon_sets.iter().for_each(|store| store.forget(key)),
            id @ "v1/Service" => {
                lazy.raw.get(id).iter().for_each(|store| store.forget(key));
                self.services.forget(key);
            }
            "v1/ConfigMap" => lazy.config_maps.iter().for_each(|store| store.forget(key)),
            "v1/Secret" => lazy.secrets.iter().for_each(|store| store.forget(key)),
            "autoscaling/v2/HorizontalPodAutoscaler" => {
                lazy.scalers.iter().for_each(|store| store.forget(key))
            }
            id => lazy
                .raw
                .get(id)
                .into_iter()
                .for_each(|store| store.forget(key)),
        }
    }

    /// What watches need.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Wakes the canaries that look at an object.
    pub(crate) fn touched(&self, kind: &str, key: &Key) {
        if kind == kind::CANARY {
            self.claim(key);
            self.queue.wake(key);
        }
        for canary in self.relations.of(kind, key) {
            self.queue.wake(&canary);
        }
    }

    /// Notes which target a canary claims, and wakes those that claim or claimed the same.
    fn claim(&self, key: &Key) {
        let target = self.canaries.read(key, |seen| seen.target);
        for rival in self.relations.claim(key, target) {
            self.queue.wake(&rival);
        }
    }

    /// Wakes every canary.
    pub(crate) fn wake_all(&self) {
        for canary in self.canaries.keys() {
            self.queue.wake(&canary);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lazy> {
        self.lazy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn put<T: Clone + PartialEq>(
    store: Option<&Arc<Store<T>>>,
    key: &Key,
    metadata: &ObjectMeta,
    seen: impl FnOnce() -> T,
) {
    if let Some(store) = store {
        store.put(key, metadata, seen);
    }
}
