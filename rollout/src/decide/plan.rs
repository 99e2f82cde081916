//! A decision in the making, with the probes that it lacks answers for.

use chrono::{DateTime, TimeDelta, Utc};

use super::scene::later;
use crate::{
    action::Action,
    probes::Probe,
    report::{Decision, Evidence, Outcome, Report},
    state::State,
    waiting::{Patience, WaitingOn},
};

/// When to look again at a write whose watch event has not come.
const SETTLE: TimeDelta = TimeDelta::seconds(1);
/// When to ask again for answers that did not come.
const ASK_AGAIN: TimeDelta = TimeDelta::seconds(5);

/// A decision in the making.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) decision: Decision,
    pub(crate) probes: Vec<Probe>,
}

impl Plan {
    /// Goes to, or stays in, `state`, without doing anything yet.
    pub(crate) fn to(state: State) -> Self {
        Self {
            decision: Decision {
                state,
                actions: Vec::new(),
                report: Report::default(),
                waiting_on: None,
                wake: None,
            },
            probes: Vec::new(),
        }
    }

    /// Cannot go on without these answers.
    pub(crate) fn ask(state: State, probes: Vec<Probe>) -> Self {
        let mut plan = Self::to(state);
        plan.probes = probes;
        plan.decision.waiting_on = Some(WaitingOn::Answers);
        plan
    }

    /// Stays, and waits for one thing.
    pub(crate) fn hold(state: State, waiting_on: WaitingOn) -> Self {
        let mut plan = Self::to(state);
        plan.decision.waiting_on = Some(waiting_on);
        plan
    }

    /// Adds actions behind those there are.
    pub(crate) fn doing(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.decision.actions.extend(actions);
        self
    }

    /// Puts actions in front of those there are.
    pub(crate) fn first(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        let behind = std::mem::take(&mut self.decision.actions);
        self.decision.actions = actions.into_iter().chain(behind).collect();
        self
    }

    /// Says why.
    pub(crate) fn because(mut self, summary: impl Into<String>) -> Self {
        self.decision.report.summary = summary.into();
        self
    }

    /// Shows the checks it rests on.
    pub(crate) fn showing(mut self, evidence: Vec<Evidence>) -> Self {
        self.decision.report.evidence = evidence;
        self
    }

    /// Ends the run.
    pub(crate) fn ending(mut self, outcome: Outcome) -> Self {
        self.decision.report.summary = outcome.sentence();
        self.decision.report.outcome = Some(outcome);
        self
    }

    /// Sets when to decide again: at once after a change of state alone, soon after a write, and when the
    /// wait says so otherwise.
    pub(crate) fn set_wake(&mut self, before: &State, now: DateTime<Utc>) {
        let decision = &mut self.decision;
        let is_writing = decision.actions.iter().any(Action::is_object_write);
        let has_moved = decision.state != *before;
        let due = match &decision.waiting_on {
            Some(WaitingOn::Gate { next, deadline, .. }) => {
                Some(deadline.map_or(*next, |end| end.min(*next)))
            }
            Some(WaitingOn::Check { at: next } | WaitingOn::Settling { until: next, .. }) => {
                Some(*next)
            }
            Some(WaitingOn::Metrics { next, patience, .. }) => match patience {
                Patience::Until(end, _) => Some(*next.min(end)),
                Patience::Endless | Patience::Over(_) => Some(*next),
            },
            Some(WaitingOn::Pods { deadline, .. }) => deadline.filter(|end| *end > now),
            Some(WaitingOn::Answers) => Some(later(now, ASK_AGAIN)),
            Some(
                WaitingOn::Suspended
                | WaitingOn::Cache(_)
                | WaitingOn::Target { .. }
                | WaitingOn::TargetFault(_)
                | WaitingOn::Routes(_),
            )
            | None => None,
        };
        let soon = match (is_writing, has_moved && decision.waiting_on.is_none()) {
            (true, _) => Some(later(now, SETTLE)),
            (false, true) => Some(now),
            (false, false) => None,
        };
        decision.wake = match (due, soon) {
            (Some(due), Some(soon)) => Some(due.min(soon)),
            (due, soon) => due.or(soon),
        };
    }
}
