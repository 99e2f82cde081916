//! What a canary is: one variant for each phase, each with its own data.
//!
//! `state/read.rs` makes it from the stored status, `state/write.rs` puts it back. Nothing of a run lives
//! anywhere else, so a restart loses nothing.

use chrono::{DateTime, Utc};

pub use api::canary::CanaryPhase as Phase;

use crate::{
    cookies::Cookies,
    report::{Evidence, OutcomeKind},
    spec::strategy::Position,
    weight::{Split, Weight},
    world::{Revision, Snapshot},
};

mod read;
mod write;

/// Weights that a run remembers at most.
pub const WEIGHTS_MAX: usize = 101;

/// Where a release stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not seen yet.
    New,
    /// The primary is being made and waited for.
    Initializing(Memory),
    /// The primary serves; nothing was released yet.
    Initialized(Settled),
    /// A new revision is known; its confirm-rollout gate is closed.
    Waiting(Settled),
    /// The canary is scaled up, gets traffic and is judged.
    Progressing(Run),
    /// The analysis passed; its confirm-promotion gate is closed. Checks go on.
    WaitingPromotion(Run),
    /// The verdict is against the canary: traffic goes back as soon as the primary can take it.
    RollingBack(Run, RollbackReason),
    /// The revision is copied to the primary; its traffic follows when it is ready.
    Promoting(Run),
    /// All traffic is on the primary; the canary is scaled down.
    Finalising(Run),
    /// Promoted.
    Succeeded(Settled),
    /// Rolled back (weight 0), or the promoted primary did not come up (weight 100).
    Failed(Settled),
    /// Being reverted before deletion.
    Terminating(Memory),
}

/// What is known between two runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settled {
    /// The version last acted on (`lastAppliedSpec`, `trackedConfigs`).
    pub applied: Option<Snapshot>,
    /// The version last promoted (`lastPromotedSpec`).
    pub promoted: Option<Revision>,
    /// The canary's share; 0 but after a failed promotion.
    pub weight: Weight,
    /// What is remembered of the last run.
    pub memory: Memory,
}

/// One release on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The version that is analysed.
    pub snapshot: Snapshot,
    /// The version last promoted; `None` once the primary that ran it is gone.
    pub promoted: Option<Revision>,
    /// Where it stands: split and iterations.
    pub position: Position,
    /// Failed rounds of checks of this run.
    pub failed_checks: u32,
    /// What is remembered of it.
    pub memory: Memory,
}

/// What is remembered of a run to tell of it and to time it (`status.analysis`). Bounded in size; times are
/// milliseconds, as they are stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// When the run (or the initialisation) began.
    pub started: Option<DateTime<Utc>>,
    /// When the step began; checks count only from then on.
    pub step_started: Option<DateTime<Utc>>,
    /// When the canary's first traffic had arrived; no check looks back further.
    pub traffic_started: Option<DateTime<Utc>>,
    /// Since when pods have been missing; the progress deadline counts from here. `None` while they are all there.
    pub wait_started: Option<DateTime<Utc>>,
    /// Since when the checks have given no verdict; `None` while they do.
    pub unknown_since: Option<DateTime<Utc>>,
    /// The gate that is waited for, or was before something else came between.
    pub closed: Option<Closed>,
    /// When the last round of checks ended.
    pub checked: Option<DateTime<Utc>>,
    /// Canary weights visited, in order; empty until the first step.
    pub weights: Vec<Weight>,
    /// Checks passed in the whole run.
    pub passed: u32,
    /// Checks failed in the whole run.
    pub failed: u32,
    /// The last answer of each check.
    pub evidence: Vec<Evidence>,
    /// What is waited for (`WaitingOn`'s sentence without times), `None` while it moves.
    pub hold: Option<String>,
    /// The last decision, in words.
    pub decision: Option<String>,
    /// How the run ended, and the evidence in one sentence; `None` until it has.
    pub outcome: Option<(OutcomeKind, String)>,
    /// The cookies that keep users where they are (stored beside `status.analysis`).
    pub cookies: Cookies,
}

/// A gate that keeps a revision waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Its name.
    pub name: String,
    /// Stands for the run, or the revision, that it keeps waiting.
    pub about: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// Why a run is rolled back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollbackReason {
    /// Failed rounds reached the threshold; the sentence about them.
    Checks(String),
    /// A rollback hook asked for it; its name.
    Hook(String),
    /// The canary did not become ready in time; Flagger's sentence about it.
    Deadline(String),
    /// The checks gave no verdict for as long as `onUnknown` allows; the sentence about it.
    Unknown(String),
    /// A gate stayed closed past its deadline; the sentence about it.
    Gate(String),
}

impl RollbackReason {
    /// Why, in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Checks(why) | Self::Deadline(why) | Self::Unknown(why) | Self::Gate(why) => {
                why.clone()
            }
            Self::Hook(name) => format!("rollback hook {name:?} asked for it"),
        }
    }
}

impl State {
    /// The phase under which it is stored.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self {
            Self::New => Phase::Unset,
            Self::Initializing(_) => Phase::Initializing,
            Self::Initialized(_) => Phase::Initialized,
            Self::Waiting(_) => Phase::Waiting,
            Self::Progressing(_) | Self::RollingBack(..) => Phase::Progressing,
            Self::WaitingPromotion(_) => Phase::WaitingPromotion,
            Self::Promoting(_) => Phase::Promoting,
            Self::Finalising(_) => Phase::Finalising,
            Self::Succeeded(_) => Phase::Succeeded,
            Self::Failed(_) => Phase::Failed,
            Self::Terminating(_) => Phase::Terminating,
        }
    }

    /// True until there was a primary to serve from.
    #[must_use]
    pub const fn is_beginning(&self) -> bool {
        matches!(self.phase(), Phase::Unset | Phase::Initializing)
    }

    /// True for states that stand for a split of the routes.
    #[must_use]
    pub const fn is_routed(&self) -> bool {
        !self.is_beginning() && !matches!(self.phase(), Phase::Terminating)
    }

    /// The canary's share in this state.
    #[must_use]
    pub const fn weight(&self) -> Weight {
        match self {
            Self::New | Self::Initializing(_) | Self::Terminating(_) => Weight::ZERO,
            Self::Initialized(settled)
            | Self::Waiting(settled)
            | Self::Succeeded(settled)
            | Self::Failed(settled) => settled.weight,
            Self::Progressing(run)
            | Self::WaitingPromotion(run)
            | Self::RollingBack(run, _)
            | Self::Promoting(run)
            | Self::Finalising(run) => run.position.split.canary,
        }
    }

    /// The split that it stands for.
    #[must_use]
    pub fn split(&self) -> Split {
        self.run()
            .map_or_else(|| Split::to_canary(self.weight()), |run| run.position.split)
    }

    /// What is remembered, when anything is.
    #[must_use]
    pub const fn memory(&self) -> Option<&Memory> {
        match self {
            Self::New => None,
            Self::Initializing(memory) | Self::Terminating(memory) => Some(memory),
            Self::Initialized(settled)
            | Self::Waiting(settled)
            | Self::Succeeded(settled)
            | Self::Failed(settled) => Some(&settled.memory),
            Self::Progressing(run)
            | Self::WaitingPromotion(run)
            | Self::RollingBack(run, _)
            | Self::Promoting(run)
            | Self::Finalising(run) => Some(&run.memory),
        }
    }

    /// The same, to be changed.
    pub(crate) const fn memory_mut(&mut self) -> Option<&mut Memory> {
        match self {
            Self::New => None,
            Self::Initializing(memory) | Self::Terminating(memory) => Some(memory),
            Self::Initialized(settled)
            | Self::Waiting(settled)
            | Self::Succeeded(settled)
            | Self::Failed(settled) => Some(&mut settled.memory),
            Self::Progressing(run)
            | Self::WaitingPromotion(run)
            | Self::RollingBack(run, _)
            | Self::Promoting(run)
            | Self::Finalising(run) => Some(&mut run.memory),
        }
    }

    /// The version that it is about: of the run under way, or seen last.
    #[must_use]
    pub fn applied(&self) -> Option<&Snapshot> {
        match self {
            Self::New | Self::Initializing(_) | Self::Terminating(_) => None,
            Self::Initialized(settled)
            | Self::Waiting(settled)
            | Self::Succeeded(settled)
            | Self::Failed(settled) => settled.applied.as_ref(),
            Self::Progressing(run)
            | Self::WaitingPromotion(run)
            | Self::RollingBack(run, _)
            | Self::Promoting(run)
            | Self::Finalising(run) => Some(&run.snapshot),
        }
    }

    /// The run under way, when there is one.
    #[must_use]
    pub const fn run(&self) -> Option<&Run> {
        match self {
            Self::Progressing(run)
            | Self::WaitingPromotion(run)
            | Self::RollingBack(run, _)
            | Self::Promoting(run)
            | Self::Finalising(run) => Some(run),
            Self::New
            | Self::Initializing(_)
            | Self::Initialized(_)
            | Self::Waiting(_)
            | Self::Succeeded(_)
            | Self::Failed(_)
            | Self::Terminating(_) => None,
        }
    }
}
