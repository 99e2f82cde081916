//! Facts that a run looks at before it asks anything: revision, primary, pods, routes.

use super::{step, tally, with};
use crate::{
    action::Action,
    decide::{
        begin,
        plan::Plan,
        promote, roll_back,
        scene::{Scene, Side},
        settle, wording,
    },
    spec::strategy::Position,
    state::{RollbackReason, Run, State},
    waiting::WaitingOn,
    weight::Split,
    world::{Part, Readiness, Seen, Snapshot, TrafficSeen, readiness::Shortfall},
};

/// The first fact that decides; `None` when all is as it should be.
pub(super) fn first(scene: &Scene<'_>, state: &State, run: &Run) -> Option<Plan> {
    let snapshot = match scene.target_snapshot() {
        Ok(snapshot) => snapshot,
        Err(waiting_on) => return Some(lost_target(scene, state, run, waiting_on)),
    };
    revision_fact(scene, run, snapshot)
        .or_else(|| primary_lost(scene, state, run))
        .or_else(|| settle::primary_missing(scene, state, snapshot))
        .or_else(|| promoted_fact(scene, run))
        .or_else(|| unjudged_fact(scene, run))
        .or_else(|| pods_fact(scene, state, run))
        .or_else(|| readiness_fact(scene, state, run))
        .or_else(|| routes_fact(scene, state, run))
}

/// The target cannot be told, or is gone. Requests for pods that are gone go back to the primary.
fn lost_target(scene: &Scene<'_>, state: &State, run: &Run, waiting_on: WaitingOn) -> Plan {
    let is_seen = !matches!(waiting_on, WaitingOn::Cache(_));
    if is_seen && begin::has_lost_pods(scene, run) {
        return drop_back(scene, state, run)
            .unwrap_or_else(|| Plan::hold(state.clone(), waiting_on));
    }
    Plan::hold(state.clone(), waiting_on)
}

/// A newer revision: the canary gets no traffic before anything else happens.
fn revision_fact(scene: &Scene<'_>, run: &Run, snapshot: &Snapshot) -> Option<Plan> {
    (run.snapshot != *snapshot).then(|| begin::restart(scene, run, snapshot))
}

/// The primary is gone, and what was promoted with it. That is stored before another is made from the target: its
/// revision must not be taken for one that passed.
fn primary_lost(scene: &Scene<'_>, state: &State, run: &Run) -> Option<Plan> {
    let is_news = scene.world.primary == Seen::Absent && run.promoted.is_some();
    is_news.then(|| {
        let next = Run {
            promoted: None,
            ..run.clone()
        };
        Plan::to(with(state, next)).because("the primary is gone; the analysis goes on")
    })
}

/// The primary already has this revision: we stopped between promoting and saying so, or the target went
/// back to what the primary runs.
fn promoted_fact(scene: &Scene<'_>, run: &Run) -> Option<Plan> {
    let is_promoted = run.promoted.is_some() && scene.primary_snapshot() == Some(&run.snapshot);
    is_promoted.then(|| promote::resume(scene, run))
}

/// Users who had to stay while the primary could not serve leave the revision that nobody has judged
/// as soon as it can. A run that Flagger began has no start; it goes on where it stands.
fn unjudged_fact(scene: &Scene<'_>, run: &Run) -> Option<Plan> {
    let is_ours = run.memory.started.is_some();
    let is_unjudged =
        is_ours && run.memory.weights.is_empty() && !run.position.split.canary.is_zero();
    let may_leave = scene.spec.has_routes()
        && scene.is_primary_good(run.promoted.as_ref(), None)
        && scene.idle_primary(run.memory.started) == Readiness::Ready;
    (is_unjudged && may_leave).then(|| {
        let mut next = run.clone();
        next.position = Position::default();
        next.memory.step_started = Some(scene.stamp());
        Plan::to(State::Progressing(next))
            .doing([Action::Routes(Split::PRIMARY)])
            .because("the primary serves again; the new revision begins without traffic")
    })
}

fn pods_fact(scene: &Scene<'_>, state: &State, run: &Run) -> Option<Plan> {
    if begin::has_lost_pods(scene, run)
        && let Some(plan) = drop_back(scene, state, run)
    {
        return Some(plan);
    }
    begin::is_scaled_down(scene).then(|| {
        let plan = match scene.readiness(Side::Canary, run.memory.wait_started) {
            Readiness::Ready => Plan::to(state.clone()),
            Readiness::Pending(missing) => {
                Plan::hold(state.clone(), scene.pods(Side::Canary, &missing))
            }
            // Somebody keeps it there.
            Readiness::Expired(missing) => return out_of_time(scene, run, &missing),
        };
        plan.doing(begin::scale_up(scene))
    })
}

/// The canary did not become ready in time.
fn out_of_time(scene: &Scene<'_>, run: &Run, missing: &Shortfall) -> Plan {
    let text = scene.not_ready(Side::Canary, &missing.text);
    roll_back::begin(scene, run.clone(), RollbackReason::Deadline(text))
}

/// The canary lost its pods while users were on it: they go to the primary, and the run starts over with one
/// failed check more, so that a canary that keeps dying comes to an end. `None` when the primary is no better.
fn drop_back(scene: &Scene<'_>, state: &State, run: &Run) -> Option<Plan> {
    if !scene.is_primary_good(run.promoted.as_ref(), None) {
        return None;
    }
    let why = format!(
        "{}.{} has no pods at weight {}",
        scene.spec.target.name, scene.spec.namespace, run.position.split.canary
    );
    let failed = tally::failed(scene, run, Vec::new());
    let mut next = Run {
        position: Position::default(),
        ..failed
    };
    next.memory.step_started = Some(scene.stamp());
    let halt = wording::warning(
        state.phase(),
        format!("Halt {} advancement {why}", scene.spec.dotted()),
    );
    let plan = if next.failed_checks >= scene.spec.threshold {
        let sentence = format!(
            "{why}: {} checks of {} failed",
            next.failed_checks, scene.spec.threshold
        );
        roll_back::begin(scene, next, RollbackReason::Checks(sentence))
    } else {
        next.memory.weights.clear();
        next.memory.traffic_started = None;
        Plan::to(State::Progressing(next)).because(why)
    };
    Some(plan.first([Action::Routes(Split::PRIMARY), halt]))
}

/// Both sides must be ready. A primary that is broken for good does not keep its cure away; a canary out of
/// time is rolled back.
fn readiness_fact(scene: &Scene<'_>, state: &State, run: &Run) -> Option<Plan> {
    match scene.idle_primary(run.memory.started) {
        Readiness::Ready | Readiness::Expired(_) => {}
        Readiness::Pending(missing) => {
            let plan = Plan::hold(state.clone(), scene.pods(Side::Primary, &missing));
            return Some(plan.doing(kept(scene, state, run)));
        }
    }
    match scene.readiness(Side::Canary, run.memory.wait_started) {
        Readiness::Ready => None,
        Readiness::Pending(missing) => {
            let plan = Plan::hold(state.clone(), scene.pods(Side::Canary, &missing));
            Some(plan.doing(kept(scene, state, run)))
        }
        Readiness::Expired(missing) => Some(out_of_time(scene, run, &missing)),
    }
}

/// Weights stay what they are while pods are waited for, whoever changes them.
fn kept(scene: &Scene<'_>, state: &State, run: &Run) -> Option<Action> {
    if step::is_ahead(scene, state, run) {
        return None;
    }
    promote::keep(scene, run)
}

/// The routes must say what the run stands at.
fn routes_fact(scene: &Scene<'_>, state: &State, run: &Run) -> Option<Plan> {
    if !scene.spec.has_routes() {
        return None;
    }
    match &scene.world.traffic {
        TrafficSeen::Unread => Some(Plan::hold(state.clone(), WaitingOn::Cache("the routes"))),
        TrafficSeen::Unreadable(_) if scene.world.drift.contains(&Part::Routes) => {
            Some(Plan::to(state.clone()).doing([Action::Routes(run.position.split)]))
        }
        TrafficSeen::Pending(what) => {
            let waiting_on = scene.settling(what, run.memory.step_started);
            Some(Plan::hold(state.clone(), waiting_on))
        }
        TrafficSeen::Unreadable(why) => Some(
            Plan::hold(state.clone(), WaitingOn::Routes(why.clone()))
                .doing([Action::Routes(run.position.split)]),
        ),
        TrafficSeen::Split(split) if *split == run.position.split => None,
        TrafficSeen::Split(_) if step::is_ahead(scene, state, run) => None,
        TrafficSeen::Split(split) => {
            let why = format!(
                "the canary has {} %, {} % is wanted",
                split.canary, run.position.split.canary
            );
            Some(
                Plan::hold(state.clone(), WaitingOn::Routes(why))
                    .doing([Action::Routes(run.position.split)]),
            )
        }
    }
}
