//! Knative: the revisions of a Service, seen as the workloads of a canary.
//!
//! The revision created last is the canary's; the one that an annotation names is the primary's. Neither has
//! replicas that we count: a revision that is ready starts its pods by itself.

use std::sync::Arc;

use kube::api::DynamicObject;
use mesh_adapters::knative::PRIMARY;
use rollout::world::{Revision, Snapshot, WorkloadCondition};
use serde_json::Value;

use super::Caches;
use super::key::Key;
use super::kind;
use super::store::{Known, Store};
use super::watch;
use super::workload::{WorkloadSeen, condition};
use crate::json::{list_at, str_at};

/// A revision: whether it is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionSeen {
    /// Its condition Ready.
    pub ready: Option<WorkloadCondition>,
}

impl RevisionSeen {
    /// Keeps what is needed.
    pub fn project(object: &DynamicObject) -> Self {
        Self {
            ready: condition(&object.data, "Ready"),
        }
    }
}

/// The revision created last; empty before the first.
pub fn latest(service: &Value) -> &str {
    str_at(service, "/status/latestCreatedRevisionName")
}

/// The revision that is the primary: the annotated one. When the annotation was lost, the one that traffic is
/// pinned to; before there ever was one, users may have pinned traffic to anything.
pub fn primary(service: &Value, is_new: bool) -> Option<&str> {
    let annotated = service
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(PRIMARY)?.as_str());
    let pinned = || {
        let mut entries = list_at(service, "/spec/traffic").iter();
        entries.find_map(|entry| entry.get("revisionName")?.as_str())
    };
    annotated
        .or_else(|| (!is_new).then(pinned).flatten())
        .filter(|name| !name.is_empty())
}

impl Caches {
    /// A Knative Service, whole.
    pub fn knative(self: &Arc<Self>, service: &Key) -> Known<Value> {
        self.raw(&kind::knative_service())
            .get(service)
            .map(|seen| seen.value())
    }

    /// The revision of a Knative Service that was created last. Its name is empty before the first.
    pub fn latest_revision(self: &Arc<Self>, service: &Key) -> Known<WorkloadSeen> {
        self.revision(service, |found| Some(latest(found)))
    }

    /// The primary's revision of a Knative Service.
    pub fn primary_revision(self: &Arc<Self>, service: &Key, is_new: bool) -> Known<WorkloadSeen> {
        self.revision(service, |found| primary(found, is_new))
    }

    fn revision(
        self: &Arc<Self>,
        service: &Key,
        choose: impl FnOnce(&Value) -> Option<&str>,
    ) -> Known<WorkloadSeen> {
        let found = match self.knative(service) {
            Known::Present(found) => found,
            Known::Absent => return Known::Absent,
            Known::Unread(why) => return Known::Unread(why),
        };
        let Some(name) = choose(&found) else {
            return Known::Absent;
        };
        let ready = match self.revisions().get(&service.sibling(name)) {
            Known::Present(seen) => seen.ready,
            Known::Absent => None,
            Known::Unread(why) => return Known::Unread(why),
        };
        Known::Present(workload(&found, name, ready))
    }

    /// Revisions.
    fn revisions(self: &Arc<Self>) -> Arc<Store<RevisionSeen>> {
        let mut lazy = self.lock();
        Arc::clone(lazy.revisions.get_or_insert_with(|| {
            let store = Arc::default();
            watch::start(
                self,
                &kind::knative_revision(),
                &store,
                watch::Depth::Full,
                RevisionSeen::project,
            );
            store
        }))
    }
}

fn workload(service: &Value, name: &str, ready: Option<WorkloadCondition>) -> WorkloadSeen {
    let is_ready = ready.as_ref().is_some_and(|ready| ready.is_true);
    let snapshot = Snapshot {
        revision: Revision::new(name),
        configs: std::collections::BTreeMap::new(),
    };
    WorkloadSeen {
        uid: str_at(service, "/metadata/uid").into(),
        replicas: 1,
        total: 1,
        updated: 1,
        available: u32::from(is_ready),
        progressing: ready.clone(),
        availability: ready,
        template: name.into(),
        snapshot: Some(snapshot.to_annotation().into_boxed_str()),
        ..WorkloadSeen::default()
    }
}
