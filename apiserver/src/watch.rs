//! Streams the changes of one resource to one client: events, bookmarks, time-out, and the end of history.
//!
//! A change that moves an object into or out of the selection is told as ADDED or DELETED, as kube-apiserver does.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::Stream;
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};

use crate::{
    cluster::{Cluster, shown},
    object,
    resource::ResourceType,
    selector::Selector,
    status::ApiError,
    store::history::{Change, ChangeKind},
    table::Shape,
};

/// Time between bookmarks, in seconds.
const BOOKMARK_INTERVAL_S: u64 = 60;

/// What a watch is to show.
pub(crate) struct WatchPlan {
    pub(crate) kind: Arc<ResourceType>,
    pub(crate) namespace: String,
    pub(crate) selector: Selector,
    pub(crate) shape: Shape,
    /// Changes after this version; absent starts with all objects as they are.
    pub(crate) since: Option<u64>,
    pub(crate) has_bookmarks: bool,
    /// Whether the objects of the start end with a bookmark that says so.
    pub(crate) marks_initial_end: bool,
    pub(crate) time_limit: Duration,
    pub(crate) trouble: Option<Trouble>,
}

/// A fault of the stream.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trouble {
    /// It ends after this time.
    Cut(Duration),
    /// It falls silent after this time.
    Stall(Duration),
}

struct Watcher {
    cluster: Arc<Mutex<Cluster>>,
    plan: WatchPlan,
    cursor: u64,
    changes: watch::Receiver<u64>,
    queue: VecDeque<Bytes>,
    ends_at: Instant,
    bookmark_at: Instant,
    trouble_at: Option<Instant>,
    is_over: bool,
}

/// The lines of a watch.
pub(crate) fn stream(
    cluster: &Arc<Mutex<Cluster>>,
    plan: WatchPlan,
) -> impl Stream<Item = Bytes> + Send + 'static + use<> {
    let watcher = start(cluster.clone(), plan);
    futures::stream::unfold(watcher, |mut watcher| async move {
        let line = watcher.next().await?;
        Some((line, watcher))
    })
}

/// A stream of one error, which is how a watch is told that its version is gone.
pub(crate) fn error_line(error: &ApiError) -> Bytes {
    line("ERROR", &error.to_value())
}

fn line(kind: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{}\n", json!({ "type": kind, "object": object })))
}

fn start(cluster: Arc<Mutex<Cluster>>, plan: WatchPlan) -> Watcher {
    let now = Instant::now();
    let mut queue = VecDeque::new();
    let (cursor, changes) = {
        let mut locked = cluster.lock().unwrap_or_else(PoisonError::into_inner);
        let version = locked.store.version();
        let collection = locked.store.collection(&plan.kind.store_key);
        let changes = collection.history.subscribe();
        if plan.since.is_none() {
            for (at, object) in &collection.objects {
                if plan.covers(&at.0, object) {
                    queue.push_back(line(
                        "ADDED",
                        &plan.shape.one(&plan.kind, &shown(&plan.kind, object)),
                    ));
                }
            }
            if plan.marks_initial_end {
                queue.push_back(plan.bookmark(version, true));
            }
        }
        (plan.since.unwrap_or(version), changes)
    };
    let trouble_at = plan.trouble.map(|trouble| match trouble {
        Trouble::Cut(after) | Trouble::Stall(after) => now + after,
    });
    Watcher {
        cluster,
        ends_at: now + plan.time_limit,
        bookmark_at: now + Duration::from_secs(BOOKMARK_INTERVAL_S),
        plan,
        cursor,
        changes,
        queue,
        trouble_at,
        is_over: false,
    }
}

impl Watcher {
    /// The next line; none when the watch is over.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.is_troubled() {
                match self.plan.trouble {
                    Some(Trouble::Stall(_)) => std::future::pending::<()>().await,
                    Some(Trouble::Cut(_)) | None => return None,
                }
            }
            if let Some(line) = self.queue.pop_front() {
                return Some(line);
            }
            if self.is_over {
                return None;
            }
            self.read_changes();
            if self.queue.is_empty() {
                self.wait().await;
            }
        }
    }

    fn is_troubled(&self) -> bool {
        self.trouble_at.is_some_and(|at| at <= Instant::now())
    }

    async fn wait(&mut self) {
        let far = self.ends_at;
        tokio::select! {
            changed = self.changes.changed() => self.is_over |= changed.is_err(),
            () = tokio::time::sleep_until(self.trouble_at.unwrap_or(far)) => self.is_over |= self.trouble_at.is_none(),
            () = tokio::time::sleep_until(self.ends_at) => self.is_over = true,
            () = tokio::time::sleep_until(self.bookmark_at), if self.plan.has_bookmarks => {
                self.bookmark_at = Instant::now() + Duration::from_secs(BOOKMARK_INTERVAL_S);
                self.read_changes();
                self.queue.push_back(self.plan.bookmark(self.cursor, false));
            }
        }
    }

    fn read_changes(&mut self) {
        self.changes.borrow_and_update();
        let found = {
            let mut locked = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
            let version = locked.store.version();
            locked
                .store
                .collection(&self.plan.kind.store_key)
                .history
                .since(self.cursor)
                .map(|changes| (changes, version))
        };
        match found {
            Ok((changes, version)) => {
                for change in &changes {
                    if let Some(line) = self.plan.event(change) {
                        self.queue.push_back(line);
                    }
                }
                // A watch may start at a version that is not reached yet.
                self.cursor = self.cursor.max(version);
            }
            Err(gone) => {
                let words = format!(
                    "too old resource version: {} ({})",
                    self.cursor, gone.oldest
                );
                self.queue.push_back(error_line(&ApiError::expired(words)));
                self.is_over = true;
            }
        }
    }
}

impl WatchPlan {
    fn covers(&self, namespace: &str, object: &Value) -> bool {
        (self.namespace.is_empty() || self.namespace == namespace) && self.selector.matches(object)
    }

    fn event(&self, change: &Change) -> Option<Bytes> {
        let namespace = object::namespace(&change.object);
        let was = change
            .before
            .as_ref()
            .is_some_and(|before| self.covers(namespace, before));
        let is = change.kind != ChangeKind::Deleted && self.covers(namespace, &change.object);
        let kind = match (was, is) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return None,
        };
        let object = self.last_seen(change, is);
        Some(line(
            kind,
            &self.shape.one(&self.kind, &shown(&self.kind, &object)),
        ))
    }

    /// An object that left the selection is shown as it last was in it, at the version of the change.
    fn last_seen(&self, change: &Change, is_in: bool) -> Arc<Value> {
        match &change.before {
            Some(before) if !is_in && change.kind == ChangeKind::Modified => {
                let mut object = (**before).clone();
                let version = Value::from(change.version.to_string());
                object::put(&mut object, &["metadata", "resourceVersion"], version);
                Arc::new(object)
            }
            Some(_) | None => change.object.clone(),
        }
    }

    fn bookmark(&self, version: u64, ends_initial: bool) -> Bytes {
        let mut object = json!({
            "kind": self.kind.kind,
            "apiVersion": self.kind.api_version(),
            "metadata": { "resourceVersion": version.to_string(), "creationTimestamp": null },
        });
        if ends_initial {
            crate::object::put(
                &mut object,
                &["metadata", "annotations"],
                json!({ "k8s.io/initial-events-end": "true" }),
            );
        }
        line("BOOKMARK", &self.shape.bookmark(&object))
    }
}
