//! Reads the state from the stored status.
//!
//! Any status can be read. What Flagger does not store is taken at its default, so its runs are followed
//! (or begun anew, when a hash of its own cannot be compared).

use api::canary::{
    CanaryStatus,
    status::{AnalysisStatus, CheckStatus, ClosedGateStatus},
};

use super::{Closed, Memory, Phase, RollbackReason, Run, Settled, State, WEIGHTS_MAX};
use crate::{
    cookies::Cookies,
    report::Evidence,
    spec::{Strategy, strategy::Position},
    verdict::Verdict,
    weight::{Split, Weight},
    world::{Revision, Snapshot},
};

impl State {
    /// Reads the state. What is missing or out of range is taken at its default.
    #[must_use]
    pub fn read(status: Option<&CanaryStatus>) -> Self {
        let Some(status) = status else {
            return Self::New;
        };
        match status.phase {
            Phase::Unset => Self::New,
            Phase::Initializing => Self::Initializing(memory(status)),
            Phase::Initialized => Self::Initialized(settled(status)),
            Phase::Waiting => Self::Waiting(settled(status)),
            Phase::Progressing => progressing(status),
            Phase::WaitingPromotion => Self::WaitingPromotion(run(status)),
            Phase::Promoting => Self::Promoting(run(status)),
            Phase::Finalising => Self::Finalising(run(status)),
            Phase::Succeeded => Self::Succeeded(settled(status)),
            Phase::Failed => Self::Failed(settled(status)),
            Phase::Terminating | Phase::Terminated => Self::Terminating(memory(status)),
        }
    }

    /// The same state with what the status does not store: whether requests are mirrored where it stands.
    pub(crate) fn with_mirroring(&self, strategy: &Strategy, has_routes: bool) -> Self {
        let mut state = self.clone();
        if let Self::Progressing(run) | Self::WaitingPromotion(run) = &mut state {
            let has_begun = !run.memory.weights.is_empty() && run.position.split.canary.is_zero();
            run.position.split.mirrored = has_routes
                && has_begun
                && match strategy {
                    Strategy::Weighted {
                        is_mirrored_first, ..
                    } => *is_mirrored_first,
                    Strategy::BlueGreen {
                        iterations,
                        is_mirrored,
                    } => *is_mirrored && run.position.iterations <= *iterations,
                    Strategy::AbTesting { .. } => false,
                };
        }
        state
    }
}

fn progressing(status: &CanaryStatus) -> State {
    let reason = status
        .analysis
        .as_ref()
        .and_then(|analysis| RollbackReason::parse(analysis.decision.as_deref()?));
    match reason {
        Some(reason) => State::RollingBack(run(status), reason),
        None => State::Progressing(run(status)),
    }
}

fn run(status: &CanaryStatus) -> Run {
    Run {
        // Without one, the target's own will differ from it, and the run begins anew.
        snapshot: applied(status).unwrap_or_else(|| Snapshot {
            revision: Revision::new(""),
            configs: std::collections::BTreeMap::new(),
        }),
        promoted: promoted(status),
        position: Position {
            split: Split::to_canary(weight(status)),
            iterations: u32::try_from(status.iterations).unwrap_or(0),
        },
        failed_checks: u32::try_from(status.failed_checks).unwrap_or(0),
        memory: memory(status),
    }
}

fn settled(status: &CanaryStatus) -> Settled {
    Settled {
        applied: applied(status),
        promoted: promoted(status),
        weight: weight(status),
        memory: memory(status),
    }
}

fn applied(status: &CanaryStatus) -> Option<Snapshot> {
    let revision = status
        .last_applied_spec
        .as_deref()
        .filter(|it| !it.is_empty())?;
    Some(Snapshot {
        revision: Revision::new(revision),
        configs: status.tracked_configs.clone().unwrap_or_default(),
    })
}

fn promoted(status: &CanaryStatus) -> Option<Revision> {
    let revision = status.last_promoted_spec.as_deref();
    revision.filter(|it| !it.is_empty()).map(Revision::new)
}

fn weight(status: &CanaryStatus) -> Weight {
    Weight::try_from(status.canary_weight).unwrap_or(Weight::ZERO)
}

fn memory(status: &CanaryStatus) -> Memory {
    let cookies = Cookies {
        canary: status.session_affinity_cookie.clone(),
        primary: status.primary_session_affinity_cookie.clone(),
        previous: status.previous_session_affinity_cookie.clone(),
    };
    let Some(analysis) = &status.analysis else {
        return Memory {
            cookies,
            ..flagger(status)
        };
    };
    let AnalysisStatus {
        started,
        step_started,
        traffic_started,
        wait_started,
        unknown_since,
        closed_gate,
        last_check,
        weights,
        passed,
        failed,
        checks,
        waiting_on,
        decision,
        outcome,
    } = analysis;
    Memory {
        started: started.map(|time| time.0),
        step_started: step_started.map(|time| time.0),
        traffic_started: traffic_started.map(|time| time.0),
        wait_started: wait_started.map(|time| time.0),
        unknown_since: unknown_since.map(|time| time.0),
        closed: closed_gate.as_ref().map(closed),
        checked: last_check.map(|time| time.0),
        weights: weights
            .iter()
            .take(WEIGHTS_MAX)
            .filter_map(|percent| Weight::try_from(i64::from(*percent)).ok())
            .collect(),
        passed: *passed,
        failed: *failed,
        evidence: checks.iter().map(evidence).collect(),
        hold: waiting_on.clone(),
        decision: decision.clone(),
        outcome: outcome
            .as_ref()
            .map(|outcome| (outcome.kind, outcome.reason.clone())),
        cookies,
    }
}

/// What Flagger's own fields tell of a run: they are written at each step and each failed check, so that the next check
/// is due an interval later.
fn flagger(status: &CanaryStatus) -> Memory {
    let has_begun = status.canary_weight > 0 || status.iterations > 0;
    let last = status.last_transition_time.filter(|_| has_begun);
    Memory {
        checked: last.map(|time| time.0),
        weights: has_begun.then(|| weight(status)).into_iter().collect(),
        ..Memory::default()
    }
}

fn closed(gate: &ClosedGateStatus) -> Closed {
    let ClosedGateStatus { name, about, since } = gate;
    Closed {
        name: name.clone(),
        about: about.clone(),
        since: since.0,
    }
}

fn evidence(check: &CheckStatus) -> Evidence {
    Evidence {
        name: check.name.clone(),
        value: check.value.clone(),
        needs: check.threshold.clone(),
        verdict: match check.verdict.as_str() {
            "pass" => Verdict::Pass,
            "fail" => Verdict::Fail,
            _ => Verdict::Unknown(check.value.clone()),
        },
        at: check.at.map(|time| time.0),
    }
}

/// Starts of a stored decision that is a verdict against the canary, with what stands behind it.
const CHECKS: &str = "rolling back (checks): ";
const HOOK: &str = "rolling back (hook): ";
const DEADLINE: &str = "rolling back (deadline): ";
const UNKNOWN: &str = "rolling back (unknown): ";
const GATE: &str = "rolling back (gate): ";

impl RollbackReason {
    /// The text under which it is stored in `status.analysis.decision`.
    pub(super) fn stored(&self) -> String {
        match self {
            Self::Checks(why) => format!("{CHECKS}{why}"),
            Self::Hook(name) => format!("{HOOK}{name}"),
            Self::Deadline(why) => format!("{DEADLINE}{why}"),
            Self::Unknown(why) => format!("{UNKNOWN}{why}"),
            Self::Gate(why) => format!("{GATE}{why}"),
        }
    }

    fn parse(stored: &str) -> Option<Self> {
        let strip = |prefix| stored.strip_prefix(prefix).map(str::to_owned);
        strip(CHECKS)
            .map(Self::Checks)
            .or_else(|| strip(HOOK).map(Self::Hook))
            .or_else(|| strip(DEADLINE).map(Self::Deadline))
            .or_else(|| strip(UNKNOWN).map(Self::Unknown))
            .or_else(|| strip(GATE).map(Self::Gate))
    }
}
