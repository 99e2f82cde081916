//! Progressing and WaitingPromotion: one step after the other, each left only after its checks passed.
//!
//! Facts come first (a new revision, the primary, the routes, the pods), then the questions of the round,
//! then the next step. Nothing here goes on without an answer, and nothing unknown counts as bad.

use super::{
    begin,
    plan::Plan,
    promote, roll_back,
    round::{self, Asking, Checked, Heard},
    scene::{Scene, Side},
    settle,
    wording::event,
};
use crate::{
    action::Action,
    report::{Evidence, told},
    spec::{GateKind, Next, Strategy, strategy::Position},
    state::{Phase, RollbackReason, Run, State, WEIGHTS_MAX},
    verdict::Verdict,
    waiting::WaitingOn,
    weight::Split,
    world::{Part, Readiness, Snapshot, TrafficSeen},
};

/// Decides in Progressing or WaitingPromotion.
pub(super) fn decide(scene: &Scene<'_>, state: &State, run: &Run) -> Plan {
    let snapshot = match scene.target_snapshot() {
        Ok(snapshot) => snapshot,
        Err(waiting_on) => return lost_target(scene, state, run, waiting_on),
    };
    let facts = revision_fact(scene, run, snapshot)
        .or_else(|| settle::primary_missing(scene, state, snapshot))
        .or_else(|| promoted_fact(scene, run))
        .or_else(|| pods_fact(scene, state, run))
        .or_else(|| readiness_fact(scene, state, run))
        .or_else(|| routes_fact(scene, state, run));
    if let Some(plan) = facts {
        return plan;
    }
    if scene.spec.is_analysis_skipped {
        return promote::begin(scene, run, Checked::default());
    }
    questions(scene, state, run)
}

/// The target cannot be read or is gone. Requests for pods that are gone go back to the primary.
fn lost_target(scene: &Scene<'_>, state: &State, run: &Run, waiting_on: WaitingOn) -> Plan {
    let is_gone = matches!(waiting_on, WaitingOn::Target { .. });
    if is_gone && begin::has_lost_pods(scene, run) {
        return drop_back(scene, state, run)
            .unwrap_or_else(|| Plan::hold(state.clone(), waiting_on));
    }
    Plan::hold(state.clone(), waiting_on)
}

/// A newer revision: the canary gets no traffic before anything else happens.
fn revision_fact(scene: &Scene<'_>, run: &Run, snapshot: &Snapshot) -> Option<Plan> {
    (run.snapshot != *snapshot).then(|| begin::restart(scene, run, snapshot))
}

/// The primary already has this revision: we stopped between promoting and saying so, or the target went
/// back to what the primary runs.
fn promoted_fact(scene: &Scene<'_>, run: &Run) -> Option<Plan> {
    (scene.primary_snapshot() == Some(&run.snapshot)).then(|| promote::resume(scene, run))
}

fn pods_fact(scene: &Scene<'_>, state: &State, run: &Run) -> Option<Plan> {
    if begin::has_lost_pods(scene, run)
        && let Some(plan) = drop_back(scene, state, run)
    {
        return Some(plan);
    }
    begin::is_scaled_down(scene).then(|| {
        let plan = match scene.readiness(Side::Canary, None) {
            Readiness::Ready => Plan::to(state.clone()),
            Readiness::Pending(missing) | Readiness::Expired(missing) => {
                Plan::hold(state.clone(), scene.pods(Side::Canary, &missing))
            }
        };
        plan.doing(begin::scale_up(scene))
    })
}

/// The canary lost its pods while users were on it: they go to the primary, and the run starts over with one
/// failed check more, so that a canary that keeps dying comes to an end. `None` when the primary is no better.
fn drop_back(scene: &Scene<'_>, state: &State, run: &Run) -> Option<Plan> {
    if !scene.is_primary_good(run.promoted.as_ref(), None) {
        return None;
    }
    let why = format!(
        "{}.{} has no pods at weight {}",
        scene.spec.target.name, scene.spec.namespace, run.position.split.canary
    );
    let failed = fail(scene, run, Vec::new());
    let mut next = Run {
        position: Position::default(),
        ..failed
    };
    next.memory.weights.clear();
    next.memory.step_started = Some(scene.today());
    next.memory.wait_started = Some(scene.today());
    let routes = [Action::Routes(Split::PRIMARY)];
    let halt = super::wording::warning(
        state.phase(),
        format!("Halt {} advancement {why}", scene.spec.dotted()),
    );
    let plan = if next.failed_checks >= scene.spec.threshold {
        let sentence = format!(
            "{why}: {} checks of {} failed",
            next.failed_checks, scene.spec.threshold
        );
        roll_back::begin(scene, next, RollbackReason::Checks(sentence))
    } else {
        Plan::to(State::Progressing(next)).because(why)
    };
    let mut actions: Vec<Action> = routes.into();
    actions.push(halt);
    let mut plan = plan;
    actions.append(&mut plan.decision.actions);
    plan.decision.actions = actions;
    Some(plan)
}

/// Both sides must be ready. A primary that is broken for good does not keep its cure away; a canary out of
/// time is rolled back.
fn readiness_fact(scene: &Scene<'_>, state: &State, run: &Run) -> Option<Plan> {
    match scene.idle_primary(run.memory.started) {
        Readiness::Ready | Readiness::Expired(_) => {}
        Readiness::Pending(missing) => {
            return Some(Plan::hold(
                state.clone(),
                scene.pods(Side::Primary, &missing),
            ));
        }
    }
    let since = run.memory.wait_started.or(run.memory.started);
    match scene.readiness(Side::Canary, since) {
        Readiness::Ready => None,
        Readiness::Pending(missing) => Some(Plan::hold(
            state.clone(),
            scene.pods(Side::Canary, &missing),
        )),
        Readiness::Expired(missing) => {
            let text = scene.not_ready(Side::Canary, &missing.text);
            Some(roll_back::begin(
                scene,
                run.clone(),
                RollbackReason::Deadline(text),
            ))
        }
    }
}

/// The routes must say what the run stands at.
fn routes_fact(scene: &Scene<'_>, state: &State, run: &Run) -> Option<Plan> {
    if !scene.spec.has_routes() {
        return None;
    }
    match &scene.world.traffic {
        TrafficSeen::Unread => Some(Plan::hold(state.clone(), WaitingOn::Cache("the routes"))),
        TrafficSeen::Unreadable(_) if scene.world.drift.contains(&Part::Routes) => {
            Some(Plan::to(state.clone()).doing([Action::Routes(run.position.split)]))
        }
        TrafficSeen::Unreadable(why) => Some(
            Plan::hold(state.clone(), WaitingOn::Routes(why.clone()))
                .doing([Action::Routes(run.position.split)]),
        ),
        TrafficSeen::Split(split) if *split == run.position.split => None,
        TrafficSeen::Split(split) => {
            let why = format!(
                "the canary has {} %, {} % is wanted",
                split.canary, run.position.split.canary
            );
            Some(
                Plan::hold(state.clone(), WaitingOn::Routes(why))
                    .doing([Action::Routes(run.position.split)]),
            )
        }
    }
}

/// The questions of the round, in Flagger's order.
fn questions(scene: &Scene<'_>, state: &State, run: &Run) -> Plan {
    if run.failed_checks >= scene.spec.threshold {
        let why = threshold_sentence(scene, run);
        return roll_back::begin(scene, run.clone(), RollbackReason::Checks(why));
    }
    let asking = Asking::of(scene, run, state.phase());
    if asking.opening > scene.now {
        let at = asking.opening;
        // A closed confirm gate goes on being the thing that is waited for between rounds.
        return Plan::hold(state.clone(), WaitingOn::Check { at });
    }
    match round::rollback_hook(scene, &asking) {
        Err(probes) => return Plan::ask(state.clone(), probes),
        Ok(Some(gate)) => {
            let told = super::wording::passed(gate, asking.phase);
            let reason = RollbackReason::Hook(gate.name.clone());
            let mut plan = roll_back::begin(scene, run.clone(), reason);
            let mut actions: Vec<Action> = told.into_iter().collect();
            actions.append(&mut plan.decision.actions);
            plan.decision.actions = actions;
            return plan;
        }
        Ok(None) => {}
    }
    let is_first = run.memory.weights.is_empty();
    let heard = if is_first {
        round::hooks(scene, &asking, GateKind::PreRollout)
    } else {
        match round::hooks(scene, &asking, GateKind::Rollout) {
            Heard::Passed(hooks) => join(hooks, round::metrics(scene, &asking, run)),
            other @ (Heard::Ask(_) | Heard::Failed(_) | Heard::Unknown(_)) => other,
        }
    };
    match heard {
        Heard::Ask(probes) => Plan::ask(state.clone(), probes),
        Heard::Unknown(waiting_on) => Plan::hold(state.clone(), waiting_on),
        Heard::Failed(checked) => failed(scene, state, run, checked, is_first),
        Heard::Passed(checked) => step(scene, state, run, &asking, checked),
    }
}

fn join(mut first: Checked, second: Heard) -> Heard {
    match second {
        Heard::Passed(mut second) => {
            first.evidence.append(&mut second.evidence);
            first.events.append(&mut second.events);
            Heard::Passed(first)
        }
        other @ (Heard::Ask(_) | Heard::Failed(_) | Heard::Unknown(_)) => other,
    }
}

/// A round failed: it counts, and at the threshold the verdict is stored before anything is done about it.
fn failed(scene: &Scene<'_>, state: &State, run: &Run, checked: Checked, is_first: bool) -> Plan {
    let mut actions = Vec::new();
    if is_first && run.failed_checks == 0 {
        actions.push(starting(scene));
    }
    actions.extend(checked.events);
    let next = fail(scene, run, checked.evidence.clone());
    let plan = if next.failed_checks >= scene.spec.threshold {
        let why = threshold_sentence(scene, &next);
        roll_back::begin(scene, next, RollbackReason::Checks(why))
    } else {
        let summary = format!(
            "{}; {} of {} failed checks",
            told::failures(&checked.evidence),
            next.failed_checks,
            scene.spec.threshold
        );
        Plan::to(with(state, next)).because(summary)
    };
    let mut plan = plan.showing(checked.evidence);
    actions.append(&mut plan.decision.actions);
    plan.decision.actions = actions;
    plan
}

fn threshold_sentence(scene: &Scene<'_>, run: &Run) -> String {
    format!(
        "{}: {} checks of {} failed",
        told::failures(&run.memory.evidence),
        run.failed_checks,
        scene.spec.threshold
    )
}

/// The run with one failed round more.
fn fail(scene: &Scene<'_>, run: &Run, evidence: Vec<Evidence>) -> Run {
    let mut next = run.clone();
    next.failed_checks = next.failed_checks.saturating_add(1);
    next.memory.failed = next
        .memory
        .failed
        .saturating_add(count(&evidence, &Verdict::Fail));
    next.memory.checked = Some(scene.today());
    if !evidence.is_empty() {
        next.memory.evidence = evidence;
    }
    next
}

fn count(evidence: &[Evidence], verdict: &Verdict) -> u32 {
    let number = evidence
        .iter()
        .filter(|one| one.needs.is_some() && one.verdict == *verdict)
        .count();
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// All passed: the next step, when its confirm gates are open.
fn step(scene: &Scene<'_>, state: &State, run: &Run, asking: &Asking, checked: Checked) -> Plan {
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
        match round::confirm(scene, asking, kind) {
            Heard::Ask(probes) => return Plan::ask(state.clone(), probes),
            Heard::Unknown(waiting_on) => {
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
        Next::Promote => promote::begin(scene, &pass(scene, run, &passed.evidence), passed),
    }
}

/// The confirm gates in front of the next step.
fn confirms(scene: &Scene<'_>, state: &State, run: &Run, next: Next) -> Vec<GateKind> {
    let is_waiting = state.phase() == Phase::WaitingPromotion;
    match (&scene.spec.strategy, next) {
        (Strategy::Weighted { .. }, next) => {
            let mut kinds = Vec::new();
            let is_mirroring = match next {
                Next::Visit(position) => position.split.mirrored,
                Next::Promote => false,
            };
            if !is_waiting && !is_mirroring && !run.position.split.mirrored {
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

fn starting(scene: &Scene<'_>) -> Action {
    event(
        Phase::Progressing,
        format!("Starting canary analysis for {}", dotted_target(scene)),
    )
}

fn dotted_target(scene: &Scene<'_>) -> String {
    format!("{}.{}", scene.spec.target.name, scene.spec.namespace)
}

/// The run with a passed round.
fn pass(scene: &Scene<'_>, run: &Run, evidence: &[Evidence]) -> Run {
    let mut next = run.clone();
    next.memory.passed = next
        .memory
        .passed
        .saturating_add(count(evidence, &Verdict::Pass));
    if !evidence.is_empty() {
        next.memory.evidence = evidence.to_vec();
    }
    next.memory.step_started = Some(scene.today());
    next.memory.wait_started = Some(scene.today());
    next.memory.checked = None;
    next
}

/// Goes to the next split.
fn visit(scene: &Scene<'_>, run: &Run, position: Position, passed: Checked) -> Plan {
    let mut next = pass(scene, run, &passed.evidence);
    let mut actions = Vec::new();
    if scene.spec.has_routes() && position.split != run.position.split {
        actions.push(Action::Routes(position.split));
    }
    actions.extend(passed.events);
    actions.push(event(
        Phase::Progressing,
        advance_text(scene, run.position, position),
    ));
    next.position = position;
    next.memory.weights.push(position.split.canary);
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

fn advance_text(scene: &Scene<'_>, from: Position, to: Position) -> String {
    let name = scene.spec.dotted();
    match &scene.spec.strategy {
        Strategy::Weighted { .. } => {
            format!("Advance {name} canary weight {}", to.split.canary)
        }
        Strategy::BlueGreen { iterations, .. } if to.iterations > *iterations => {
            if !scene.spec.has_routes() {
                return format!("Advance {name} canary iteration {iterations}/{iterations}");
            }
            if from.split.mirrored {
                return "Stop traffic mirroring and route all traffic to canary".to_owned();
            }
            "Routing all traffic to canary".to_owned()
        }
        Strategy::AbTesting { iterations } | Strategy::BlueGreen { iterations, .. } => {
            format!(
                "Advance {name} canary iteration {}/{iterations}",
                to.iterations
            )
        }
    }
}

/// The same phase with another run.
fn with(state: &State, run: Run) -> State {
    if state.phase() == Phase::WaitingPromotion {
        return State::WaitingPromotion(run);
    }
    State::Progressing(run)
}
