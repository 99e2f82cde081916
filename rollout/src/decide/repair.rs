//! Puts right what others changed in the objects we keep. Weights stay as the state has them.

use super::{plan::Plan, scene::Scene};
use crate::{
    action::Action,
    world::{Part, TrafficSeen},
};

/// Adds repairs in front of the actions of `plan`, but for what it writes anyway.
pub(super) fn add(scene: &Scene<'_>, plan: Plan) -> Plan {
    let mut repairs = Vec::new();
    match (
        scene.spec.is_reverted_on_deletion,
        scene.world.has_finalizer,
    ) {
        (true, false) => repairs.push(Action::AddFinalizer),
        (false, true) => repairs.push(Action::RemoveFinalizer),
        (true, true) | (false, false) => {}
    }
    if plan.decision.state.is_routed() {
        objects(scene, &plan, &mut repairs);
    }
    plan.first(repairs)
}

fn objects(scene: &Scene<'_>, plan: &Plan, repairs: &mut Vec<Action>) {
    let writes = |wanted: fn(&Action) -> bool| plan.decision.actions.iter().any(wanted);
    for part in &scene.world.drift {
        match part {
            Part::Services => repairs.push(Action::Services),
            Part::Apex => repairs.push(Action::Apex),
            Part::Routes => {}
            Part::PrimaryScaler => {
                if scene.spec.autoscaler.is_some()
                    && !writes(|action| matches!(action, Action::PrimaryScaler { .. }))
                {
                    repairs.push(Action::PrimaryScaler { update: false });
                }
            }
        }
    }
    let is_broken = scene.world.drift.contains(&Part::Routes)
        || matches!(scene.world.traffic, TrafficSeen::Unreadable(_));
    if scene.spec.has_routes() && is_broken && !writes(|action| matches!(action, Action::Routes(_)))
    {
        repairs.push(Action::Routes(plan.decision.state.split()));
    }
}
