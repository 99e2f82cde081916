//! Decides what happens next. One match over the state; each family of transitions has its file.
//!
//! Whatever the state, the decision is completed here: drift is put right, a wait is told once and
//! remembered, and the time to look again is set.

use chrono::{DateTime, Utc};

use crate::{
    action::Action,
    answers::Answers,
    report::Decision,
    spec::ValidSpec,
    state::State,
    waiting::WaitingOn,
    world::{TrafficSeen, World},
};

mod begin;
mod clock;
mod finalize;
mod hold;
mod initialize;
mod plan;
mod progress;
mod promote;
mod repair;
mod roll_back;
mod round;
mod scene;
mod sessions;
mod settle;
mod terminate;
mod wording;

use plan::Plan;
use scene::Scene;

/// Takes the decision. The same input gives the same output; an input that cannot be decided holds.
#[must_use]
pub fn decide(
    spec: &ValidSpec,
    state: &State,
    world: &World,
    answers: &Answers,
    now: DateTime<Utc>,
) -> Decision {
    plan(spec, state, world, answers, now).decision
}

/// The decision together with the probes that it lacks answers for.
pub(crate) fn plan(
    spec: &ValidSpec,
    state: &State,
    world: &World,
    answers: &Answers,
    now: DateTime<Utc>,
) -> Plan {
    let scene = Scene {
        spec,
        world,
        answers,
        now,
    };
    let state = &state.with_mirroring(&spec.strategy, spec.has_routes());
    if world.is_deleting {
        return complete(&scene, state, terminate::decide(&scene, state));
    }
    if spec.is_suspended {
        let told = hold::suspended(state);
        // A new canary has nothing to remember by that it was told.
        let is_news = told.memory().is_some_and(|memory| {
            let before = state.memory().and_then(|before| before.hold.as_deref());
            memory.hold.as_deref() != before
        });
        let text = "skipping canary run as object is suspended".to_owned();
        return Plan::hold(told, WaitingOn::Suspended)
            .doing(is_news.then(|| wording::event(state.phase(), text)))
            .because(hold::SUSPENDED);
    }
    let state = &clock::set(&scene, state);
    let plan = match state {
        // A phase of a deletion that never was, as a restored backup has it: taken under control as if new.
        State::New | State::Terminating(_) => initialize::begin(&scene),
        State::Initializing(memory) => initialize::go_on(&scene, memory),
        State::Initialized(settled) | State::Succeeded(settled) | State::Failed(settled) => {
            settle::decide(&scene, state, settled)
        }
        State::Waiting(settled) => settle::wait(&scene, settled),
        State::Progressing(run) | State::WaitingPromotion(run) => {
            progress::decide(&scene, state, run)
        }
        State::RollingBack(run, reason) => roll_back::decide(&scene, run, reason),
        State::Promoting(run) => promote::decide(&scene, run),
        State::Finalising(run) => finalize::decide(&scene, run),
    };
    let plan = repair::add(&scene, plan);
    let plan = sessions::follow(&scene, state, plan);
    let plan = after_reading(&scene, state, plan);
    complete(&scene, state, plan)
}

/// Nothing is routed before it was read what is: a plan that would waits for that.
fn after_reading(scene: &Scene<'_>, state: &State, plan: Plan) -> Plan {
    let is_route = |action: &Action| matches!(action, Action::Routes(_));
    let is_early =
        scene.world.traffic == TrafficSeen::Unread && plan.decision.actions.iter().any(is_route);
    if is_early {
        return Plan::hold(state.clone(), WaitingOn::Cache("the routes"));
    }
    plan
}

fn complete(scene: &Scene<'_>, before: &State, plan: Plan) -> Plan {
    let mut plan = hold::record(scene, before, plan);
    plan.set_wake(before, scene.now);
    plan
}
