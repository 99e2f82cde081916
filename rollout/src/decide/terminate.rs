//! Deletion: puts things back as they were, when asked to: target, then traffic, then we let go.

use super::{
    begin,
    plan::Plan,
    scene::{Scene, Side},
    wording::event,
};
use crate::{
    action::Action,
    state::{Memory, Phase, State},
    waiting::WaitingOn,
    world::{Readiness, Seen},
};

/// A Canary with a deletion timestamp.
pub(super) fn decide(scene: &Scene<'_>, state: &State) -> Plan {
    if !scene.world.has_finalizer {
        // Nothing is ours to put back; the objects go with their owner.
        return Plan::to(state.clone()).because("deleted");
    }
    if !scene.spec.is_reverted_on_deletion {
        return Plan::to(state.clone())
            .doing([Action::RemoveFinalizer])
            .because("deleted: nothing is to be reverted");
    }
    match state {
        State::Terminating(memory) => go_on(scene, memory),
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
        | State::Failed(_) => start(scene),
    }
}

fn start(scene: &Scene<'_>) -> Plan {
    let memory = Memory {
        started: Some(scene.stamp()),
        wait_started: Some(scene.stamp()),
        ..Memory::default()
    };
    Plan::to(State::Terminating(memory))
        .doing(revert(scene))
        .doing([event(
            Phase::Terminating,
            format!("Terminating canary {}", scene.spec.dotted()),
        )])
        .because("deleted: putting things back")
}

fn go_on(scene: &Scene<'_>, memory: &Memory) -> Plan {
    let state = State::Terminating(memory.clone());
    match &scene.world.target {
        Seen::Unread => return Plan::hold(state, WaitingOn::Cache("the target")),
        // Nothing is left to put traffic on.
        Seen::Absent => {}
        Seen::Present(_) if begin::is_scaled_down(scene) => {
            return Plan::to(state).doing(revert(scene));
        }
        Seen::Present(_) => match scene.readiness(Side::Canary, memory.wait_started) {
            Readiness::Ready => {}
            Readiness::Pending(missing) | Readiness::Expired(missing) => {
                return Plan::hold(state, scene.pods(Side::Canary, &missing));
            }
        },
    }
    Plan::to(state)
        .doing([
            Action::RevertApex,
            Action::RevertRoutes,
            event(
                Phase::Terminating,
                format!("Terminated canary {}", scene.spec.dotted()),
            ),
            Action::RemoveFinalizer,
        ])
        .because("deleted: things are as they were")
}

/// The target gets its replicas, and its autoscaler back.
fn revert(scene: &Scene<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    if scene.world.target.workload().is_some() {
        actions.push(Action::RevertTarget);
    }
    if scene.pausable_scaler().is_some() {
        actions.push(Action::ResumeScaler);
    }
    actions
}
