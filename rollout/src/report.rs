//! A decision, and why it was taken, in the one wording of status, events, CLI, page and alerts.

use chrono::{DateTime, TimeDelta, Utc};

pub use api::canary::status::OutcomeKind;

pub mod told;

use crate::{action::Action, state::State, verdict::Verdict, waiting::WaitingOn, weight::Weight};

/// What to do, what to store, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The state to store after the actions, last.
    pub state: State,
    /// What to do, in order; the first failure ends the round.
    pub actions: Vec<Action>,
    /// Why.
    pub report: Report,
    /// The one thing that is waited for; `None` when it moves on or has nothing to do.
    pub waiting_on: Option<WaitingOn>,
    /// When to decide again though nothing changed; `None` is never. `now` or earlier is at once.
    pub wake: Option<DateTime<Utc>>,
}

/// Why a decision was taken.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// The decision in words: `weight 20 %: 2 checks passed`.
    pub summary: String,
    /// The checks of this round.
    pub evidence: Vec<Evidence>,
    /// How the run ended, in the decision that ends it.
    pub outcome: Option<Outcome>,
}

/// One check of one round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Name of the metric or webhook.
    pub name: String,
    /// What was measured, with its unit: `66.7 %`; or why there is nothing.
    pub value: String,
    /// What it must be: `≥ 99 %`; `None` for webhooks.
    pub needs: Option<String>,
    /// What it means.
    pub verdict: Verdict,
    /// When it was measured.
    pub at: Option<DateTime<Utc>>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How.
    pub kind: OutcomeKind,
    /// The canary's highest weight on the way.
    pub at: Weight,
    /// How long it took.
    pub after: TimeDelta,
    /// The evidence in one sentence.
    pub why: String,
}

impl Outcome {
    /// `rolled back: request-success-rate 66.7 %, needs ≥ 99 %`.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!("{}: {}", word(self.kind), self.why)
    }
}

/// The word for how a run ended.
#[must_use]
pub const fn word(kind: OutcomeKind) -> &'static str {
    match kind {
        OutcomeKind::Initialised => "initialised",
        OutcomeKind::Promoted => "promoted",
        OutcomeKind::RolledBack => "rolled back",
        OutcomeKind::PromotionFailed => "promotion failed",
    }
}
