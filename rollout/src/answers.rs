//! What came back for the probes that were asked: samples of metrics and answers of gates.
//!
//! The operator keeps one `Answers` for each canary in memory, adds to it and drops nothing: an answer
//! is used only as long as it is current (younger than an interval, newer than the step), and each check
//! and gate has one place, so it cannot grow past the spec. Losing it on a restart means asking again.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::spec::{CheckId, GateId};

/// The latest answer to each probe.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answers {
    /// Latest sample of each check.
    pub samples: BTreeMap<CheckId, Sample>,
    /// Latest answer of each gate.
    pub gates: BTreeMap<GateId, GateAnswer>,
}

impl Answers {
    /// Keeps what a check measured.
    pub fn put_sample(&mut self, id: CheckId, sample: Sample) {
        self.samples.insert(id, sample);
    }

    /// Keeps what a gate answered.
    pub fn put_gate(&mut self, id: GateId, answer: GateAnswer) {
        self.gates.insert(id, answer);
    }
}

/// One measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The idempotency key of the probe it answers.
    pub key: String,
    /// When it was measured: the end of the window it covers.
    pub at: DateTime<Utc>,
    /// What was measured.
    pub measured: Measured,
}

/// What a measurement gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Measured {
    /// A number, in the unit of the check (per cent, milliseconds, or the query's own).
    Value(f64),
    /// The server answered, and there was nothing to judge (empty, no traffic); Flagger's words.
    Nothing(String),
    /// The server could not be asked or its answer not read; why, without secrets.
    Error(String),
}

/// What a webhook answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateAnswer {
    /// The idempotency key of the probe it answers.
    pub key: String,
    /// When it answered.
    pub at: DateTime<Utc>,
    /// True for a 2xx status.
    pub is_open: bool,
    /// What it said when closed: `answered 403`, `refused the connection`, the body of the reply.
    pub detail: String,
}
