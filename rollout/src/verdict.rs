//! Judges a sample by the limits of its check.
//!
//! Only a finite number can pass or fail. Everything else is unknown: it holds the rollout and counts as
//! nothing, neither good nor bad (invariant I11).

use crate::{
    answers::Measured,
    spec::{Check, CheckSource, Limits},
};

/// What a sample says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Within the limits.
    Pass,
    /// Outside.
    Fail,
    /// No number to judge; why.
    Unknown(String),
}

/// Judges what was measured for `check`.
#[must_use]
pub fn judge(check: &Check, measured: &Measured) -> Verdict {
    match measured {
        Measured::Nothing(why) | Measured::Error(why) => Verdict::Unknown(why.clone()),
        Measured::Value(value) if !value.is_finite() => Verdict::Unknown(format!(
            "the query returned {value}, which is not a finite number"
        )),
        Measured::Value(value) => judge_number(&check.source, check.limits, *value),
    }
}

/// Judges a finite number.
pub(crate) fn judge_number(source: &CheckSource, limits: Limits, value: f64) -> Verdict {
    // Durations are compared in whole milliseconds, as Flagger does (spec/flagger.md 5.2).
    let whole = |number: f64| match source {
        CheckSource::Duration => number.trunc(),
        CheckSource::SuccessRate | CheckSource::Query(_) | CheckSource::Template { .. } => number,
    };
    let is_low = limits.min.is_some_and(|min| whole(value) < whole(min));
    let is_high = limits.max.is_some_and(|max| whole(value) > whole(max));
    if is_low || is_high {
        return Verdict::Fail;
    }
    Verdict::Pass
}
