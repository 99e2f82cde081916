//! What is wanted of the world. Each action is a level, not a delta: doing it twice is doing it once.
//!
//! Actions are carried out in the order given; the first failure ends the round, the state stays as it
//! was stored, and the same decision comes out again.

use crate::{spec::Gate, state::Phase, weight::Split, world::Snapshot};

/// One want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Put `finalizer.flagger.app` on the Canary.
    AddFinalizer,
    /// Take it off.
    RemoveFinalizer,
    /// The Services `<apex>-canary` and `<apex>-primary` as rendered.
    Services,
    /// The primary exists: made from the target as it is at `from`, which is kept in its annotation.
    /// An existing primary is left as it is.
    Primary {
        /// The version of the target to copy; another one found at write time is an error.
        from: Snapshot,
    },
    /// An existing primary without our annotation gets it (taking over from Flagger): nothing else changes.
    Adopt {
        /// What the primary is taken to run.
        snapshot: Snapshot,
    },
    /// The apex Service selects the primary.
    Apex,
    /// The routing objects as rendered, with this split.
    Routes(Split),
    /// The target's replicas.
    ScaleTarget(Scale),
    /// The primary has at least this many replicas (its autoscaler let them go during the analysis).
    ScalePrimary {
        /// Replicas wanted at the least.
        replicas_min: u32,
    },
    /// The autoscaler of the primary exists; with `update` it also follows the target's.
    PrimaryScaler {
        /// True to copy the target's settings onto an existing one.
        update: bool,
    },
    /// The target's autoscaler is paused at zero (KEDA).
    PauseScaler,
    /// The target's autoscaler runs.
    ResumeScaler,
    /// The primary's template is the target's as it is at `snapshot`; another one found at write time is
    /// an error. A primary that carries `snapshot` already is left as it is.
    Promote {
        /// The version that passed every gate.
        snapshot: Snapshot,
    },
    /// The target is put back as it was before us: replicas of the primary, no zero selector.
    RevertTarget,
    /// The apex Service selects the target again, when it is the user's.
    RevertApex,
    /// The routing objects as they were before us.
    RevertRoutes,
    /// Call these hooks in order, stop at the first that fails, and tell of it by an event.
    RunHooks {
        /// The hooks, all of one kind.
        hooks: Vec<Gate>,
        /// The end that they hear of, which no other has: the start of their idempotency keys.
        about: String,
        /// The phase to send with them.
        phase: Phase,
    },
    /// A Kubernetes Event on the Canary, which also goes to the event webhooks.
    Event {
        /// True for type Warning.
        warning: bool,
        /// The text.
        text: String,
        /// The phase to send to event webhooks.
        phase: Phase,
    },
    /// A message to the alert providers.
    Alert {
        /// How bad.
        severity: Severity,
        /// The text.
        text: String,
        /// True when the fields Target, Failed checks threshold, Progress deadline and Traffic routing go along.
        has_fields: bool,
    },
    /// Count a finished run in `flagger_canary_successes_total` or `…_failures_total`.
    Count {
        /// True for a promoted revision.
        success: bool,
        /// True when the analysis was skipped.
        skipped: bool,
    },
}

/// The target's replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// None.
    Zero,
    /// As many as `spec/flagger.md` 2.2 says, unless it runs already.
    Up,
}

/// How bad an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// To know.
    Info,
    /// To look at.
    Warn,
    /// To act on.
    Error,
}

impl Action {
    /// True when it writes an object other than the Canary's status.
    #[must_use]
    pub const fn is_object_write(&self) -> bool {
        match self {
            Self::AddFinalizer
            | Self::RemoveFinalizer
            | Self::Services
            | Self::Primary { .. }
            | Self::Adopt { .. }
            | Self::Apex
            | Self::Routes(_)
            | Self::ScaleTarget(_)
            | Self::ScalePrimary { .. }
            | Self::PrimaryScaler { .. }
            | Self::PauseScaler
            | Self::ResumeScaler
            | Self::Promote { .. }
            | Self::RevertTarget
            | Self::RevertApex
            | Self::RevertRoutes => true,
            Self::RunHooks { .. }
            | Self::Event { .. }
            | Self::Alert { .. }
            | Self::Count { .. } => false,
        }
    }
}
