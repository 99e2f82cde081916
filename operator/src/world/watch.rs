//! Watches one kind: keeps a store in step with it and wakes the canaries concerned.
//!
//! Lists, bookmarks, 410 and back-off are kube's watcher; this gives its events to a store.

use std::fmt::Debug;
use std::sync::Arc;

use futures::{Stream, StreamExt, pin_mut};
use kube::Resource;
use kube::api::{Api, ApiResource, DynamicObject, ObjectMeta, PartialObjectMeta, TypeMeta};
use kube::core::DynamicResourceScope;
use kube::runtime::{WatchStreamExt, watcher};

use super::key::Key;
use super::kind;
use super::store::Store;
use super::{Caches, Source};
use crate::error::chain;

/// Objects of one page of a list: decoded, a page takes twenty times what is kept of it.
const PAGE_SIZE: u32 = 100;

/// How much of the objects is sent to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// All of it.
    Full,
    /// Only the metadata.
    Metadata,
}

/// Starts to watch; ends with the caches' shutdown.
pub fn start<T, P>(
    caches: &Arc<Caches>,
    resource: &ApiResource,
    store: &Arc<Store<T>>,
    depth: Depth,
    project: P,
) where
    T: Clone + PartialEq + Send + 'static,
    P: Fn(&DynamicObject) -> T + Send + Sync + 'static,
{
    let source = caches.source().clone();
    let resource = resource.clone();
    let config = watcher::Config::default().page_size(PAGE_SIZE);
    let feed = Feed {
        caches: Arc::clone(caches),
        id: kind::id(&resource),
        store: Arc::clone(store),
        project,
    };
    let tasks = source.tasks.clone();
    tasks.spawn(async move {
        let fed = async {
            match depth {
                Depth::Full => {
                    let events = watcher(api::<DynamicObject>(&source, &resource), config);
                    feed.follow(events.default_backoff(), |object| object).await;
                }
                Depth::Metadata => {
                    let events = watcher(
                        api::<PartialObjectMeta<DynamicObject>>(&source, &resource),
                        config,
                    );
                    feed.follow(events.default_backoff(), whole).await;
                }
            }
        };
        tokio::select! {
            () = fed => {}
            () = source.shutdown.cancelled() => {}
        }
    });
}

fn api<K: Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>>(
    source: &Source,
    of: &ApiResource,
) -> Api<K> {
    let client = source.clusters.of(of).clone();
    match &source.namespace {
        Some(namespace) if !kind::is_cluster_scoped(of) => {
            Api::namespaced_with(client, namespace, of)
        }
        Some(_) | None => Api::all_with(client, of),
    }
}

/// Why a watch fails, in words for people.
fn told(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404 => {
            "the API server has no such kind; install its definition".to_owned()
        }
        watcher::Error::InitialListFailed(kube::Error::Api(status)) => {
            format!("{} ({})", status.message, status.code)
        }
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchError(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::NoResourceVersion => chain(error),
    }
}

/// An object of metadata alone.
fn whole(partial: PartialObjectMeta<DynamicObject>) -> DynamicObject {
    DynamicObject {
        types: None::<TypeMeta>,
        metadata: partial.metadata,
        data: serde_json::Value::Null,
    }
}

struct Feed<T, P> {
    caches: Arc<Caches>,
    id: String,
    store: Arc<Store<T>>,
    project: P,
}

impl<T, P> Feed<T, P>
where
    T: Clone + PartialEq,
    P: Fn(&DynamicObject) -> T,
{
    async fn follow<K: Debug>(
        &self,
        events: impl Stream<Item = Result<watcher::Event<K>, watcher::Error>>,
        whole: impl Fn(K) -> DynamicObject,
    ) {
        pin_mut!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init) => self.store.start_list(),
                Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object)) => {
                    self.put(&whole(object))
                }
                Ok(watcher::Event::InitDone) => {
                    for key in self.store.finish_list() {
                        self.touch(&key);
                    }
                    self.caches.wake_all();
                }
                Ok(watcher::Event::Delete(object)) => {
                    let object = whole(object);
                    let key = Key::of(&object.metadata);
                    if self.store.remove(&key, &object.metadata) {
                        self.touch(&key);
                    }
                }
                Err(error) => {
                    let why = told(&error);
                    tracing::warn!(kind = self.id, error = why, "Watch failed; retrying.");
                    if self.store.set_fault(why) {
                        self.caches.wake_all();
                    }
                }
            }
        }
    }

    fn put(&self, object: &DynamicObject) {
        let metadata: &ObjectMeta = &object.metadata;
        let key = Key::of(metadata);
        if self.store.put(&key, metadata, || (self.project)(object)) {
            self.touch(&key);
        }
    }

    fn touch(&self, key: &Key) {
        self.caches.touched(&self.id, key);
    }
}
