//! Takes watch events and own writes into the cache and notes what must be
//! looked at again. Decides nothing about the objects.

use std::fmt::Debug;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::{Control, SERVICE_LABEL, Work};
use crate::cache::{Kept, Key};
use crate::objects::has_all;

/// A watch that failed is tried again after this long.
const WATCH_RETRY: Duration = Duration::from_millis(500);

pub(super) enum Seen {
    Deployment(Event<Deployment>),
    ReplicaSet(Event<ReplicaSet>),
    DaemonSet(Event<DaemonSet>),
    Pod(Event<Pod>),
    Service(Event<Service>),
    Slice(Event<EndpointSlice>),
}

/// All watches of the controllers as one stream that never ends.
pub(super) fn watches(client: &Client) -> BoxStream<'static, Seen> {
    stream::select_all([
        watch(client, Seen::Deployment),
        watch(client, Seen::ReplicaSet),
        watch(client, Seen::DaemonSet),
        watch(client, Seen::Pod),
        watch(client, Seen::Service),
        watch(client, Seen::Slice),
    ])
    .boxed()
}

fn watch<K>(client: &Client, wrap: fn(Event<K>) -> Seen) -> BoxStream<'static, Seen>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let events = watcher::watcher(Api::<K>::all(client.clone()), watcher::Config::default());
    let kept = events.filter_map(move |event| async move {
        match event {
            Ok(event) => Some(wrap(event)),
            Err(error) => {
                tracing::debug!(%error, kind = %K::kind(&()), "Watch failed.");
                tokio::time::sleep(WATCH_RETRY).await;
                None
            }
        }
    });
    kept.boxed()
}

/// Puts an event into the cache; gives the objects that changed.
fn absorb<K: Resource + Clone>(kept: &mut Kept<K>, event: Event<K>) -> Vec<ObjectMeta> {
    match event {
        Event::Apply(object) | Event::InitApply(object) => {
            let meta = object.meta().clone();
            if kept.put(object) {
                vec![meta]
            } else {
                Vec::new()
            }
        }
        Event::Delete(object) => {
            if kept.remove(&object) {
                vec![object.meta().clone()]
            } else {
                Vec::new()
            }
        }
        Event::Init => {
            kept.begin_list();
            Vec::new()
        }
        Event::InitDone => {
            let named = |key: Key| ObjectMeta {
                namespace: Some(key.namespace),
                name: Some(key.name),
                ..ObjectMeta::default()
            };
            kept.end_list().into_iter().map(named).collect()
        }
    }
}

impl Control {
    pub(super) fn take_in(&mut self, seen: Seen) {
        let mut cache = self.cache();
        let (kind, changed): (fn(&mut Self, &ObjectMeta), _) = match seen {
            Seen::Deployment(event) => {
                (Self::saw_deployment, absorb(&mut cache.deployments, event))
            }
            Seen::ReplicaSet(event) => (
                Self::saw_replica_set,
                absorb(&mut cache.replica_sets, event),
            ),
            Seen::DaemonSet(event) => (Self::saw_daemon_set, absorb(&mut cache.daemon_sets, event)),
            Seen::Pod(event) => (Self::saw_pod, absorb(&mut cache.pods, event)),
            Seen::Service(event) => (Self::saw_service, absorb(&mut cache.services, event)),
            Seen::Slice(event) => (Self::saw_slice, absorb(&mut cache.slices, event)),
        };
        drop(cache);
        for meta in changed {
            kind(self, &meta);
        }
    }

    fn saw_deployment(&mut self, meta: &ObjectMeta) {
        self.work.insert(Work::Deployment(Key::of(meta)));
    }

    pub(super) fn saw_replica_set(&mut self, meta: &ObjectMeta) {
        self.work.insert(Work::ReplicaSet(Key::of(meta)));
        self.note_owners(meta);
    }

    fn saw_daemon_set(&mut self, meta: &ObjectMeta) {
        self.work.insert(Work::DaemonSet(Key::of(meta)));
    }

    pub(super) fn saw_pod(&mut self, meta: &ObjectMeta) {
        self.work.insert(Work::Pod(Key::of(meta)));
        self.note_owners(meta);
        let services = self.services_of(meta);
        self.work.extend(services.into_iter().map(Work::Endpoints));
    }

    /// The Services that choose a pod, and those whose endpoints still name it.
    fn services_of(&self, pod: &ObjectMeta) -> Vec<Key> {
        let namespace = pod.namespace.as_deref().unwrap_or_default();
        let cache = self.cache();
        let chosen = cache.services.in_namespace(namespace).filter(|service| {
            let selector = service.spec.as_ref().and_then(|s| s.selector.as_ref());
            selector.is_some_and(|wanted| has_all(wanted, pod.labels.as_ref()))
        });
        let names = |slice: &EndpointSlice| {
            let mut pods = slice.endpoints.iter().filter_map(|e| e.target_ref.as_ref());
            pods.any(|target| target.name == pod.name)
        };
        let naming = cache
            .slices
            .in_namespace(namespace)
            .filter(|slice| names(slice));
        let services =
            naming.filter_map(|slice| slice.metadata.labels.as_ref()?.get(SERVICE_LABEL));
        let named: Vec<Key> = services.map(|name| Key::new(namespace, name)).collect();
        chosen
            .map(|service| Key::of(&service.metadata))
            .chain(named)
            .collect()
    }

    fn saw_service(&mut self, meta: &ObjectMeta) {
        self.work.insert(Work::Endpoints(Key::of(meta)));
    }

    fn saw_slice(&mut self, meta: &ObjectMeta) {
        let service = meta
            .labels
            .as_ref()
            .and_then(|labels| labels.get(SERVICE_LABEL));
        if let (Some(service), Some(namespace)) = (service, &meta.namespace) {
            self.work
                .insert(Work::Endpoints(Key::new(namespace, service)));
        }
    }

    fn note_owners(&mut self, meta: &ObjectMeta) {
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        for owner in meta.owner_references.iter().flatten() {
            let key = Key::new(namespace, &owner.name);
            match owner.kind.as_str() {
                "Deployment" => self.work.insert(Work::Deployment(key)),
                "ReplicaSet" => self.work.insert(Work::ReplicaSet(key)),
                "DaemonSet" => self.work.insert(Work::DaemonSet(key)),
                _ => continue,
            };
        }
    }
}
