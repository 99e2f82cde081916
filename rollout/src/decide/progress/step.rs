//! The next step of a run, when its confirm gates are open.

use chrono::TimeDelta;

use super::tally;
use crate::{
    action::Action,
    decide::{
        plan::Plan,
        promote, roll_back,
        round::{self, Asking, Checked, Heard},
        scene::{Scene, later},
        wording::event,
    },
    report::told,
    spec::{GateKind, Next, Strategy, strategy::Position},
    state::{Phase, RollbackReason, Run, State, WEIGHTS_MAX},
};

/// From writing the first route to the canary until what is counted there is its own: gateways take routes up in their
/// time, and answers of the version before may still be on their way.
const ARRIVAL: TimeDelta = TimeDelta::seconds(1);

/// All passed: the next step, when its confirm gates are open.
pub(super) fn take(
    scene: &Scene<'_>,
    state: &State,
    run: &Run,
    asking: &Asking,
    checked: Checked,
) -> Plan {
    let is_first = run.memory.weights.is_empty();
    let next = scene
        .spec
        .strategy
        .next(run.position, scene.spec.has_routes());
    // A run that begins with users on the canary is checked there before anything else.
    let next = match (is_first, next) {
        (true, Next::Promote) => Next::Visit(run.position),
        (true | false, next) => next,
    };
    let mut passed = Checked {
        evidence: checked.evidence,
        events: if is_first {
            vec![starting(scene)]
        } else {
            Vec::new()
        },
    };
    passed.events.extend(checked.events);
    for kind in confirms(scene, state, run, next) {
        match round::confirm(scene, asking, kind, &run.memory) {
            Heard::Ask(probes) => return Plan::ask(state.clone(), probes),
            Heard::Unknown(waiting_on, _) => {
                if let Some(why) = waiting_on.overdue(scene.now) {
                    let run = tally::ended(scene, run);
                    return roll_back::begin(scene, run, RollbackReason::Gate(why))
                        .showing(passed.evidence);
                }
                let held = match kind {
                    GateKind::ConfirmPromotion => State::WaitingPromotion(run.clone()),
                    GateKind::ConfirmTrafficIncrease
                    | GateKind::ConfirmRollout
                    | GateKind::PreRollout
                    | GateKind::Rollout
                    | GateKind::PostRollout
                    | GateKind::Rollback => state.clone(),
                };
                return Plan::hold(held, waiting_on).showing(passed.evidence);
            }
            Heard::Passed(more) | Heard::Failed(more) => passed.events.extend(more.events),
        }
    }
    match next {
        Next::Visit(position) => visit(scene, run, position, passed),
        Next::Promote => {
            promote::begin(scene, &tally::passed(scene, run, &passed.evidence), passed)
        }
    }
}

/// True when the routes stand at the next step already, and it is time for it: the step was routed, and not
/// stored. The questions in front of it are asked again before it is; until then users stay where they are.
pub(super) fn is_ahead(scene: &Scene<'_>, state: &State, run: &Run) -> bool {
    let routed = scene.world.traffic.split();
    let next = scene
        .spec
        .strategy
        .next(run.position, scene.spec.has_routes());
    let is_next = match next {
        Next::Visit(position) => routed == Some(position.split),
        Next::Promote => false,
    };
    let is_due = Asking::of(scene, run, state.phase()).opening <= scene.now;
    is_next && routed != Some(run.position.split) && is_due && !scene.spec.is_analysis_skipped
}

/// The confirm gates in front of the next step.
fn confirms(scene: &Scene<'_>, state: &State, run: &Run, next: Next) -> Vec<GateKind> {
    let is_waiting = state.phase() == Phase::WaitingPromotion;
    match (&scene.spec.strategy, next) {
        (Strategy::Weighted { .. }, next) => {
            let mut kinds = Vec::new();
            // As with Flagger, who lets requests be mirrored lets the first weight follow.
            if !is_waiting && !run.position.split.mirrored {
                kinds.push(GateKind::ConfirmTrafficIncrease);
            }
            if next == Next::Promote {
                kinds.push(GateKind::ConfirmPromotion);
            }
            kinds
        }
        (Strategy::AbTesting { .. }, Next::Visit(_)) => Vec::new(),
        // Users come in only at the switch that follows the last iteration.
        (Strategy::BlueGreen { iterations, .. }, Next::Visit(position))
            if position.iterations <= *iterations =>
        {
            Vec::new()
        }
        (
            Strategy::AbTesting { .. } | Strategy::BlueGreen { .. },
            Next::Promote | Next::Visit(_),
        ) => vec![GateKind::ConfirmPromotion],
    }
}

/// Told once, before the first step.
pub(super) fn starting(scene: &Scene<'_>) -> Action {
    event(
        Phase::Progressing,
        format!("Starting canary analysis for {}", dotted_target(scene)),
    )
}

fn dotted_target(scene: &Scene<'_>) -> String {
    format!("{}.{}", scene.spec.target.name, scene.spec.namespace)
}

/// Goes to the next split.
fn visit(scene: &Scene<'_>, run: &Run, position: Position, passed: Checked) -> Plan {
    let mut next = tally::passed(scene, run, &passed.evidence);
    let mut actions = Vec::new();
    if scene.spec.has_routes() && position.split != run.position.split {
        actions.push(Action::Routes(position.split));
    }
    actions.extend(passed.events);
    let told = advance_text(scene, run.position, position);
    actions.extend(told.map(|text| event(Phase::Progressing, text)));
    next.position = position;
    next.memory.weights.push(position.split.canary);
    let arrival = later(scene.stamp(), ARRIVAL);
    next.memory.traffic_started.get_or_insert(arrival);
    if next.memory.weights.len() > WEIGHTS_MAX {
        next.memory.weights.remove(0);
    }
    let summary = format!(
        "weight {} %{}",
        position.split.canary,
        told::passes(&passed.evidence)
    );
    Plan::to(State::Progressing(next))
        .doing(actions)
        .because(summary)
        .showing(passed.evidence)
}

/// Of the round that follows the last iteration of Blue/Green: the switch, where there is traffic to switch.
fn advance_text(scene: &Scene<'_>, from: Position, to: Position) -> Option<String> {
    let name = scene.spec.dotted();
    Some(match &scene.spec.strategy {
        Strategy::Weighted { .. } => {
            format!("Advance {name} canary weight {}", to.split.canary)
        }
        Strategy::BlueGreen { iterations, .. } if to.iterations > *iterations => {
            if !scene.spec.has_routes() {
                return None;
            }
            if from.split.mirrored {
                "Stop traffic mirroring and route all traffic to canary".to_owned()
            } else {
                "Routing all traffic to canary".to_owned()
            }
        }
        Strategy::AbTesting { iterations } | Strategy::BlueGreen { iterations, .. } => {
            let iteration = to.iterations;
            format!("Advance {name} canary iteration {iteration}/{iterations}")
        }
    })
}
