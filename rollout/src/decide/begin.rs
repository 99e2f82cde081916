//! Begins a run, or begins it anew for a newer revision. Traffic comes first: the canary gets none.

use super::{
    plan::Plan,
    scene::{Scene, Side},
    wording::{alert_with_fields, event},
};
use crate::{
    action::{Action, Scale},
    spec::strategy::Position,
    state::{Memory, Phase, Run, State},
    weight::Split,
    world::{Revision, Snapshot},
};

/// A run of `snapshot` that has not taken a step. Its split is all on the primary, unless the primary
/// cannot serve: then users stay where they are, and the new revision is rolled forward under them.
pub(super) fn fresh(
    scene: &Scene<'_>,
    snapshot: &Snapshot,
    promoted: Option<&Revision>,
    passed: Option<&Snapshot>,
    now: Split,
) -> Run {
    // Where users really are, when that can be told; no more than what was decided for them.
    let seen = scene.world.traffic.split().unwrap_or(now);
    let stays = seen.canary.min(now.canary);
    let may_leave = stays.is_zero() || scene.is_primary_good(promoted, passed);
    let split = if may_leave || !scene.spec.has_routes() {
        Split::PRIMARY
    } else {
        Split::to_canary(stays)
    };
    Run {
        snapshot: snapshot.clone(),
        promoted: promoted.cloned(),
        position: Position {
            split,
            iterations: 0,
        },
        failed_checks: 0,
        memory: Memory {
            started: Some(scene.stamp()),
            step_started: Some(scene.stamp()),
            ..Memory::default()
        },
    }
}

/// A new revision was seen and may go ahead: the target is scaled up.
pub(super) fn start(scene: &Scene<'_>, run: Run) -> Plan {
    let mut actions = routes(scene, &run);
    actions.push(event(
        Phase::Progressing,
        format!(
            "New revision detected! Scaling up {}.{}",
            scene.spec.target.name, scene.spec.namespace
        ),
    ));
    actions.extend(
        scene
            .spec
            .notices
            .iter()
            .map(|notice| super::wording::warning(Phase::Progressing, (*notice).to_owned())),
    );
    actions.push(alert_with_fields(
        "New revision detected, progressing canary analysis.",
    ));
    actions.extend(scale_up(scene));
    let summary = format!("new revision {}: scaling up", run.snapshot.short());
    Plan::to(State::Progressing(run))
        .doing(actions)
        .because(summary)
}

/// A newer revision was seen during a run: all of it begins anew.
pub(super) fn restart(scene: &Scene<'_>, run: &Run, snapshot: &Snapshot) -> Plan {
    // The version before this one is in the primary only if it passed, or if that had to be made from it.
    let promoted = match scene.primary_snapshot() {
        Some(there) if run.snapshot == *there => Some(&there.revision),
        Some(_) | None => run.promoted.as_ref(),
    };
    let next = fresh(scene, snapshot, promoted, None, run.position.split);
    let actions = routes(scene, &next);
    let summary = format!("new revision {}: analysis restarted", snapshot.short());
    Plan::to(State::Progressing(next))
        .doing(actions)
        .doing([event(
            Phase::Progressing,
            format!(
                "New revision detected! Restarting analysis for {}.{}",
                scene.spec.target.name, scene.spec.namespace
            ),
        )])
        .because(summary)
}

/// The routes of a run that begins, when its split may be set at all.
fn routes(scene: &Scene<'_>, run: &Run) -> Vec<Action> {
    if !scene.spec.has_routes() {
        return Vec::new();
    }
    vec![Action::Routes(run.position.split)]
}

/// The target gets pods, and its autoscaler may move them.
pub(super) fn scale_up(scene: &Scene<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    if scene.pausable_scaler().is_some() {
        actions.push(Action::ResumeScaler);
    }
    actions.push(Action::ScaleTarget(Scale::Up));
    actions
}

/// True when the target has no pods wanted and must be scaled up first.
pub(super) fn is_scaled_down(scene: &Scene<'_>) -> bool {
    match scene.spec.target.kind {
        // Knative scales by itself; a revision without pods is started by its first request.
        crate::spec::TargetKind::Service | crate::spec::TargetKind::Knative => false,
        crate::spec::TargetKind::Deployment | crate::spec::TargetKind::DaemonSet => scene
            .world
            .target
            .workload()
            .is_some_and(|target| target.desired == 0),
    }
}

/// True when the canary takes requests that nobody there can answer.
pub(super) fn has_lost_pods(scene: &Scene<'_>, run: &Run) -> bool {
    !run.position.split.canary.is_zero() && !scene.can_serve(Side::Canary)
}
