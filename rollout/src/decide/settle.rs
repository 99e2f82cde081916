//! Between runs: keeps what is there, and notices a new revision. Also waits for its confirm-rollout gate.

use super::{
    begin,
    plan::Plan,
    roll_back,
    round::{self, Asking, Heard},
    scene::{Scene, Side},
    wording::event,
};
use crate::{
    action::Action,
    spec::GateKind,
    state::{Closed, Phase, RollbackReason, Run, Settled, State},
    waiting::WaitingOn,
    weight::{Split, Weight},
    world::{Readiness, Revision, Seen, Snapshot, TrafficSeen},
};

/// Initialized, Succeeded or Failed.
pub(super) fn decide(scene: &Scene<'_>, state: &State, settled: &Settled) -> Plan {
    let snapshot = match scene.target_snapshot() {
        Ok(snapshot) => snapshot,
        Err(waiting_on) => return untold(scene, state, settled, waiting_on),
    };
    if let Some(plan) = primary_missing(scene, state, snapshot) {
        return plan;
    }
    if is_legacy(settled) {
        return rebaseline(scene, state, settled, snapshot);
    }
    if let Some(plan) = canary_lost(scene, state, settled) {
        return plan;
    }
    if settled.applied.as_ref() == Some(snapshot) {
        return rest(scene, state);
    }
    if is_promoted_already(scene, settled, snapshot) {
        let followed = Settled {
            applied: Some(snapshot.clone()),
            promoted: promoted(scene, settled),
            ..settled.clone()
        };
        return Plan::to(with(state, followed))
            .doing(keep(scene, state))
            .because("the target is back at what the primary runs");
    }
    release(scene, state, settled, snapshot)
}

/// The target cannot be told. Users do not wait for that on pods that are gone.
fn untold(scene: &Scene<'_>, state: &State, settled: &Settled, waiting_on: WaitingOn) -> Plan {
    let is_seen = !matches!(waiting_on, WaitingOn::Cache(_));
    let lost = is_seen
        .then(|| canary_lost(scene, state, settled))
        .flatten();
    lost.unwrap_or_else(|| Plan::hold(state.clone(), waiting_on).doing(keep(scene, state)))
}

/// Nothing is new. Users whom others moved are taken back as soon as there is a pod for them.
fn rest(scene: &Scene<'_>, state: &State) -> Plan {
    let seen = scene.world.traffic.split();
    let is_moved = scene.spec.has_routes() && seen.is_some_and(|seen| seen != state.split());
    let is_lost = !state.weight().is_zero() && !scene.can_serve(Side::Canary);
    if is_moved
        && is_lost
        && let Some(missing) = scene.readiness(Side::Canary, None).shortfall()
    {
        return Plan::hold(state.clone(), scene.pods(Side::Canary, missing));
    }
    Plan::to(state.clone()).doing(keep(scene, state))
}

/// Waiting for the confirm-rollout gate.
pub(super) fn wait(scene: &Scene<'_>, settled: &Settled) -> Plan {
    let state = State::Waiting(settled.clone());
    let snapshot = match scene.target_snapshot() {
        Ok(snapshot) => snapshot,
        Err(waiting_on) => return untold(scene, &state, settled, waiting_on),
    };
    if let Some(plan) = primary_missing(scene, &state, snapshot) {
        return plan;
    }
    if let Some(plan) = canary_lost(scene, &state, settled) {
        return plan;
    }
    if settled.applied.as_ref() == Some(snapshot) || is_promoted_already(scene, settled, snapshot) {
        return stand_down(scene, settled, snapshot);
    }
    if let Some(plan) = unjudged(scene, &state, settled) {
        return plan;
    }
    release(scene, &state, settled, snapshot)
}

/// The revision that waited is gone: back to how it was.
fn stand_down(scene: &Scene<'_>, settled: &Settled, snapshot: &Snapshot) -> Plan {
    // With users on the canary the promotion of what the primary was given has failed.
    let is_promoted = settled.weight.is_zero()
        && (settled.promoted.as_ref() == Some(&snapshot.revision)
            || scene.primary_snapshot() == Some(snapshot));
    let settled = Settled {
        applied: Some(snapshot.clone()),
        promoted: promoted(scene, settled),
        ..settled.clone()
    };
    if is_promoted {
        return Plan::to(State::Succeeded(settled)).because("the primary runs what the target has");
    }
    Plan::to(State::Failed(settled)).because("the new revision was taken back")
}

/// A new revision: asks for leave, then begins.
fn release(scene: &Scene<'_>, state: &State, settled: &Settled, snapshot: &Snapshot) -> Plan {
    match scene.idle_primary(settled.memory.started) {
        // A primary that is broken for good must not keep its cure away.
        Readiness::Ready | Readiness::Expired(_) => {}
        Readiness::Pending(missing) => {
            return Plan::hold(state.clone(), scene.pods(Side::Primary, &missing))
                .doing(keep(scene, state));
        }
    }
    let asking = Asking {
        about: format!("{}/{}", scene.spec.uid, digest(snapshot)),
        place: "0-0-0".into(),
        opening: chrono::DateTime::<chrono::Utc>::MIN_UTC,
        phase: state.phase(),
    };
    let run = || {
        let applied = settled.applied.as_ref();
        let passed = applied.filter(|_| !settled.weight.is_zero());
        let promoted = promoted(scene, settled);
        let split = Split::to_canary(settled.weight);
        begin::fresh(scene, snapshot, promoted.as_ref(), passed, split)
    };
    let refuse = |reason, closed: Option<&Closed>| {
        let mut run = run();
        // What is told of its end is the same however often this round is repeated.
        run.memory.started = closed.map(|closed| closed.since);
        refuse(scene, &run, settled.weight, &reason).doing(keep(scene, state))
    };
    if state.phase() == Phase::Waiting {
        match round::rollback_hook(scene, &asking) {
            Ok(None) => {}
            Ok(Some(gate)) => {
                let reason = RollbackReason::Hook(gate.name.clone());
                return refuse(reason, settled.memory.closed.as_ref());
            }
            Err(probes) => return Plan::ask(state.clone(), probes),
        }
    }
    match round::confirm(scene, &asking, GateKind::ConfirmRollout, &settled.memory) {
        Heard::Ask(probes) => Plan::ask(state.clone(), probes),
        Heard::Unknown(waiting_on, _) => match waiting_on.overdue(scene.now) {
            Some(why) => refuse(RollbackReason::Gate(why), waiting_on.gate()),
            None => {
                Plan::hold(State::Waiting(settled.clone()), waiting_on).doing(keep(scene, state))
            }
        },
        Heard::Passed(checked) | Heard::Failed(checked) => {
            begin::start(scene, run()).first(checked.events)
        }
    }
}

/// A revision that got no leave counts as failed, and users stay where they are.
fn refuse(scene: &Scene<'_>, run: &Run, weight: Weight, reason: &RollbackReason) -> Plan {
    let told = roll_back::told(scene, run, reason);
    roll_back::fail(scene, run, weight, reason).first(told)
}

/// What the primary runs. Its annotation knows better than the status when a primary was made anew: nobody
/// writes it but for a version that passed, or that is all there is.
fn promoted(scene: &Scene<'_>, settled: &Settled) -> Option<Revision> {
    scene
        .primary_snapshot()
        .map(|there| there.revision.clone())
        .or_else(|| settled.promoted.clone())
}

/// Tells versions apart by template and configs.
fn digest(snapshot: &Snapshot) -> String {
    let mut text = snapshot.revision.as_str().to_owned();
    for (name, checksum) in &snapshot.configs {
        text.push_str(&format!(",{name}={checksum}"));
    }
    text
}

/// True when nothing has to be analysed: the primary runs this version. Without our annotation on the
/// primary only the template's digest is known, as in Flagger.
fn is_promoted_already(scene: &Scene<'_>, settled: &Settled, snapshot: &Snapshot) -> bool {
    match scene.primary_snapshot() {
        Some(there) => there == snapshot,
        None => {
            settled.promoted.as_ref() == Some(&snapshot.revision)
                && settled
                    .applied
                    .as_ref()
                    .is_some_and(|applied| applied.configs == snapshot.configs)
        }
    }
}

/// The primary is gone, or not looked at. A missing one is made from what the target has: nothing
/// else is left to serve from.
pub(super) fn primary_missing(
    scene: &Scene<'_>,
    state: &State,
    snapshot: &Snapshot,
) -> Option<Plan> {
    match &scene.world.primary {
        Seen::Present(_) => None,
        Seen::Unread => Some(Plan::hold(state.clone(), WaitingOn::Cache("the primary"))),
        Seen::Absent => {
            let name = scene.spec.primary_name();
            let told = format!("Creating {name}.{}: it is missing", scene.spec.namespace);
            let making = [
                Action::Services,
                Action::Primary {
                    from: snapshot.clone(),
                },
                event(state.phase(), told),
            ];
            Some(
                Plan::to(state.clone())
                    .doing(making)
                    .because("making the primary"),
            )
        }
    }
}

/// After a failed promotion users are on the canary. When that dies and the primary lives, they move.
fn canary_lost(scene: &Scene<'_>, state: &State, settled: &Settled) -> Option<Plan> {
    let is_lost = !settled.weight.is_zero()
        && !scene.can_serve(Side::Canary)
        && scene.can_serve(Side::Primary);
    is_lost.then(|| to_primary(state, settled, "the canary has no pods"))
}

/// Users whom a failed promotion left on the target would wait with a revision that nobody has judged: they leave it
/// as soon as the primary can serve.
fn unjudged(scene: &Scene<'_>, state: &State, settled: &Settled) -> Option<Plan> {
    let may_leave = !settled.weight.is_zero()
        && scene.spec.has_routes()
        && scene.is_primary_good(settled.promoted.as_ref(), None)
        && scene.idle_primary(settled.memory.started) == Readiness::Ready;
    may_leave.then(|| to_primary(state, settled, "the primary serves again"))
}

fn to_primary(state: &State, settled: &Settled, why: &str) -> Plan {
    let moved = Settled {
        weight: Weight::ZERO,
        ..settled.clone()
    };
    Plan::to(with(state, moved))
        .doing([Action::Routes(Split::PRIMARY)])
        .because(format!("{why}: routing all traffic to primary"))
}

/// Weights that others changed are put back.
fn keep(scene: &Scene<'_>, state: &State) -> Vec<Action> {
    let wanted = state.split();
    let can_take = wanted.canary.is_zero() || scene.can_serve(Side::Canary);
    match &scene.world.traffic {
        TrafficSeen::Split(split) if scene.spec.has_routes() && *split != wanted && can_take => {
            vec![Action::Routes(wanted)]
        }
        TrafficSeen::Split(_)
        | TrafficSeen::Unread
        | TrafficSeen::Pending(_)
        | TrafficSeen::Unreadable(_) => Vec::new(),
    }
}

fn is_legacy(settled: &Settled) -> bool {
    settled
        .applied
        .as_ref()
        .is_some_and(|applied| applied.revision.is_legacy())
}

/// Flagger's hash cannot be compared with ours: what is there becomes the baseline, and nothing starts.
fn rebaseline(scene: &Scene<'_>, state: &State, settled: &Settled, snapshot: &Snapshot) -> Plan {
    let is_failed = match state {
        State::Failed(_) => true,
        State::New
        | State::Initializing(_)
        | State::Initialized(_)
        | State::Waiting(_)
        | State::Progressing(_)
        | State::WaitingPromotion(_)
        | State::RollingBack(..)
        | State::Promoting(_)
        | State::Finalising(_)
        | State::Succeeded(_)
        | State::Terminating(_) => false,
    };
    // After a failure the target is not what the primary runs, so that stays unknown.
    let promoted: Option<Revision> = if is_failed {
        settled.promoted.clone()
    } else {
        Some(snapshot.revision.clone())
    };
    let actions = (!is_failed && scene.primary_snapshot().is_none()).then(|| Action::Adopt {
        snapshot: snapshot.clone(),
    });
    let next = Settled {
        applied: Some(snapshot.clone()),
        promoted,
        ..settled.clone()
    };
    Plan::to(with(state, next))
        .doing(actions)
        .because("taken over as it is: no rollout started")
}

/// The same phase with other contents.
fn with(state: &State, settled: Settled) -> State {
    match state.phase() {
        Phase::Initialized => State::Initialized(settled),
        Phase::Failed => State::Failed(settled),
        Phase::Waiting => State::Waiting(settled),
        Phase::Succeeded
        | Phase::Unset
        | Phase::Initializing
        | Phase::Progressing
        | Phase::WaitingPromotion
        | Phase::Promoting
        | Phase::Finalising
        | Phase::Terminating
        | Phase::Terminated => State::Succeeded(settled),
    }
}
