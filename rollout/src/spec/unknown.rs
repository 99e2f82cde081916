//! What is done about metrics that give no verdict for long (`analysis.onUnknown`).

use chrono::TimeDelta;

pub use api::canary::UnknownAction;

/// How long no verdict is borne, and what comes then. A Canary without it is held for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnUnknown {
    /// How long in a row.
    pub deadline: TimeDelta,
    /// What is done then.
    pub action: UnknownAction,
}
