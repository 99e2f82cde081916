//! Decides what happens next. One match over the state; each family of transitions has its file.
//!
//! Whatever the state, the decision is completed here: drift is put right, a wait is told once and
//! remembered, and the time to look again is set.

use chrono::{DateTime, Utc};

use crate::{
    answers::Answers, report::Decision, spec::ValidSpec, state::State, waiting::WaitingOn,
    world::World,
};

mod begin;
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
        let is_news = told.memory().is_none_or(|memory| {
            let before = state.memory().and_then(|before| before.hold.as_deref());
            memory.hold.as_deref() != before
        });
        let text = "skipping canary run as object is suspended".to_owned();
        return Plan::hold(told, WaitingOn::Suspended)
            .doing(is_news.then(|| wording::event(state.phase(), text)))
            .because(hold::SUSPENDED);
    }
    let plan = match state {
        State::New => initialize::begin(&scene),
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
        // The deletion was taken back by nobody: a deletion timestamp stays. Left as it is.
        State::Terminating(_) => Plan::to(state.clone()),
    };
    let plan = repair::add(&scene, plan);
    let plan = sessions::follow(&scene, state, plan);
    complete(&scene, state, plan)
}

fn complete(scene: &Scene<'_>, before: &State, plan: Plan) -> Plan {
    let mut plan = hold::record(scene, before, plan);
    plan.set_wake(before, scene.now);
    plan
}
