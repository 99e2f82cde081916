//! Takes a target under control: the primary first, then the Services and routes, the target's pods last.
//!
//! Users must not lose a request: the apex Service selects the primary only when that is ready, and the
//! target is scaled down only when the routes are seen to lead to the primary.

use super::{
    plan::Plan,
    scene::{Scene, Side},
    wording::{alert_with_fields, event},
};
use crate::{
    action::{Action, Scale},
    report::{Outcome, OutcomeKind},
    state::{Memory, Phase, Settled, State},
    waiting::WaitingOn,
    weight::{Split, Weight},
    world::{Part, Readiness, Seen, Snapshot, TrafficSeen},
};

/// What is told while there is no primary yet.
const MAKING: &str = "initialising: making the primary";

/// First sight of a Canary: it is written down before anything is made.
pub(super) fn begin(scene: &Scene<'_>) -> Plan {
    let memory = Memory {
        started: Some(scene.stamp()),
        wait_started: Some(scene.stamp()),
        ..Memory::default()
    };
    match (&scene.world.primary, scene.target_snapshot()) {
        (Seen::Absent, Ok(_)) => Plan::to(State::Initializing(memory)).because(MAKING),
        _ => go_on(scene, &memory),
    }
}

/// Until the primary serves.
pub(super) fn go_on(scene: &Scene<'_>, memory: &Memory) -> Plan {
    let state = State::Initializing(memory.clone());
    let snapshot = match scene.target_snapshot() {
        Ok(snapshot) => snapshot,
        Err(waiting_on) => return Plan::hold(state, waiting_on),
    };
    match &scene.world.primary {
        Seen::Unread => return Plan::hold(state, WaitingOn::Cache("the primary")),
        Seen::Absent => {
            let routes = Action::Routes(Split::PRIMARY);
            let from = snapshot.clone();
            return Plan::to(state)
                .doing([Action::Services])
                .doing(scene.spec.is_routed_before_pods().then_some(routes))
                .doing([Action::Primary { from }])
                .because(MAKING);
        }
        Seen::Present(_) => {}
    }
    match scene.readiness(Side::Primary, memory.wait_started) {
        Readiness::Ready => {}
        missing @ (Readiness::Pending(_) | Readiness::Expired(_)) => {
            let repairs = scene.world.drift.contains(&Part::Services);
            return hold_pods(scene, state, missing).doing(repairs.then_some(Action::Services));
        }
    }
    switch(scene, memory, snapshot)
}

fn hold_pods(scene: &Scene<'_>, state: State, missing: Readiness) -> Plan {
    match missing {
        Readiness::Ready => Plan::to(state),
        Readiness::Pending(missing) | Readiness::Expired(missing) => {
            Plan::hold(state, scene.pods(Side::Primary, &missing))
        }
    }
}

/// The primary is ready: traffic goes to it, and when the routes say so, the target goes to rest.
fn switch(scene: &Scene<'_>, memory: &Memory, target: &Snapshot) -> Plan {
    let mut actions = vec![Action::Services];
    if scene.spec.autoscaler.is_some() {
        actions.push(Action::PrimaryScaler { update: false });
    }
    actions.push(Action::Apex);
    if scene.spec.has_routes() {
        actions.push(Action::Routes(Split::PRIMARY));
        let state = State::Initializing(memory.clone());
        let is_being_written = scene.world.drift.contains(&Part::Routes);
        match &scene.world.traffic {
            TrafficSeen::Split(split) if *split == Split::PRIMARY => {}
            TrafficSeen::Unreadable(why) if !is_being_written => {
                return Plan::hold(state, WaitingOn::Routes(why.clone())).doing(actions);
            }
            TrafficSeen::Pending(what) => {
                let waiting_on = scene.settling(what, memory.started);
                return Plan::hold(state, waiting_on).doing(actions);
            }
            TrafficSeen::Split(_) | TrafficSeen::Unread | TrafficSeen::Unreadable(_) => {
                return Plan::to(state)
                    .doing(actions)
                    .because("initialising: routing all traffic to primary");
            }
        }
    }
    finish(scene, memory, target, actions)
}

fn finish(scene: &Scene<'_>, memory: &Memory, target: &Snapshot, mut actions: Vec<Action>) -> Plan {
    // A primary that was there before tells what it runs; the target may have moved on since.
    let baseline = scene.primary_snapshot().unwrap_or(target);
    if scene.primary_snapshot().is_none() {
        actions.push(Action::Adopt {
            snapshot: baseline.clone(),
        });
    }
    if scene.pausable_scaler().is_some() {
        actions.push(Action::PauseScaler);
    }
    let kind = scene.spec.target.kind.as_str();
    actions.extend([
        Action::ScaleTarget(Scale::Zero),
        event(
            Phase::Initialized,
            format!("Initialization done! {}", scene.spec.dotted()),
        ),
        alert_with_fields(format!("New {kind} detected, initialization completed.")),
    ]);
    let outcome = Outcome {
        kind: OutcomeKind::Initialised,
        at: Weight::FULL,
        after: scene.stamp() - memory.started.unwrap_or(scene.stamp()),
        why: format!("{} serves", scene.workload_name(Side::Primary)),
    };
    let mut memory = memory.clone();
    memory.decision = Some(outcome.sentence());
    memory.outcome = Some((outcome.kind, outcome.why.clone()));
    let settled = Settled {
        applied: Some(baseline.clone()),
        promoted: Some(baseline.revision.clone()),
        weight: Weight::ZERO,
        memory,
    };
    Plan::to(State::Initialized(settled))
        .doing(actions)
        .ending(outcome)
}
