//! One webhook that a rollout waits for or calls.

use std::{collections::BTreeMap, time::Duration};

use chrono::TimeDelta;

use crate::state::Phase;

/// Place of a gate in `ValidSpec::gates`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GateId(pub u16);

/// One webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Its place.
    pub id: GateId,
    /// `webhooks[].name`.
    pub name: String,
    /// When it is called.
    pub kind: GateKind,
    /// Where. May hold credentials: never shown.
    pub url: String,
    /// Time-out of one attempt; 10 s unless given.
    pub timeout: Duration,
    /// Extra attempts.
    pub retries: u32,
    /// Of a confirm gate: how long it may stay closed; `None` is for ever.
    pub deadline: Option<TimeDelta>,
    /// Skip certificate verification.
    pub is_tls_unchecked: bool,
    /// No alert while it is closed.
    pub is_alert_muted: bool,
    /// Sent along.
    pub metadata: BTreeMap<String, String>,
}

/// When a webhook is called (spec/flagger.md 6.2). Those of type event are not gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GateKind {
    /// Before a new revision is scaled up.
    ConfirmRollout,
    /// Before the first traffic.
    PreRollout,
    /// At each round of checks.
    Rollout,
    /// Before each weight change.
    ConfirmTrafficIncrease,
    /// Before promotion.
    ConfirmPromotion,
    /// After the end.
    PostRollout,
    /// Any time during the analysis: an open one rolls back.
    Rollback,
}

impl GateKind {
    /// What a webhook hears of a Canary in `phase`: hooks of the analysis hear Progressing, whatever the run waits for,
    /// as from Flagger.
    #[must_use]
    pub const fn hears(self, phase: Phase) -> Phase {
        match self {
            Self::ConfirmRollout | Self::PostRollout | Self::Rollback => phase,
            Self::PreRollout
            | Self::Rollout
            | Self::ConfirmTrafficIncrease
            | Self::ConfirmPromotion => Phase::Progressing,
        }
    }

    /// The type as manifests write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConfirmRollout => "confirm-rollout",
            Self::PreRollout => "pre-rollout",
            Self::Rollout => "rollout",
            Self::ConfirmTrafficIncrease => "confirm-traffic-increase",
            Self::ConfirmPromotion => "confirm-promotion",
            Self::PostRollout => "post-rollout",
            Self::Rollback => "rollback",
        }
    }
}
