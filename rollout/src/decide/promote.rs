//! Promoting: the revision is copied to the primary, and its traffic follows when the primary is ready.

use super::{
    begin,
    plan::Plan,
    roll_back,
    round::Checked,
    scene::{Scene, Side},
    settle,
    wording::{alert, event, warning},
};
use crate::{
    action::{Action, Severity},
    report::{Outcome, OutcomeKind},
    spec::strategy::Position,
    state::{Phase, Run, State},
    waiting::WaitingOn,
    weight::{Split, Weight},
    world::{Readiness, readiness::Shortfall},
};

/// All checks passed, or none are wanted: copies exactly the version that was analysed.
pub(super) fn begin(scene: &Scene<'_>, run: &Run, passed: Checked) -> Plan {
    let mut actions = passed.events;
    actions.push(event(
        Phase::Progressing,
        format!(
            "Copying {}.{} template spec to {}.{}",
            scene.spec.target.name,
            scene.spec.namespace,
            scene.spec.primary_name(),
            scene.spec.namespace
        ),
    ));
    actions.extend(copying(scene, run));
    resume(scene, run)
        .doing(actions)
        .because(format!("promoting {}", run.snapshot.short()))
        .showing(passed.evidence)
}

/// What copies the revision. The primary's autoscaler follows the target's first: once the template is copied,
/// nothing asks for it again.
fn copying(scene: &Scene<'_>, run: &Run) -> Vec<Action> {
    let scaler = scene.spec.autoscaler.as_ref();
    let scaler = scaler.map(|_| Action::PrimaryScaler { update: true });
    let promote = Action::Promote {
        snapshot: run.snapshot.clone(),
    };
    scaler.into_iter().chain([promote]).collect()
}

/// The primary has, or gets in this round, the revision: goes on from there.
pub(super) fn resume(scene: &Scene<'_>, run: &Run) -> Plan {
    let mut next = run.clone();
    next.memory.step_started = Some(scene.stamp());
    next.memory.wait_started = Some(scene.stamp());
    next.memory.checked = None;
    Plan::to(State::Promoting(next)).because("promoting: the primary has the new revision")
}

/// Until the primary has all traffic.
pub(super) fn decide(scene: &Scene<'_>, run: &Run) -> Plan {
    let state = State::Promoting(run.clone());
    match scene.target_snapshot() {
        Err(waiting_on @ WaitingOn::Cache(_)) => return Plan::hold(state, waiting_on),
        Err(_) => {}
        Ok(snapshot) if *snapshot != run.snapshot => {
            return begin::restart(scene, run, snapshot);
        }
        Ok(snapshot) => {
            if let Some(plan) = settle::primary_missing(scene, &state, snapshot) {
                return plan;
            }
            if scene.primary_snapshot() != Some(&run.snapshot) {
                return Plan::to(state).doing(copying(scene, run));
            }
        }
    }
    match scene.readiness(Side::Primary, run.memory.wait_started) {
        Readiness::Ready => shift(scene, state, run),
        Readiness::Pending(_)
            if begin::has_lost_pods(scene, run) && scene.can_serve(Side::Primary) =>
        {
            let mut next = run.clone();
            next.position.split = Split::PRIMARY;
            Plan::to(State::Promoting(next))
                .doing([Action::Routes(Split::PRIMARY)])
                .because("the canary has no pods: routing all traffic to primary")
        }
        Readiness::Pending(missing) => {
            let plan = Plan::hold(state, scene.pods(Side::Primary, &missing));
            plan.doing(keep(scene, run))
        }
        Readiness::Expired(missing) => fail(scene, run, &missing),
    }
}

/// Weights that others changed are put back while whoever gets more can take it.
pub(super) fn keep(scene: &Scene<'_>, run: &Run) -> Option<Action> {
    let split = run.position.split;
    let seen = scene.world.traffic.split()?;
    let can_take = (split.canary.is_zero() || scene.can_serve(Side::Canary))
        && (split.canary >= seen.canary || scene.can_serve(Side::Primary));
    (scene.spec.has_routes() && seen != split && can_take).then_some(Action::Routes(split))
}

/// The primary is ready: gives it its traffic, at once or step by step.
fn shift(scene: &Scene<'_>, state: State, run: &Run) -> Plan {
    if !scene.spec.has_routes() {
        return to_finalising(run, Position::default());
    }
    if let Some(plan) = capacity(scene, &state, run) {
        return plan;
    }
    let Some(step) = scene.spec.promotion_step else {
        return to_finalising(run, Position::default()).doing([
            Action::Routes(Split::PRIMARY),
            event(
                Phase::Promoting,
                "Routing all traffic to primary".to_owned(),
            ),
        ]);
    };
    // A step in the future was taken before the clock was set back: then at once.
    let last = run.memory.checked.filter(|last| *last <= scene.now);
    let next_at = last.map_or(scene.now, |last| scene.after_interval(last));
    if next_at > scene.now {
        return Plan::hold(state, WaitingOn::Check { at: next_at }).doing(keep(scene, run));
    }
    let canary = lowered(scene, run, step);
    let position = Position {
        split: Split::to_canary(canary),
        iterations: run.position.iterations,
    };
    let actions = [
        Action::Routes(position.split),
        event(
            Phase::Promoting,
            format!(
                "Advance {} primary weight {}",
                scene.spec.dotted(),
                position.split.primary()
            ),
        ),
    ];
    if canary.is_zero() {
        return to_finalising(run, position).doing(actions);
    }
    let mut next = run.clone();
    next.position = position;
    next.memory.checked = Some(scene.stamp());
    Plan::to(State::Promoting(next))
        .doing(actions)
        .because(format!("primary weight {} %", position.split.primary()))
}

/// The canary's share after a step down. A step that was routed and not stored is taken as it is; users that left
/// beyond that do not come back, and a canary without pods gives all of its users up.
fn lowered(scene: &Scene<'_>, run: &Run, step: Weight) -> Weight {
    if !scene.can_serve(Side::Canary) {
        return Weight::ZERO;
    }
    let stored = run.position.split.canary;
    let next = stored.lowered(step);
    match scene.world.traffic.split().map(|split| split.canary) {
        Some(seen) if seen == next => next,
        Some(seen) if seen < stored => seen.lowered(step),
        Some(_) | None => next,
    }
}

fn to_finalising(run: &Run, position: Position) -> Plan {
    let mut next = run.clone();
    next.position = position;
    Plan::to(State::Finalising(next)).because("routing all traffic to primary")
}

/// An autoscaler may have let the primary shrink while the canary took its users. It gets as many pods as
/// the canary has before the users come back; for one interval, because the autoscaler may disagree.
fn capacity(scene: &Scene<'_>, state: &State, run: &Run) -> Option<Plan> {
    scene.spec.autoscaler.as_ref()?;
    let canary = scene.world.target.workload()?.desired;
    let primary = scene.world.primary.workload()?;
    let until = scene.after_interval(run.memory.step_started?);
    let has_users = !run.position.split.canary.is_zero();
    (has_users && primary.desired < canary && until > scene.now).then(|| {
        Plan::hold(
            state.clone(),
            WaitingOn::Pods {
                name: scene.spec.primary_name(),
                available: primary.available,
                needed: canary,
                deadline: Some(until),
                text: format!(
                    "{}.{} not ready: scaling up to {canary} replicas before it takes all traffic",
                    scene.spec.primary_name(),
                    scene.spec.namespace
                ),
            },
        )
        .doing([Action::ScalePrimary {
            replicas_min: canary,
        }])
    })
}

/// The primary did not come up with the new revision: users stay with the canary, which passed its analysis.
pub(super) fn fail(scene: &Scene<'_>, run: &Run, missing: &Shortfall) -> Plan {
    let why = scene.not_ready(Side::Primary, &missing.text);
    let mut actions = Vec::new();
    let split = match (scene.spec.has_routes(), scene.can_serve(Side::Canary)) {
        (false, _) => Split::PRIMARY,
        (true, true) => {
            let split = Split::to_canary(Weight::FULL);
            actions.push(Action::Routes(split));
            split
        }
        // Neither side can take users: they stay where they are.
        (true, false) => scene.world.traffic.split().unwrap_or(run.position.split),
    };
    actions.extend([
        warning(
            Phase::Promoting,
            format!(
                "Promotion of {}.{} failed, primary not ready: {why}",
                scene.spec.target.name, scene.spec.namespace
            ),
        ),
        alert(
            Severity::Error,
            format!("Promotion failed, primary not ready: {why}"),
        ),
        Action::Count {
            success: false,
            skipped: false,
        },
    ]);
    actions.extend(roll_back::post_rollout(scene, run, Phase::Failed));
    let outcome = Outcome {
        kind: OutcomeKind::PromotionFailed,
        at: roll_back::highest(run),
        after: scene.stamp() - run.memory.started.unwrap_or(scene.stamp()),
        why,
    };
    Plan::to(State::Failed(roll_back::ended(run, split.canary, &outcome)))
        .doing(actions)
        .ending(outcome)
}
