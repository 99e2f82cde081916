//! Checks a decision a second way, by rules that do not share the planner's thoughts.
//!
//! It looks at the transition (before, what was seen, what is wanted), not at how it came about. It runs in
//! every test and, counted, in production.

use crate::{
    action::{Action, Scale},
    report::Decision,
    spec::{TargetKind, ValidSpec},
    state::State,
    weight::{Split, Weight},
    world::{Seen, Snapshot, TrafficSeen, Workload, World},
};

mod course;

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// `I1` to `I15`, as `docs/invariants.md` counts them.
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
    let rules: [(&'static str, Rule); 12] = [
        ("I1", weight_is_routed),
        ("I2", canary_can_take_its_share),
        ("I2", running_pods_are_kept),
        ("I3", promoted_is_analysed),
        ("I3", primary_is_made_only_when_missing),
        ("I4", primary_can_take_its_share),
        ("I6", course::steps_are_taken_in_order),
        ("I6", course::gates_end_nothing_early),
        ("I7", course::new_revision_gets_nothing),
        ("I11", course::unknown_is_neither),
        ("I13", course::rest_is_rest),
        ("I15", course::waits_are_named),
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
    let promoted = run.promoted.as_ref();
    let is_good = promoted.is_none_or(|known| *known == there.revision) || run.snapshot == *there;
    (!is_good).then(|| format!("routes to a primary that runs {}", there.short()))
}
