//! Progressing and WaitingPromotion: one step after the other, each left only after its checks passed.
//!
//! Facts come first (a new revision, the primary, the routes, the pods), then the questions of the round,
//! then the next step. Nothing here goes on without an answer, and nothing unknown counts as bad: it holds, for ever or
//! until the deadline that the Canary gives.

use super::{
    plan::Plan,
    promote, roll_back,
    round::{self, Asking, Checked, Heard},
    scene::{Scene, later},
    wording,
};
use crate::{
    action::Action,
    report::{Evidence, told},
    spec::{GateKind, OnUnknown, UnknownAction},
    state::{Phase, RollbackReason, Run, State},
    waiting::{WaitingOn, span},
};

mod facts;
mod step;
mod tally;

/// Decides in Progressing or WaitingPromotion.
pub(super) fn decide(scene: &Scene<'_>, state: &State, run: &Run) -> Plan {
    if let Some(plan) = facts::first(scene, state, run) {
        return plan;
    }
    if scene.spec.is_analysis_skipped {
        return promote::begin(scene, run, Checked::default());
    }
    let plan = questions(scene, state, run);
    if step::is_ahead(scene, state, run) && is_kept(&plan, run) {
        return plan.first([Action::Routes(run.position.split)]);
    }
    plan
}

/// True when the questions are answered, and the run stays where it is.
fn is_kept(plan: &Plan, run: &Run) -> bool {
    let stays = match &plan.decision.state {
        State::Progressing(next) | State::WaitingPromotion(next) => next.position == run.position,
        State::New
        | State::Initializing(_)
        | State::Initialized(_)
        | State::Waiting(_)
        | State::RollingBack(..)
        | State::Promoting(_)
        | State::Finalising(_)
        | State::Succeeded(_)
        | State::Failed(_)
        | State::Terminating(_) => false,
    };
    stays && plan.probes.is_empty()
}

/// The questions of the round, in Flagger's order.
fn questions(scene: &Scene<'_>, state: &State, run: &Run) -> Plan {
    if run.failed_checks >= scene.spec.threshold {
        let why = threshold_sentence(scene, run);
        return roll_back::begin(scene, run.clone(), RollbackReason::Checks(why));
    }
    let asking = Asking::of(scene, run, state.phase());
    if asking.opening > scene.now {
        let at = asking.opening;
        // A closed confirm gate goes on being the thing that is waited for between rounds.
        return Plan::hold(state.clone(), WaitingOn::Check { at });
    }
    match round::rollback_hook(scene, &asking) {
        Err(probes) => return Plan::ask(state.clone(), probes),
        Ok(Some(gate)) => {
            let told = wording::passed(gate, asking.phase);
            let reason = RollbackReason::Hook(gate.name.clone());
            return roll_back::begin(scene, run.clone(), reason).first(told);
        }
        Ok(None) => {}
    }
    let is_first = run.memory.weights.is_empty();
    let heard = if is_first {
        round::hooks(scene, &asking, GateKind::PreRollout)
    } else {
        match round::hooks(scene, &asking, GateKind::Rollout) {
            Heard::Passed(hooks) => join(hooks, round::metrics(scene, &asking, run)),
            other @ (Heard::Ask(_) | Heard::Failed(_) | Heard::Unknown(..)) => other,
        }
    };
    match heard {
        Heard::Ask(probes) => Plan::ask(state.clone(), probes),
        Heard::Unknown(waiting_on, evidence) => unknown(scene, state, run, waiting_on, evidence),
        Heard::Failed(checked) => failed(scene, state, run, checked, is_first),
        Heard::Passed(checked) => {
            let known = tally::known(run);
            let state = with(state, known.clone());
            step::take(scene, &state, &known, &asking, checked)
        }
    }
}

/// A round without a verdict: the weight holds, until the Canary's patience with that ends.
fn unknown(
    scene: &Scene<'_>,
    state: &State,
    run: &Run,
    waiting_on: WaitingOn,
    evidence: Vec<Evidence>,
) -> Plan {
    let since = run.memory.unknown_since.unwrap_or(scene.stamp());
    let mut next = run.clone();
    next.memory.unknown_since = Some(since);
    let plan = match (scene.spec.on_unknown, &waiting_on) {
        (Some(OnUnknown { deadline, action }), WaitingOn::Metrics { why, .. })
            if action == UnknownAction::Rollback && later(since, deadline) <= scene.now =>
        {
            next.memory.checked = Some(scene.stamp());
            next.memory.evidence.clone_from(&evidence);
            let why = format!("no verdict for {}: {why}", span(deadline));
            roll_back::begin(scene, next, RollbackReason::Unknown(why))
        }
        (Some(_) | None, _) => Plan::hold(with(state, next), waiting_on),
    };
    plan.showing(evidence)
}

fn join(mut first: Checked, second: Heard) -> Heard {
    match second {
        Heard::Passed(mut second) => {
            first.evidence.append(&mut second.evidence);
            first.events.append(&mut second.events);
            Heard::Passed(first)
        }
        other @ (Heard::Ask(_) | Heard::Failed(_) | Heard::Unknown(..)) => other,
    }
}

/// A round failed: it counts, and at the threshold the verdict is stored before anything is done about it.
fn failed(scene: &Scene<'_>, state: &State, run: &Run, checked: Checked, is_first: bool) -> Plan {
    let mut actions = Vec::new();
    if is_first && run.failed_checks == 0 {
        actions.push(step::starting(scene));
    }
    actions.extend(checked.events);
    let next = tally::failed(scene, run, checked.evidence.clone());
    let plan = if next.failed_checks >= scene.spec.threshold {
        let why = threshold_sentence(scene, &next);
        roll_back::begin(scene, next, RollbackReason::Checks(why))
    } else {
        let summary = format!(
            "{}; {} of {} failed checks",
            told::failures(&checked.evidence),
            next.failed_checks,
            scene.spec.threshold
        );
        Plan::to(with(state, next)).because(summary)
    };
    plan.showing(checked.evidence).first(actions)
}

fn threshold_sentence(scene: &Scene<'_>, run: &Run) -> String {
    format!(
        "{}: {} checks of {} failed",
        told::failures(&run.memory.evidence),
        run.failed_checks,
        scene.spec.threshold
    )
}

/// The same phase with another run.
fn with(state: &State, run: Run) -> State {
    if state.phase() == Phase::WaitingPromotion {
        return State::WaitingPromotion(run);
    }
    State::Progressing(run)
}
