//! Rules about the course of a run: steps in order, new revisions, no verdict, and rest.

use super::View;
use crate::{
    action::Action,
    spec::{Next, UnknownAction, ValidSpec},
    state::{RollbackReason, Run, State},
    verdict::Verdict,
    weight::Split,
    world::{Seen, TrafficSeen},
};

/// I6: one step at a time, in the order of the spec, and not before an interval has passed.
pub(super) fn steps_are_taken_in_order(view: &View<'_>) -> Option<String> {
    let (before, after) = (view.before.run()?, view.decision.state.run()?);
    let is_same =
        before.snapshot == after.snapshot && before.memory.started == after.memory.started;
    let is_further = after.position.iterations > before.position.iterations
        || after.position.split.canary > before.position.split.canary;
    if !is_same || !is_further {
        return None;
    }
    let wanted = view
        .spec
        .strategy
        .next(before.position, view.spec.has_routes());
    let is_next = match wanted {
        Next::Visit(position) => position.split.canary == after.position.split.canary,
        Next::Promote => false,
    };
    if !is_next {
        return Some(format!(
            "goes from {} % to {} %, which is no step",
            before.position.split.canary, after.position.split.canary
        ));
    }
    is_early(view.spec, before, after)
        .then(|| format!("leaves {} % too early", before.position.split.canary))
}

fn is_early(spec: &ValidSpec, before: &Run, after: &Run) -> bool {
    let (Some(began), Some(left)) = (before.memory.step_started, after.memory.step_started) else {
        return false;
    };
    // A clock that was set back says nothing about how long the step took.
    !before.memory.weights.is_empty() && left >= began && left - began < spec.interval
}

/// I6: a closed gate ends a run only past its deadline.
pub(super) fn gates_end_nothing_early(view: &View<'_>) -> Option<String> {
    let State::RollingBack(run, RollbackReason::Gate(_)) = &view.decision.state else {
        return None;
    };
    if matches!(view.before, State::RollingBack(..)) {
        return None;
    }
    let closed = run.memory.closed.as_ref();
    let is_late = closed.zip(run.memory.checked).is_some_and(|(closed, end)| {
        let lasted = end - closed.since;
        let mut gates = view.spec.gates.iter();
        gates.any(|gate| gate.name == closed.name && gate.deadline.is_some_and(|it| it <= lasted))
    });
    (!is_late).then(|| format!("rolls back for a gate that may still open: {closed:?}"))
}

/// I7: a newer revision gets no traffic, and the one before it is not promoted any more.
pub(super) fn new_revision_gets_nothing(view: &View<'_>) -> Option<String> {
    let run = view.before.run()?;
    let target = view.target_snapshot()?;
    let is_frozen = view.spec.is_suspended || view.world.is_deleting;
    if *target == run.snapshot || is_frozen || view.world.target_fault.is_some() {
        return None;
    }
    let rises = view
        .routes()
        .any(|split| split.canary > run.position.split.canary);
    if rises {
        return Some("gives a revision traffic that nobody analysed".to_owned());
    }
    let is_waiting_for_cache =
        view.world.primary == Seen::Unread || view.world.traffic == TrafficSeen::Unread;
    let stays = !view.decision.state.weight().is_zero();
    let primary = view.world.primary.workload();
    let is_known = primary
        .and_then(|primary| primary.snapshot.as_ref())
        .is_none_or(|there| {
            run.promoted.as_ref() == Some(&there.revision) || run.snapshot == *there
        });
    let could_move = view.answers(&view.world.primary) && is_known && !is_waiting_for_cache;
    let was_rolling_back = matches!(view.before, State::RollingBack(..) | State::Progressing(_))
        && primary.and_then(|primary| primary.snapshot.as_ref()) == Some(&run.snapshot);
    (stays && could_move && !was_rolling_back && !run.position.split.canary.is_zero())
        .then(|| "leaves users on a revision that nobody analysed".to_owned())
}

/// I11: without a verdict nothing is promoted, counted or rolled back, unless the Canary gives a deadline for it.
pub(super) fn unknown_is_neither(view: &View<'_>) -> Option<String> {
    let (before, after) = (view.before.run()?, view.decision.state.run()?);
    let evidence = &view.decision.report.evidence;
    let is_unknown = evidence
        .iter()
        .any(|one| matches!(one.verdict, Verdict::Unknown(_)))
        && evidence.iter().all(|one| one.verdict != Verdict::Fail);
    let is_moved = after.position != before.position || after.failed_checks > before.failed_checks;
    let is_promoted = view
        .decision
        .actions
        .iter()
        .any(|action| matches!(action, Action::Promote { .. }));
    if is_unknown && (is_moved || is_promoted) {
        return Some("takes no verdict for one".to_owned());
    }
    let State::RollingBack(run, RollbackReason::Unknown(_)) = &view.decision.state else {
        return None;
    };
    if matches!(view.before, State::RollingBack(..)) {
        return None;
    }
    let lasted = run.memory.checked.zip(run.memory.unknown_since);
    let lasted = lasted.map(|(end, start)| end - start);
    let is_allowed = view.spec.on_unknown.is_some_and(|policy| {
        policy.action == UnknownAction::Rollback
            && lasted.is_some_and(|lasted| lasted >= policy.deadline)
    });
    (!is_allowed).then(|| format!("rolls back without a verdict for {lasted:?}"))
}

/// I13: where nothing is wrong and nothing is new, nothing is done and nothing is planned.
pub(super) fn rest_is_rest(view: &View<'_>) -> Option<String> {
    let settled = match view.before {
        State::Initialized(settled) | State::Succeeded(settled) | State::Failed(settled) => settled,
        State::New
        | State::Initializing(_)
        | State::Waiting(_)
        | State::Progressing(_)
        | State::WaitingPromotion(_)
        | State::RollingBack(..)
        | State::Promoting(_)
        | State::Finalising(_)
        | State::Terminating(_) => return None,
    };
    let world = view.world;
    let is_routed = !view.spec.has_routes()
        || world.traffic == TrafficSeen::Split(Split::to_canary(settled.weight));
    let is_calm = world.drift.is_empty()
        && is_routed
        && !world.is_deleting
        && world.has_finalizer == view.spec.is_reverted_on_deletion
        && view.answers(&world.primary)
        && (settled.weight.is_zero() || view.answers(&world.target))
        && settled.applied.is_some()
        && settled.applied.as_ref() == view.target_snapshot()
        && world.target_fault.is_none()
        && settled.memory.hold.is_none()
        && (view.spec.affinity.is_none()
            || settled.memory.cookies.canary.is_some() != settled.weight.is_zero());
    let decision = view.decision;
    let is_still =
        decision.actions.is_empty() && decision.state == *view.before && decision.wake.is_none();
    (is_calm
        && !is_still
        && !settled
            .applied
            .as_ref()
            .is_some_and(|it| it.revision.is_legacy()))
    .then(|| format!("does not rest: {:?}", decision.actions))
}

/// I15: what neither moves nor is at its end names what it waits for.
pub(super) fn waits_are_named(view: &View<'_>) -> Option<String> {
    let decision = view.decision;
    let is_still = decision.actions.is_empty() && decision.state == *view.before;
    (is_still && decision.waiting_on.is_none() && !is_at_end(view))
        .then(|| format!("stays {:?} and waits for nothing", view.before.phase()))
}

/// True between runs, when the last version was acted on and users are where they were put.
fn is_at_end(view: &View<'_>) -> bool {
    let settled = match view.before {
        State::Initialized(settled) | State::Succeeded(settled) | State::Failed(settled) => settled,
        State::New
        | State::Initializing(_)
        | State::Waiting(_)
        | State::Progressing(_)
        | State::WaitingPromotion(_)
        | State::RollingBack(..)
        | State::Promoting(_)
        | State::Finalising(_)
        | State::Terminating(_) => return view.world.is_deleting && !view.world.has_finalizer,
    };
    let is_moved = view
        .routed()
        .is_some_and(|routed| view.spec.has_routes() && routed != settled.weight);
    view.world.is_deleting
        || (!is_moved
            && settled.applied.is_some()
            && settled.applied.as_ref() == view.target_snapshot())
}
