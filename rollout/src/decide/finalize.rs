//! Finalising: all traffic is on the primary; when the routes say so, the canary goes to rest.

use super::{
    begin,
    plan::Plan,
    promote, roll_back,
    scene::{Scene, Side},
    wording::{alert, event},
};
use crate::{
    action::{Action, Scale, Severity},
    report::{Outcome, OutcomeKind, told},
    state::{Phase, Run, Settled, State},
    waiting::WaitingOn,
    weight::{Split, Weight},
    world::{Readiness, TrafficSeen},
};

/// Until the canary is scaled down. A newer revision is noticed after that, as one more release, unless the primary
/// is broken.
pub(super) fn decide(scene: &Scene<'_>, run: &Run) -> Plan {
    let state = State::Finalising(run.clone());
    match scene.readiness(Side::Primary, run.memory.wait_started) {
        Readiness::Ready => {}
        Readiness::Pending(missing) => {
            return Plan::hold(state, scene.pods(Side::Primary, &missing));
        }
        Readiness::Expired(missing) => {
            // Its cure, and nothing that users could be given unjudged.
            if let Ok(snapshot) = scene.target_snapshot()
                && *snapshot != run.snapshot
            {
                return begin::restart(scene, run, snapshot);
            }
            // Pods that answer are enough to keep the users who are already there.
            if !scene.can_serve(Side::Primary) && scene.can_serve(Side::Canary) {
                return promote::fail(scene, run, &missing);
            }
            return Plan::hold(state, scene.pods(Side::Primary, &missing));
        }
    }
    routing(scene, &state, run).unwrap_or_else(|| finish(scene, run))
}

/// Until the routes are seen to lead to the primary: what is still to be done for it, or waited for.
pub(super) fn routing(scene: &Scene<'_>, state: &State, run: &Run) -> Option<Plan> {
    if !scene.spec.has_routes() {
        return None;
    }
    Some(match &scene.world.traffic {
        TrafficSeen::Split(split) if *split == Split::PRIMARY => return None,
        TrafficSeen::Pending(what) => {
            let waiting_on = scene.settling(what, run.memory.step_started);
            Plan::hold(state.clone(), waiting_on)
        }
        TrafficSeen::Unread => Plan::hold(state.clone(), WaitingOn::Cache("the routes")),
        TrafficSeen::Split(_) => Plan::to(state.clone())
            .doing([Action::Routes(Split::PRIMARY)])
            .because("routing all traffic to primary"),
        TrafficSeen::Unreadable(why) => Plan::hold(state.clone(), WaitingOn::Routes(why.clone()))
            .doing([Action::Routes(Split::PRIMARY)]),
    })
}

fn finish(scene: &Scene<'_>, run: &Run) -> Plan {
    let mut actions = Vec::new();
    if scene.pausable_scaler().is_some() {
        actions.push(Action::PauseScaler);
    }
    if scene.world.target.workload().is_some() {
        actions.push(Action::ScaleTarget(Scale::Zero));
    }
    let skipped = scene.spec.is_analysis_skipped;
    if !skipped && run.memory.weights.is_empty() {
        return back(scene, run).doing(actions);
    }
    promoted(scene, run, skipped, actions)
}

/// The run took no step: the target went back to what the primary runs, so nothing was released.
fn back(scene: &Scene<'_>, run: &Run) -> Plan {
    let mut memory = run.memory.clone();
    let why = "the target is back at what the primary runs";
    memory.decision = Some(why.to_owned());
    memory.hold = None;
    Plan::to(State::Succeeded(Settled {
        applied: Some(run.snapshot.clone()),
        promoted: Some(run.snapshot.revision.clone()),
        weight: Weight::ZERO,
        memory,
    }))
    .doing([event(
        Phase::Succeeded,
        format!(
            "Scaling down {}.{}: {why}",
            scene.spec.target.name, scene.spec.namespace
        ),
    )])
    .because(why)
}

fn promoted(scene: &Scene<'_>, run: &Run, skipped: bool, mut actions: Vec<Action>) -> Plan {
    let phase = Phase::Succeeded;
    actions.push(Action::Count {
        success: true,
        skipped,
    });
    actions.extend(roll_back::post_rollout(scene, run, phase));
    let target = format!("{}.{}", scene.spec.target.name, scene.spec.namespace);
    let (text, message) = if skipped {
        (
            format!("Promotion completed! Canary analysis was skipped for {target}"),
            "Canary analysis was skipped, promotion finished.",
        )
    } else {
        (
            format!("Promotion completed! Scaling down {target}"),
            "Canary analysis completed successfully, promotion finished.",
        )
    };
    actions.push(event(phase, text));
    actions.push(alert(Severity::Info, message));
    let why = if skipped {
        "analysis skipped".to_owned()
    } else {
        told::success(&run.memory)
    };
    let outcome = Outcome {
        kind: OutcomeKind::Promoted,
        at: Weight::FULL,
        after: scene.stamp() - run.memory.started.unwrap_or(scene.stamp()),
        why,
    };
    let settled = Settled {
        promoted: Some(run.snapshot.revision.clone()),
        ..roll_back::ended(run, Weight::ZERO, &outcome)
    };
    Plan::to(State::Succeeded(settled))
        .doing(actions)
        .ending(outcome)
}
