//! Keeps the last changes of one resource, for watchers that come back and for lists at an older version.
//!
//! What is older than the history is gone: `Compacted` says so, and the client has to list anew.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::Value;
use tokio::sync::watch;

use super::ObjectKey;
use crate::object;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

/// One change.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) kind: ChangeKind,
    pub(crate) object: Arc<Value>,
    pub(crate) before: Option<Arc<Value>>,
}

/// The history no longer reaches back to the version asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compacted {
    /// The oldest version from which all changes are known.
    pub(crate) oldest: u64,
}

/// The last changes, oldest first.
#[derive(Debug)]
pub(crate) struct History {
    changes: VecDeque<Change>,
    oldest: u64,
    changes_max: usize,
    latest: watch::Sender<u64>,
}

impl History {
    /// An empty history that begins at a version.
    pub(crate) fn new(version: u64, changes_max: usize) -> Self {
        Self {
            changes: VecDeque::new(),
            // Nothing of this resource happened before its first use.
            oldest: 0,
            changes_max,
            latest: watch::Sender::new(version),
        }
    }

    /// Adds a change and wakes the watchers.
    pub(crate) fn push(&mut self, change: Change) {
        let version = change.version;
        self.changes.push_back(change);
        while self.changes.len() > self.changes_max {
            if let Some(dropped) = self.changes.pop_front() {
                self.oldest = dropped.version;
            }
        }
        self.latest.send_replace(version);
    }

    /// Forgets every change.
    pub(crate) fn compact(&mut self) {
        if let Some(last) = self.changes.back() {
            self.oldest = last.version;
        }
        self.changes.clear();
    }

    /// A receiver that wakes with every change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// The changes after a version.
    pub(crate) fn since(&self, version: u64) -> Result<Vec<Change>, Compacted> {
        if version < self.oldest {
            return Err(Compacted {
                oldest: self.oldest,
            });
        }
        let start = self
            .changes
            .partition_point(|change| change.version <= version);
        Ok(self.changes.iter().skip(start).cloned().collect())
    }

    /// The objects as they were at a version.
    pub(crate) fn rewind(
        &self,
        now: &BTreeMap<ObjectKey, Arc<Value>>,
        version: u64,
    ) -> Result<BTreeMap<ObjectKey, Arc<Value>>, Compacted> {
        let mut objects = now.clone();
        for change in self.since(version)?.iter().rev() {
            let at = (
                object::namespace(&change.object).to_owned(),
                object::name(&change.object).to_owned(),
            );
            match &change.before {
                Some(before) => objects.insert(at, before.clone()),
                None => objects.remove(&at),
            };
        }
        Ok(objects)
    }
}
