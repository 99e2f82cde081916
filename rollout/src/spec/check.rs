//! One metric to check: where it comes from, the window it covers, and the limits it must keep.

use std::collections::BTreeMap;

use chrono::TimeDelta;

/// Place of a check in `ValidSpec::checks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId(pub u16);

/// One metric to check.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Its place.
    pub id: CheckId,
    /// `metrics[].name`.
    pub name: String,
    /// How it is measured.
    pub source: CheckSource,
    /// `templateVariables`, for whichever query it is measured by.
    pub variables: BTreeMap<String, String>,
    /// The window of the query (`{{ interval }}`); 1 minute unless given.
    pub interval: TimeDelta,
    /// What its value must keep.
    pub limits: Limits,
}

/// How a metric is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckSource {
    /// Built-in `request-success-rate`, in per cent.
    SuccessRate,
    /// Built-in `request-duration` (p99), in milliseconds.
    Duration,
    /// Inline `query`, on the canary's Prometheus.
    Query(String),
    /// A MetricTemplate.
    Template {
        /// Its name.
        name: String,
        /// Its namespace; the canary's unless given.
        namespace: String,
    },
}

/// Bounds of a value, both inclusive. None given: at most 0, as Flagger has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// The least that passes.
    pub min: Option<f64>,
    /// The most that passes.
    pub max: Option<f64>,
}
