//! Remembers what a canary waits for, and tells of it once, when the wait begins.

use super::{plan::Plan, scene::Scene, wording};
use crate::{
    action::Action,
    state::{Memory, Phase, State},
    waiting::{NO_VERDICT, WaitingOn},
};

/// Writes the wait of `plan` into its state; a wait that was not there before is told by events.
pub(super) fn record(scene: &Scene<'_>, before: &State, mut plan: Plan) -> Plan {
    let known = before.memory().and_then(|memory| memory.hold.clone());
    let hold = match &plan.decision.waiting_on {
        // Nothing is known yet of how it goes on, so what was known stays.
        Some(WaitingOn::Answers | WaitingOn::Settling { .. } | WaitingOn::Suspended) => {
            known.clone()
        }
        Some(waiting_on) => waiting_on.lasting(),
        None => None,
    };
    if let (Some(told), Some(waiting_on)) = (&hold, &plan.decision.waiting_on) {
        let actions = news(scene, waiting_on, told, &plan, before.memory());
        if plan.decision.report.summary.is_empty() {
            plan.decision.report.summary.clone_from(told);
        }
        plan = plan.doing(actions);
    }
    let closed = plan.decision.waiting_on.as_ref().and_then(WaitingOn::gate);
    let closed = closed.cloned();
    let has_moved = plan.decision.waiting_on.is_none() && plan.decision.state != *before;
    let is_run = plan.decision.state.run().is_some();
    let can_wait = is_run || plan.decision.state.phase() == Phase::Waiting;
    let summary = plan.decision.report.summary.clone();
    if let Some(memory) = plan.decision.state.memory_mut() {
        memory.hold = hold;
        memory.closed = closed.or(memory.closed.take()).filter(|_| can_wait);
        if has_moved && is_run && !summary.is_empty() {
            memory.decision = Some(summary);
        }
    }
    plan
}

/// What is told of a wait, once: what a gate answers may differ each time, and so may the words for missing metrics.
fn news(
    scene: &Scene<'_>,
    waiting_on: &WaitingOn,
    told: &str,
    plan: &Plan,
    before: Option<&Memory>,
) -> Vec<Action> {
    let known = before.and_then(|before| before.hold.as_deref());
    let is_known = match waiting_on.gate() {
        Some(gate) => before
            .and_then(|before| before.closed.as_ref())
            .is_some_and(|known| known.name == gate.name),
        None => known == Some(told),
    };
    if is_known {
        return Vec::new();
    }
    let mut actions = wording::hold(scene.spec, waiting_on, plan.decision.state.phase());
    if known.is_some_and(|known| known.contains(NO_VERDICT)) {
        actions.retain(|action| !matches!(action, Action::Alert { .. }));
    }
    actions
}

/// What a suspended canary waits for.
pub(super) const SUSPENDED: &str = "suspended: spec.suspend is true";

/// The state of a canary that is suspended, which is remembered, so that it is told once. Nobody asks meanwhile, so
/// nothing is unknown, no gate closed, and no pod missing, in a row.
pub(super) fn suspended(state: &State) -> State {
    let mut state = state.clone();
    if let Some(memory) = state.memory_mut() {
        memory.unknown_since = None;
        memory.closed = None;
        memory.wait_started = None;
        memory.hold = Some(SUSPENDED.to_owned());
    }
    state
}
