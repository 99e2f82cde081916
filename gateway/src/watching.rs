//! Watches the objects that routing depends on and keeps a world up to date.
//!
//! One watch a kind, over the whole cluster. A kind that the cluster does not have counts
//! as empty. Builds no tables; tells its caller when to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::FutureExt;
use futures::stream::{BoxStream, SelectAll, StreamExt};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use serde_json::Value;
use tracing::{debug, warn};

use crate::resource::GROUP;
use crate::world::{Key, World};

/// Group, version, kind and plural of everything watched.
const KINDS: [(&str, &str, &str, &str); 8] = [
    (GROUP, "v1", "GatewayClass", "gatewayclasses"),
    (GROUP, "v1", "Gateway", "gateways"),
    (GROUP, "v1", "HTTPRoute", "httproutes"),
    (GROUP, "v1", "GRPCRoute", "grpcroutes"),
    (GROUP, "v1beta1", "ReferenceGrant", "referencegrants"),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    ("", "v1", "Service", "services"),
    ("", "v1", "Namespace", "namespaces"),
];
/// Time in which changes are gathered into one table.
const GATHER_TIME: Duration = Duration::from_millis(5);

type Watched = (&'static str, watcher::Result<Event<DynamicObject>>);

/// The watches of all kinds.
pub(crate) struct Watches {
    events: SelectAll<BoxStream<'static, Watched>>,
    world: World,
    /// Kinds whose first list has not come yet.
    awaited: BTreeSet<&'static str>,
    /// Objects seen in a relist that is not over.
    relisted: BTreeMap<&'static str, BTreeSet<Key>>,
}

/// The API of a watched kind in one namespace, or of the whole cluster.
pub(crate) fn api(
    client: &kube::Client,
    kind: &str,
    namespace: &str,
) -> Option<Api<DynamicObject>> {
    let resource = KINDS
        .iter()
        .find(|known| known.2 == kind)
        .map(resource_of)?;
    Some(if namespace.is_empty() {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), namespace, &resource)
    })
}

fn resource_of((group, version, kind, plural): &(&str, &str, &str, &str)) -> ApiResource {
    let api_version = if group.is_empty() {
        (*version).to_owned()
    } else {
        format!("{group}/{version}")
    };
    ApiResource {
        group: (*group).to_owned(),
        version: (*version).to_owned(),
        api_version,
        kind: (*kind).to_owned(),
        plural: (*plural).to_owned(),
    }
}

impl Watches {
    /// Opens all watches.
    pub(crate) fn open(client: &kube::Client) -> Self {
        let watches = KINDS.iter().map(|known| {
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource_of(known));
            let kind = known.2;
            let events = watcher::watcher(api, watcher::Config::default()).default_backoff();
            events.map(move |event| (kind, event)).boxed()
        });
        Self {
            events: futures::stream::select_all(watches),
            world: World::default(),
            awaited: KINDS.iter().map(|known| known.2).collect(),
            relisted: BTreeMap::new(),
        }
    }

    /// The world as it is known.
    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// Waits for a change that a table should be built for. Safe to drop between changes.
    pub(crate) async fn changed(&mut self) {
        loop {
            let Some((kind, event)) = self.events.next().await else {
                // A watcher never ends; without watches there is nothing to wait for.
                return std::future::pending().await;
            };
            let mut is_changed = self.take(kind, event);
            if is_changed {
                tokio::time::sleep(GATHER_TIME).await;
            }
            while let Some(Some((kind, event))) = self.events.next().now_or_never() {
                is_changed |= self.take(kind, event);
            }
            if is_changed && self.awaited.is_empty() {
                return;
            }
        }
    }

    /// Takes one event; whether the world may be another.
    fn take(&mut self, kind: &'static str, event: watcher::Result<Event<DynamicObject>>) -> bool {
        match event {
            Ok(Event::Init) => {
                self.relisted.insert(kind, BTreeSet::new());
                false
            }
            Ok(Event::InitApply(object)) => {
                self.relisted
                    .entry(kind)
                    .or_default()
                    .insert(key_of(&object));
                self.put(kind, object);
                false
            }
            Ok(Event::InitDone) => {
                let kept = self.relisted.remove(kind).unwrap_or_default();
                self.world.retain(kind, &kept);
                self.awaited.remove(kind);
                true
            }
            Ok(Event::Apply(object)) => {
                self.put(kind, object);
                true
            }
            Ok(Event::Delete(object)) => {
                let (namespace, name) = key_of(&object);
                self.world.delete(kind, &namespace, &name);
                true
            }
            Err(error) => self.fail(kind, &error),
        }
    }

    fn put(&mut self, kind: &'static str, object: DynamicObject) {
        let mut object = serde_json::to_value(object).unwrap_or_default();
        // Objects in lists carry no kind of their own.
        if let Some(map) = object.as_object_mut() {
            map.insert("kind".to_owned(), Value::from(kind));
        }
        if let Err(error) = self.world.apply(object) {
            warn!(kind, %error, "Object not read.");
        }
    }

    /// A kind that the cluster does not have must not hold up the others.
    fn fail(&mut self, kind: &'static str, error: &watcher::Error) -> bool {
        let is_absent = match error {
            watcher::Error::InitialListFailed(kube::Error::Api(status))
            | watcher::Error::WatchStartFailed(kube::Error::Api(status))
            | watcher::Error::WatchError(status) => status.code == 404,
            watcher::Error::InitialListFailed(_)
            | watcher::Error::WatchStartFailed(_)
            | watcher::Error::WatchFailed(_)
            | watcher::Error::NoResourceVersion => false,
        };
        if is_absent {
            debug!(kind, "The cluster does not have this kind.");
            return self.awaited.remove(kind);
        }
        warn!(kind, %error, "Watch failed; it is tried again.");
        false
    }
}

fn key_of(object: &DynamicObject) -> Key {
    let meta = &object.metadata;
    (
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    )
}
