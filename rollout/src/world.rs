//! What the watches already tell about a canary's surroundings, free of cost.
//!
//! The operator fills a `World` from its caches. What costs a request to learn (metrics, webhooks) is
//! asked through probes and comes back as `Answers`. Readiness is judged in `world/readiness.rs`.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::weight::Split;

pub mod readiness;
pub mod snapshot;

pub use readiness::{Readiness, readiness};
pub use snapshot::{Revision, Snapshot};

/// Everything observed that a decision may use, but for what has to be asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct World {
    /// The workload of `spec.targetRef`.
    pub target: Seen,
    /// The workload `<target>-primary`.
    pub primary: Seen,
    /// What the routing objects say.
    pub traffic: TrafficSeen,
    /// True when the Canary has a deletion timestamp.
    pub is_deleting: bool,
    /// True when the Canary carries `finalizer.flagger.app`.
    pub has_finalizer: bool,
    /// Kept objects that are missing or differ from what would be written, weights left aside.
    pub drift: BTreeSet<Part>,
    /// Why the target cannot be used as it is, in the words of `spec/flagger.md` 2 (no selector label,
    /// a tracked ConfigMap is missing); nothing moves towards the canary while it is there.
    pub target_fault: Option<String>,
}

/// A group of objects that the operator keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The Services `<apex>-canary` and `<apex>-primary`.
    Services,
    /// The Service `<apex>`.
    Apex,
    /// The routing objects of the mesh.
    Routes,
    /// The autoscaler of the primary.
    PrimaryScaler,
}

/// Whether an object was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Seen {
    /// Not looked at yet (the cache is not filled): no decision rests on it.
    #[default]
    Unread,
    /// Looked for and not there.
    Absent,
    /// There.
    Present(Workload),
}

impl Seen {
    /// The workload, when it is there.
    #[must_use]
    pub const fn workload(&self) -> Option<&Workload> {
        match self {
            Self::Present(workload) => Some(workload),
            Self::Unread | Self::Absent => None,
        }
    }
}

/// A Deployment, DaemonSet, Service or Knative revision, as far as a rollout cares.
///
/// For a DaemonSet `desired` is desiredNumberScheduled, `updated` updatedNumberScheduled and `available`
/// numberAvailable. For a core Service all counts are 0 and are not looked at. For a Knative revision they are 1,
/// but `available` is 0 until its condition Ready is true; that condition is both `progressing` and `availability`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Workload {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// `status.observedGeneration`.
    pub observed_generation: i64,
    /// `spec.replicas` (1 when unset, as the API server has it); 0 for a DaemonSet scaled to zero by its
    /// node selector.
    pub desired: u32,
    /// `status.replicas`: pods of every revision.
    pub total: u32,
    /// `status.updatedReplicas`.
    pub updated: u32,
    /// `status.availableReplicas`.
    pub available: u32,
    /// Condition `Progressing`, when there.
    pub progressing: Option<WorkloadCondition>,
    /// Condition `Available`, when there.
    pub availability: Option<WorkloadCondition>,
    /// What it runs. For the target: digest of its pod template and of its tracked configs, `None` while
    /// they cannot be computed. For the primary: what was last copied into it, from the annotation the
    /// operator writes at `Action::Primary` and `Action::Promote`; `None` when it carries none.
    pub snapshot: Option<Snapshot>,
}

/// One condition of a workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadCondition {
    /// True when `status` is `"True"`.
    pub is_true: bool,
    /// `reason`, for instance `ProgressDeadlineExceeded`.
    pub reason: String,
    /// `lastUpdateTime`, or `lastTransitionTime` where a kind has only that.
    pub updated: DateTime<Utc>,
}

/// What the routing objects say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TrafficSeen {
    /// Not looked at yet.
    #[default]
    Unread,
    /// Written, and not taken up by the gateway yet; what it is to do.
    Pending(String),
    /// Missing, not accepted by the gateway, or not readable; why.
    Unreadable(String),
    /// Readable.
    Split(Split),
}

impl TrafficSeen {
    /// The split, when it could be read.
    #[must_use]
    pub const fn split(&self) -> Option<Split> {
        match self {
            Self::Split(split) => Some(*split),
            Self::Unread | Self::Pending(_) | Self::Unreadable(_) => None,
        }
    }
}
