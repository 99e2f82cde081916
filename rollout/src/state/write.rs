//! Writes the state into the status, with the texts of `spec/flagger.md` 1.5.
//!
//! The observed generation and foreign conditions are others' and stay.

use api::{
    Condition, ConditionStatus, Time,
    canary::{
        CanaryStatus,
        status::{AnalysisStatus, CheckStatus, ClosedGateStatus, OutcomeStatus},
    },
    condition,
};
use chrono::{DateTime, Utc};

use super::{Closed, Memory, Phase, Run, Settled, State};
use crate::{
    cookies::Cookies, report::Evidence, spec::ValidSpec, verdict::Verdict, world::Snapshot,
};

/// Type of the condition that `kubectl wait --for=condition=promoted` looks at.
const PROMOTED: &str = "Promoted";

impl State {
    /// The status to store, made from the one stored before. Equal to it when nothing is to be written.
    #[must_use]
    pub fn to_status(
        &self,
        spec: &ValidSpec,
        before: Option<&CanaryStatus>,
        now: DateTime<Utc>,
    ) -> CanaryStatus {
        let before = before.cloned().unwrap_or_default();
        let mut status = before.clone();
        status.phase = self.phase();
        match self {
            Self::New => return before,
            Self::Initializing(memory) | Self::Terminating(memory) => {
                status.canary_weight = 0;
                status.iterations = 0;
                status.failed_checks = 0;
                write_memory(memory, &mut status);
            }
            Self::Initialized(settled)
            | Self::Waiting(settled)
            | Self::Succeeded(settled)
            | Self::Failed(settled) => write_settled(settled, &mut status),
            Self::RollingBack(run, reason) => {
                write_run(run, &mut status);
                if let Some(analysis) = &mut status.analysis {
                    analysis.decision = Some(reason.stored());
                }
            }
            Self::Progressing(run)
            | Self::WaitingPromotion(run)
            | Self::Promoting(run)
            | Self::Finalising(run) => write_run(run, &mut status),
        }
        set_promoted(self.phase(), spec.target.kind.as_str(), &mut status, now);
        if status != before {
            status.last_transition_time = Some(Time::whole(now));
        }
        status
    }
}

fn write_settled(settled: &Settled, status: &mut CanaryStatus) {
    let Settled {
        applied,
        promoted,
        weight,
        memory,
    } = settled;
    status.canary_weight = i64::from(weight.percent());
    status.iterations = 0;
    status.failed_checks = 0;
    write_applied(applied.as_ref(), status);
    status.last_promoted_spec = promoted.as_ref().map(ToString::to_string);
    write_memory(memory, status);
}

fn write_run(run: &Run, status: &mut CanaryStatus) {
    let Run {
        snapshot,
        promoted,
        position,
        failed_checks,
        memory,
    } = run;
    status.canary_weight = i64::from(position.split.canary.percent());
    status.iterations = i64::from(position.iterations);
    status.failed_checks = i64::from(*failed_checks);
    write_applied(Some(snapshot), status);
    status.last_promoted_spec = promoted.as_ref().map(ToString::to_string);
    write_memory(memory, status);
}

fn write_applied(applied: Option<&Snapshot>, status: &mut CanaryStatus) {
    status.last_applied_spec = applied.map(|snapshot| snapshot.revision.to_string());
    let configs = applied.map(|snapshot| snapshot.configs.clone());
    status.tracked_configs = configs.filter(|configs| !configs.is_empty());
}

fn write_memory(memory: &Memory, status: &mut CanaryStatus) {
    let Cookies {
        canary,
        primary,
        previous,
    } = &memory.cookies;
    status.session_affinity_cookie.clone_from(canary);
    status.primary_session_affinity_cookie.clone_from(primary);
    status.previous_session_affinity_cookie.clone_from(previous);
    status.analysis = Some(analysis(memory));
}

fn analysis(memory: &Memory) -> AnalysisStatus {
    let Memory {
        started,
        step_started,
        traffic_started,
        wait_started,
        unknown_since,
        closed,
        checked,
        weights,
        passed,
        failed,
        evidence,
        hold,
        decision,
        outcome,
        cookies: _,
    } = memory;
    AnalysisStatus {
        started: started.map(Time::fine),
        step_started: step_started.map(Time::fine),
        traffic_started: traffic_started.map(Time::fine),
        wait_started: wait_started.map(Time::fine),
        unknown_since: unknown_since.map(Time::fine),
        closed_gate: closed.as_ref().map(closed_gate),
        last_check: checked.map(Time::fine),
        weights: weights.iter().map(|weight| weight.percent()).collect(),
        passed: *passed,
        failed: *failed,
        checks: evidence.iter().map(check).collect(),
        waiting_on: hold.clone(),
        decision: decision.clone(),
        outcome: outcome.as_ref().map(|(kind, reason)| OutcomeStatus {
            kind: *kind,
            reason: reason.clone(),
        }),
    }
}

fn closed_gate(closed: &Closed) -> ClosedGateStatus {
    let Closed { name, about, since } = closed;
    ClosedGateStatus {
        name: name.clone(),
        about: about.clone(),
        since: Time::fine(*since),
    }
}

fn check(evidence: &Evidence) -> CheckStatus {
    let Evidence {
        name,
        value,
        needs,
        verdict,
        at,
    } = evidence;
    CheckStatus {
        name: name.clone(),
        value: value.clone(),
        threshold: needs.clone(),
        verdict: match verdict {
            Verdict::Pass => "pass".into(),
            Verdict::Fail => "fail".into(),
            Verdict::Unknown(_) => "unknown".into(),
        },
        at: at.map(Time::whole),
    }
}

/// Rewrites the condition only when its status or reason changes.
fn set_promoted(phase: Phase, kind: &str, status: &mut CanaryStatus, now: DateTime<Utc>) {
    let (holds, message) = promoted(phase, kind);
    let reason = format!("{phase:?}");
    let is_same = condition::get(&status.conditions, PROMOTED)
        .is_some_and(|there| there.status == holds && there.reason == reason);
    if is_same {
        return;
    }
    let mut next = Condition::new(PROMOTED, holds, &reason, message);
    next.last_update_time = Some(Time::whole(now));
    condition::set(&mut status.conditions, next, now);
}

fn promoted(phase: Phase, kind: &str) -> (ConditionStatus, String) {
    use ConditionStatus::{False, True, Unknown};
    match phase {
        Phase::Unset | Phase::Initializing | Phase::Terminating | Phase::Terminated => (
            Unknown,
            format!("New {kind} detected, starting initialization."),
        ),
        Phase::Initialized => (True, format!("{kind} initialization completed.")),
        Phase::Waiting | Phase::WaitingPromotion => (Unknown, "Waiting for approval.".into()),
        Phase::Progressing => (
            Unknown,
            "New revision detected, progressing canary analysis.".into(),
        ),
        Phase::Promoting => (
            Unknown,
            "Canary analysis completed, starting primary rolling update.".into(),
        ),
        Phase::Finalising => (
            Unknown,
            "Canary analysis completed, routing all traffic to primary.".into(),
        ),
        Phase::Succeeded => (
            True,
            "Canary analysis completed successfully, promotion finished.".into(),
        ),
        Phase::Failed => (
            False,
            format!("Canary analysis failed, {kind} scaled to zero."),
        ),
    }
}
