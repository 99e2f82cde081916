//! Names what must be asked before a decision can be taken.
//!
//! The operator asks what is named, puts the answers into `Answers` and calls again until nothing is named
//! (each probe is named once a round, so the number of calls is bounded by the spec). So the order holds: rollback gates, rollout
//! hooks, metrics, and a confirm gate only when all before it passed.

use chrono::{DateTime, Utc};

use crate::{
    answers::Answers,
    decide::plan,
    spec::{Check, Gate, ValidSpec},
    state::{Phase, State},
    world::World,
};

/// One thing to ask.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// Measure a metric.
    Check {
        /// What.
        check: Check,
        /// Goes into `Sample::key`.
        key: String,
        /// Data from before this moment says nothing about the step.
        since: DateTime<Utc>,
    },
    /// Call a webhook.
    Gate {
        /// Which.
        gate: Gate,
        /// The question; goes into `GateAnswer::key`.
        key: String,
        /// Idempotency key: the same when this call is repeated, another when the question is asked once more.
        call: String,
        /// The phase to send.
        phase: Phase,
    },
}

/// What must be asked now, given what was answered; empty when `decide` has all it can get.
#[must_use]
pub fn probes(
    spec: &ValidSpec,
    state: &State,
    world: &World,
    answers: &Answers,
    now: DateTime<Utc>,
) -> Vec<Probe> {
    plan(spec, state, world, answers, now).probes
}
