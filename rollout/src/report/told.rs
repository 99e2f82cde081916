//! Tells evidence in one sentence: how a run ended, what failed, what passed.

use std::fmt::Write as _;

use super::Evidence;
use crate::{
    answers::{Measured, Sample},
    spec::{Check, CheckSource, Limits},
    state::Memory,
    verdict::{Verdict, judge_number},
};

/// Digits behind the point that are tried before a value is shown as it is.
const DIGITS_MAX: usize = 4;

impl Evidence {
    /// One metric of one round.
    #[must_use]
    pub fn of(check: &Check, sample: &Sample, verdict: Verdict) -> Self {
        let value = match &sample.measured {
            Measured::Value(value) if value.is_finite() => number(check, *value),
            Measured::Value(value) => value.to_string(),
            Measured::Nothing(why) | Measured::Error(why) => why.clone(),
        };
        Self {
            name: check.name.clone(),
            value,
            needs: Some(needs(check)),
            verdict,
            at: Some(sample.at),
        }
    }
}

/// `request-success-rate 66.7 %, needs ≥ 99 %`, for all that failed; what is missing when nothing did.
#[must_use]
pub fn failures(evidence: &[Evidence]) -> String {
    let failed: Vec<String> = evidence
        .iter()
        .filter(|one| one.verdict == Verdict::Fail)
        .map(|one| match &one.needs {
            Some(needs) => format!("{} {}, needs {needs}", label(&one.name), one.value),
            None => format!("hook {:?}: {}", one.name, one.value),
        })
        .collect();
    if failed.is_empty() {
        return "no check passed".to_owned();
    }
    failed.join("; ")
}

/// `: 2 checks passed`, or nothing when there were none.
#[must_use]
pub fn passes(evidence: &[Evidence]) -> String {
    match evidence.len() {
        0 => String::new(),
        1 => ": 1 check passed".to_owned(),
        number => format!(": {number} checks passed"),
    }
}

/// `5 steps, 10 checks passed: success 100 % (needs ≥ 99 %), p99 21 ms (needs ≤ 500 ms)`.
#[must_use]
pub fn success(memory: &Memory) -> String {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let steps = memory.weights.len();
    let mut text = format!("{steps} step{}", plural(steps));
    if memory.passed > 0 {
        let checks = usize::try_from(memory.passed).unwrap_or(usize::MAX);
        let _ = write!(text, ", {checks} check{} passed", plural(checks));
    }
    let values: Vec<String> = memory
        .evidence
        .iter()
        .filter_map(|one| {
            let needs = one.needs.as_ref()?;
            Some(format!(
                "{} {} (needs {needs})",
                short(&one.name),
                one.value
            ))
        })
        .collect();
    if !values.is_empty() {
        let _ = write!(text, ": {}", values.join(", "));
    }
    text
}

fn label(name: &str) -> String {
    match name {
        "request-duration" => "request-duration p99".to_owned(),
        other => other.to_owned(),
    }
}

fn short(name: &str) -> &str {
    match name {
        "request-success-rate" => "success",
        "request-duration" => "p99",
        other => other,
    }
}

/// What a check's value must be: `≥ 99 %`.
#[must_use]
pub fn needs(check: &Check) -> String {
    let unit = unit(&check.source);
    let Limits { min, max } = check.limits;
    match (min, max) {
        (Some(min), None) => format!("≥ {}{unit}", trimmed(min, DIGITS_MAX)),
        (None, Some(max)) => format!("≤ {}{unit}", trimmed(max, DIGITS_MAX)),
        (Some(min), Some(max)) => format!(
            "{} to {}{unit}",
            trimmed(min, DIGITS_MAX),
            trimmed(max, DIGITS_MAX)
        ),
        (None, None) => "any value".to_owned(),
    }
}

/// The value with its unit and as few digits as still tell why it passed or failed.
fn number(check: &Check, value: f64) -> String {
    let is_told = |digits: &usize| {
        trimmed(value, *digits).parse().is_ok_and(|shown: f64| {
            let real = judge_number(&check.source, check.limits, value);
            judge_number(&check.source, check.limits, shown) == real
        })
    };
    let fewest = match check.source {
        CheckSource::Duration => 0,
        CheckSource::SuccessRate => 1,
        CheckSource::Query(_) | CheckSource::Template { .. } => 2,
    };
    let digits = (fewest..=DIGITS_MAX).find(is_told).unwrap_or(DIGITS_MAX);
    format!("{}{}", trimmed(value, digits), unit(&check.source))
}

const fn unit(source: &CheckSource) -> &'static str {
    match source {
        CheckSource::SuccessRate => " %",
        CheckSource::Duration => " ms",
        CheckSource::Query(_) | CheckSource::Template { .. } => "",
    }
}

/// At most `digits` behind the point, without zeros at the end.
fn trimmed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
