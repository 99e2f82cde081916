//! What came back for the probes that were asked: samples of metrics and answers of gates.
//!
//! The operator keeps one `Answers` for each canary in memory, adds to it and drops nothing: an answer
//! is used only as long as it is current (younger than an interval, newer than the step), and each check
//! and gate has one place, so it cannot grow past the spec. Losing it on a restart means asking again.

use chrono::{DateTime, Utc};

use crate::spec::{CheckId, GateId};

/// The latest answer to each probe. There are a handful, so that they stand in plain lists.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answers {
    samples: Vec<(CheckId, Sample)>,
    gates: Vec<(GateId, GateAnswer)>,
}

impl Answers {
    /// Keeps what a check measured.
    pub fn put_sample(&mut self, id: CheckId, sample: Sample) {
        put(&mut self.samples, id, sample);
    }

    /// Keeps what a gate answered.
    pub fn put_gate(&mut self, id: GateId, answer: GateAnswer) {
        put(&mut self.gates, id, answer);
    }

    /// The latest sample of a check.
    #[must_use]
    pub fn sample(&self, id: CheckId) -> Option<&Sample> {
        get(&self.samples, &id)
    }

    /// The latest answer of a gate.
    #[must_use]
    pub fn gate(&self, id: GateId) -> Option<&GateAnswer> {
        get(&self.gates, &id)
    }
}

fn put<I: PartialEq, T>(all: &mut Vec<(I, T)>, id: I, answer: T) {
    match all.iter_mut().find(|(known, _)| *known == id) {
        Some((_, old)) => *old = answer,
        None => all.push((id, answer)),
    }
}

fn get<'a, I: PartialEq, T>(all: &'a [(I, T)], id: &I) -> Option<&'a T> {
    let found = all.iter().find(|(known, _)| known == id)?;
    Some(&found.1)
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
