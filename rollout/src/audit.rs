//! Checks a decision a second way, by rules that do not share the planner's thoughts.
//!
//! It looks at the transition (before, what was seen, what is wanted), not at how it came about. It runs in
//! every test and, counted, in production.

use crate::{
    action::{Action, Scale},
    report::Decision,
    spec::{Next, TargetKind, UnknownAction, ValidSpec},
    state::{RollbackReason, Run, State},
    verdict::Verdict,
    weight::{Split, Weight},
    world::{Seen, Snapshot, TrafficSeen, Workload, World},
};

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// `I1` to `I13`, as `docs/invariants.md` counts them.
    pub invariant: &'static str,
    /// What is wrong.
    pub detail: String,
}

/// Every invariant that `decision`, taken in `before`, breaks; empty when it is sound.
#[must_use]
pub fn audit(spec: &ValidSpec, before: &State, world: &World, decision: &Decision) -> Vec<Broken> {
    let before = &before.with_mirroring(&spec.strategy, spec.has_routes());
    let view = View {
        spec,
        before,
        world,
        decision,
    };
    let mut broken = Vec::new();
    let rules: [(&'static str, Rule); 10] = [
        ("I1", weight_is_routed),
        ("I2", canary_can_take_its_share),
        ("I2", running_pods_are_kept),
        ("I3", promoted_is_analysed),
        ("I3", primary_is_made_only_when_missing),
        ("I4", primary_can_take_its_share),
        ("I6", steps_are_taken_in_order),
        ("I7", new_revision_gets_nothing),
        ("I11", unknown_is_neither),
        ("I13", rest_is_rest),
    ];
    for (invariant, rule) in rules {
        broken.extend(rule(&view).map(|detail| Broken { invariant, detail }));
    }
    broken
}

/// Says what is wrong, if anything is.
type Rule = fn(&View<'_>) -> Option<String>;

struct View<'a> {
    spec: &'a ValidSpec,
    before: &'a State,
    world: &'a World,
    decision: &'a Decision,
}

impl View<'_> {
    fn routes(&self) -> impl Iterator<Item = Split> + '_ {
        self.decision
            .actions
            .iter()
            .filter_map(|action| match action {
                Action::Routes(split) => Some(*split),
                Action::AddFinalizer
                | Action::RemoveFinalizer
                | Action::Services
                | Action::Primary { .. }
                | Action::Adopt { .. }
                | Action::Apex
                | Action::ScaleTarget(_)
                | Action::ScalePrimary { .. }
                | Action::PrimaryScaler { .. }
                | Action::PauseScaler
                | Action::ResumeScaler
                | Action::Promote { .. }
                | Action::RevertTarget
                | Action::RevertApex
                | Action::RevertRoutes
                | Action::RunHooks { .. }
                | Action::Event { .. }
                | Action::Alert { .. }
                | Action::Count { .. } => None,
            })
    }

    /// The canary's share as the routes have it.
    fn routed(&self) -> Option<Weight> {
        match &self.world.traffic {
            TrafficSeen::Split(split) => Some(split.canary),
            TrafficSeen::Unread | TrafficSeen::Pending(_) | TrafficSeen::Unreadable(_) => None,
        }
    }

    fn answers(&self, seen: &Seen) -> bool {
        let is_service = self.spec.target.kind == TargetKind::Service;
        seen.workload()
            .is_some_and(|workload| is_service || is_answering(workload))
    }

    fn target_snapshot(&self) -> Option<&Snapshot> {
        self.world.target.workload()?.snapshot.as_ref()
    }
}

const fn is_answering(workload: &Workload) -> bool {
    workload.desired > 0 && workload.available > 0
}

/// I1: what is stored as weight is what is routed.
fn weight_is_routed(view: &View<'_>) -> Option<String> {
    let last = view.routes().last()?;
    let stored = view.decision.state.weight();
    (last.canary != stored).then(|| format!("routes {} %, stores {stored} %", last.canary))
}

/// I2: the canary's share rises only when it has pods that answer.
fn canary_can_take_its_share(view: &View<'_>) -> Option<String> {
    let highest = view.routes().map(|split| split.canary).max()?;
    let has_risen = match view.routed() {
        Some(routed) => highest > routed,
        None => !highest.is_zero(),
    };
    // What was decided and stored before, and lost since, is put back as it was.
    let is_repair = highest <= view.before.weight() && view.routed() != Some(Weight::ZERO);
    (has_risen && !is_repair && !view.answers(&view.world.target))
        .then(|| format!("routes {highest} % to a canary without available pods"))
}

/// I2: nobody's pods are taken away.
fn running_pods_are_kept(view: &View<'_>) -> Option<String> {
    let is_scaled_down = view
        .decision
        .actions
        .contains(&Action::ScaleTarget(Scale::Zero));
    let routed = view.routed().unwrap_or(Weight::ZERO);
    (is_scaled_down
        && view.spec.has_routes()
        && (!routed.is_zero() || !view.decision.state.weight().is_zero()))
    .then(|| format!("scales the canary down while it has {routed} %"))
}

/// I3: only what was analysed, and what is still there, is promoted.
fn promoted_is_analysed(view: &View<'_>) -> Option<String> {
    let promoted = view
        .decision
        .actions
        .iter()
        .find_map(|action| match action {
            Action::Promote { snapshot } => Some(snapshot),
            Action::AddFinalizer
            | Action::RemoveFinalizer
            | Action::Services
            | Action::Primary { .. }
            | Action::Adopt { .. }
            | Action::Apex
            | Action::Routes(_)
            | Action::ScaleTarget(_)
            | Action::ScalePrimary { .. }
            | Action::PrimaryScaler { .. }
            | Action::PauseScaler
            | Action::ResumeScaler
            | Action::RevertTarget
            | Action::RevertApex
            | Action::RevertRoutes
            | Action::RunHooks { .. }
            | Action::Event { .. }
            | Action::Alert { .. }
            | Action::Count { .. } => None,
        })?;
    let analysed = view.before.run().map(|run| &run.snapshot);
    let is_sound = analysed == Some(promoted) && view.target_snapshot() == Some(promoted);
    (!is_sound).then(|| format!("promotes {}, which was not analysed", promoted.short()))
}

fn primary_is_made_only_when_missing(view: &View<'_>) -> Option<String> {
    let is_made = view
        .decision
        .actions
        .iter()
        .any(|action| matches!(action, Action::Primary { .. }));
    (is_made && view.world.primary != Seen::Absent)
        .then(|| "makes a primary that is there".to_owned())
}

/// I4: the primary's share rises only when it has pods that answer, of a version that is known good.
fn primary_can_take_its_share(view: &View<'_>) -> Option<String> {
    let lowest = view.routes().map(|split| split.canary).min()?;
    let routed = view.routed()?;
    // Weights that others changed are put back as they were stored.
    let is_repair = lowest >= view.before.weight() && lowest >= view.decision.state.weight();
    if lowest >= routed || is_repair {
        return None;
    }
    if !view.answers(&view.world.primary) {
        return Some("routes to a primary without available pods".to_owned());
    }
    let there = view.world.primary.workload()?.snapshot.as_ref()?;
    let run = view.before.run()?;
    let is_good = run.promoted.as_ref() == Some(&there.revision) || run.snapshot == *there;
    (!is_good).then(|| format!("routes to a primary that runs {}", there.short()))
}

/// I6: one step at a time, in the order of the spec, and not before an interval has passed.
fn steps_are_taken_in_order(view: &View<'_>) -> Option<String> {
    let (before, after) = (view.before.run()?, view.decision.state.run()?);
    let is_same =
        before.snapshot == after.snapshot && before.memory.started == after.memory.started;
    let is_further = after.position.iterations > before.position.iterations
        || after.position.split.canary > before.position.split.canary;
    if !is_same || !is_further {
        return None;
    }
    let wanted = view
        .spec
        .strategy
        .next(before.position, view.spec.has_routes());
    let is_next = match wanted {
        Next::Visit(position) => position.split.canary == after.position.split.canary,
        Next::Promote => false,
    };
    if !is_next {
        return Some(format!(
            "goes from {} % to {} %, which is no step",
            before.position.split.canary, after.position.split.canary
        ));
    }
    is_early(view.spec, before, after)
        .then(|| format!("leaves {} % too early", before.position.split.canary))
}

fn is_early(spec: &ValidSpec, before: &Run, after: &Run) -> bool {
    let (Some(began), Some(left)) = (before.memory.step_started, after.memory.step_started) else {
        return false;
    };
    // A clock that was set back says nothing about how long the step took.
    !before.memory.weights.is_empty() && left >= began && left - began < spec.interval
}

/// I7: a newer revision gets no traffic, and the one before it is not promoted any more.
fn new_revision_gets_nothing(view: &View<'_>) -> Option<String> {
    let run = view.before.run()?;
    let target = view.target_snapshot()?;
    let is_frozen = view.spec.is_suspended || view.world.is_deleting;
    if *target == run.snapshot || is_frozen || view.world.target_fault.is_some() {
        return None;
    }
    let rises = view
        .routes()
        .any(|split| split.canary > run.position.split.canary);
    if rises {
        return Some("gives a revision traffic that nobody analysed".to_owned());
    }
    let is_waiting_for_cache = view.world.primary == Seen::Unread;
    let stays = !view.decision.state.weight().is_zero();
    let primary = view.world.primary.workload();
    let is_known = primary
        .and_then(|primary| primary.snapshot.as_ref())
        .is_none_or(|there| {
            run.promoted.as_ref() == Some(&there.revision) || run.snapshot == *there
        });
    let could_move = view.answers(&view.world.primary) && is_known && !is_waiting_for_cache;
    let was_rolling_back = matches!(view.before, State::RollingBack(..) | State::Progressing(_))
        && primary.and_then(|primary| primary.snapshot.as_ref()) == Some(&run.snapshot);
    (stays && could_move && !was_rolling_back && !run.position.split.canary.is_zero())
        .then(|| "leaves users on a revision that nobody analysed".to_owned())
}

/// I11: without a verdict nothing is promoted, counted or rolled back, unless the Canary gives a deadline for it.
fn unknown_is_neither(view: &View<'_>) -> Option<String> {
    let (before, after) = (view.before.run()?, view.decision.state.run()?);
    let evidence = &view.decision.report.evidence;
    let is_unknown = evidence
        .iter()
        .any(|one| matches!(one.verdict, Verdict::Unknown(_)))
        && evidence.iter().all(|one| one.verdict != Verdict::Fail);
    let is_moved = after.position != before.position || after.failed_checks > before.failed_checks;
    let is_promoted = view
        .decision
        .actions
        .iter()
        .any(|action| matches!(action, Action::Promote { .. }));
    if is_unknown && (is_moved || is_promoted) {
        return Some("takes no verdict for one".to_owned());
    }
    let State::RollingBack(run, RollbackReason::Unknown(_)) = &view.decision.state else {
        return None;
    };
    if matches!(view.before, State::RollingBack(..)) {
        return None;
    }
    let lasted = run.memory.checked.zip(run.memory.unknown_since);
    let lasted = lasted.map(|(end, start)| end - start);
    let is_allowed = view.spec.on_unknown.is_some_and(|policy| {
        policy.action == UnknownAction::Rollback
            && lasted.is_some_and(|lasted| lasted >= policy.deadline)
    });
    (!is_allowed).then(|| format!("rolls back without a verdict for {lasted:?}"))
}

/// I13: where nothing is wrong and nothing is new, nothing is done and nothing is planned.
fn rest_is_rest(view: &View<'_>) -> Option<String> {
    let settled = match view.before {
        State::Initialized(settled) | State::Succeeded(settled) | State::Failed(settled) => settled,
        State::New
        | State::Initializing(_)
        | State::Waiting(_)
        | State::Progressing(_)
        | State::WaitingPromotion(_)
        | State::RollingBack(..)
        | State::Promoting(_)
        | State::Finalising(_)
        | State::Terminating(_) => return None,
    };
    let world = view.world;
    let is_routed = !view.spec.has_routes()
        || world.traffic == TrafficSeen::Split(Split::to_canary(settled.weight));
    let is_calm = world.drift.is_empty()
        && is_routed
        && !world.is_deleting
        && world.has_finalizer == view.spec.is_reverted_on_deletion
        && view.answers(&world.primary)
        && (settled.weight.is_zero() || view.answers(&world.target))
        && settled.applied.is_some()
        && settled.applied.as_ref() == view.target_snapshot()
        && world.target_fault.is_none()
        && settled.memory.hold.is_none()
        && (view.spec.affinity.is_none()
            || settled.memory.cookies.canary.is_some() != settled.weight.is_zero());
    let decision = view.decision;
    let is_still =
        decision.actions.is_empty() && decision.state == *view.before && decision.wake.is_none();
    (is_calm
        && !is_still
        && !settled
            .applied
            .as_ref()
            .is_some_and(|it| it.revision.is_legacy()))
    .then(|| format!("does not rest: {:?}", decision.actions))
}
