//! Rolls back: traffic to the primary first, the canary's pods after it.
//!
//! The verdict is stored before anything is done about it, so that a crash cannot forget it. Traffic goes only to a
//! primary that is known good and serves; until then it stays where it is.

use super::{
    begin, finalize,
    plan::Plan,
    round::Asking,
    scene::{Scene, Side},
    settle,
    wording::{alert, warning},
};
use crate::{
    action::{Action, Scale, Severity},
    report::{Outcome, OutcomeKind},
    spec::GateKind,
    state::{Phase, RollbackReason, Run, Settled, State},
    waiting::WaitingOn,
    weight::{Split, Weight},
    world::{Readiness, Seen, TrafficSeen},
};

/// The verdict falls.
pub(super) fn begin(scene: &Scene<'_>, run: Run, reason: RollbackReason) -> Plan {
    let summary = format!("rolling back: {}", reason.sentence());
    let actions = told(scene, &run, &reason);
    Plan::to(State::RollingBack(run, reason))
        .doing(actions)
        .because(summary)
}

/// The event and the alert that tell of a verdict.
pub(super) fn told(scene: &Scene<'_>, run: &Run, reason: &RollbackReason) -> [Action; 2] {
    let name = scene.spec.dotted();
    let phase = Phase::Progressing;
    match reason {
        RollbackReason::Checks(_) => {
            let failed = run.failed_checks;
            [
                warning(
                    phase,
                    format!("Rolling back {name} failed checks threshold reached {failed}"),
                ),
                alert(
                    Severity::Error,
                    format!("Failed checks threshold reached {failed}"),
                ),
            ]
        }
        RollbackReason::Hook(_) => [
            warning(phase, format!("Rolling back {name} manual webhook invoked")),
            alert(Severity::Warn, "Rolling back manual webhook invoked"),
        ],
        RollbackReason::Unknown(why) | RollbackReason::Gate(why) => [
            warning(phase, format!("Rolling back {name} {why}")),
            alert(Severity::Error, format!("Rolling back: {why}")),
        ],
        RollbackReason::Deadline(text) => [
            warning(phase, text.clone()),
            alert(
                Severity::Error,
                format!("Progress deadline exceeded {text}"),
            ),
        ],
    }
}

/// Carries it out.
pub(super) fn decide(scene: &Scene<'_>, run: &Run, reason: &RollbackReason) -> Plan {
    let state = State::RollingBack(run.clone(), reason.clone());
    match scene.target_snapshot() {
        Ok(snapshot) if *snapshot != run.snapshot => {
            return begin::restart(scene, run, snapshot);
        }
        Err(waiting_on @ WaitingOn::Cache(_)) => return Plan::hold(state, waiting_on),
        Ok(snapshot) => {
            if let Some(plan) = settle::primary_missing(scene, &state, snapshot) {
                return plan;
            }
        }
        Err(_) if scene.world.primary == Seen::Unread => {
            return Plan::hold(state, WaitingOn::Cache("the primary"));
        }
        Err(_) => {}
    }
    if is_on_primary(scene, run) {
        return finish(scene, run, reason);
    }
    // A primary that had to be made anew has the same version as the canary: no better, and no worse.
    if !scene.is_primary_good(run.promoted.as_ref(), Some(&run.snapshot)) {
        return hold_primary(scene, state, run);
    }
    if run.position.split == Split::PRIMARY
        && let Some(plan) = finalize::routing(scene, &state, run)
    {
        return plan;
    }
    let mut moved = run.clone();
    moved.position = crate::spec::strategy::Position::default();
    moved.memory.step_started = Some(scene.stamp());
    Plan::to(State::RollingBack(moved, reason.clone()))
        .doing([Action::Routes(Split::PRIMARY)])
        .because("rolling back: routing all traffic to primary")
}

/// True when no request goes to the canary, neither by the state nor by the routes.
fn is_on_primary(scene: &Scene<'_>, run: &Run) -> bool {
    if !scene.spec.has_routes() {
        return true;
    }
    let is_seen = match &scene.world.traffic {
        TrafficSeen::Split(split) => *split == Split::PRIMARY,
        TrafficSeen::Unread | TrafficSeen::Pending(_) | TrafficSeen::Unreadable(_) => false,
    };
    is_seen && run.position.split == Split::PRIMARY
}

fn hold_primary(scene: &Scene<'_>, state: State, run: &Run) -> Plan {
    let name = scene.workload_name(Side::Primary);
    match scene.idle_primary(run.memory.started) {
        Readiness::Pending(missing) | Readiness::Expired(missing) => {
            Plan::hold(state, scene.pods(Side::Primary, &missing))
        }
        Readiness::Ready => Plan::hold(
            state,
            WaitingOn::TargetFault(format!(
                "{name} does not run the version last promoted; push a new revision to go on"
            )),
        ),
    }
}

fn finish(scene: &Scene<'_>, run: &Run, reason: &RollbackReason) -> Plan {
    let phase = Phase::Failed;
    let mut actions = vec![warning(
        phase,
        format!("Canary failed! Scaling down {}", scene.spec.dotted()),
    )];
    if scene.pausable_scaler().is_some() {
        actions.push(Action::PauseScaler);
    }
    if scene.world.target.workload().is_some() {
        actions.push(Action::ScaleTarget(Scale::Zero));
    }
    fail(scene, run, Weight::ZERO, reason).first(actions)
}

/// Ends a run that failed, where it stands: the canary has `weight`.
pub(super) fn fail(scene: &Scene<'_>, run: &Run, weight: Weight, reason: &RollbackReason) -> Plan {
    let outcome = Outcome {
        kind: OutcomeKind::RolledBack,
        at: highest(run),
        after: scene.stamp() - run.memory.started.unwrap_or(scene.stamp()),
        why: reason.sentence(),
    };
    Plan::to(State::Failed(ended(run, weight, &outcome)))
        .doing([Action::Count {
            success: false,
            skipped: false,
        }])
        .doing(post_rollout(scene, run, Phase::Failed))
        .ending(outcome)
}

/// The post-rollout hooks, when there are any.
pub(super) fn post_rollout(scene: &Scene<'_>, run: &Run, phase: Phase) -> Option<Action> {
    let hooks: Vec<_> = scene
        .spec
        .gates_of(GateKind::PostRollout)
        .cloned()
        .collect();
    let Asking { about, .. } = Asking::of(scene, run, phase);
    (!hooks.is_empty()).then_some(Action::RunHooks {
        hooks,
        about,
        phase,
    })
}

/// The highest weight that the run visited.
pub(super) fn highest(run: &Run) -> Weight {
    run.memory
        .weights
        .iter()
        .copied()
        .max()
        .unwrap_or(run.position.split.canary)
}

/// What stays of a run that did not succeed.
pub(super) fn ended(run: &Run, weight: Weight, outcome: &Outcome) -> Settled {
    let mut memory = run.memory.clone();
    memory.decision = Some(outcome.sentence());
    memory.outcome = Some((outcome.kind, outcome.why.clone()));
    memory.hold = None;
    Settled {
        applied: Some(run.snapshot.clone()),
        promoted: run.promoted.clone(),
        weight,
        memory,
    }
}
