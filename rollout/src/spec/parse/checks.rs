//! Parses `analysis.metrics` (spec/flagger.md 5.2).

use api::canary::{CanaryAnalysis, CanaryMetric};
use chrono::TimeDelta;

use super::window;
use crate::spec::{Check, CheckId, CheckSource, Limits, OnUnknown, finding::Review};

/// Checks that a run remembers.
const CHECKS_MAX: usize = 32;
const WINDOW_S_DEFAULT: i64 = 60;

pub(super) fn checks(
    analysis: &CanaryAnalysis,
    namespace: &str,
    review: &mut Review,
) -> Vec<Check> {
    let mut own = Vec::new();
    let mut templates = Vec::new();
    for (place, metric) in analysis.metrics.iter().enumerate() {
        let field = format!("spec.analysis.metrics[{place}]");
        let interval = interval(metric, &field, review);
        let sources = sources(metric, namespace);
        if sources.is_empty() {
            review.add(
                format!("{field}.name"),
                format!("{:?}", metric.name),
                "it is not built in; give templateRef or query, or use request-success-rate or request-duration",
            );
        }
        for source in sources {
            let limits = limits(metric, &source, &field, review);
            let list = match &source {
                CheckSource::Template { .. } => &mut templates,
                CheckSource::SuccessRate | CheckSource::Duration | CheckSource::Query(_) => {
                    &mut own
                }
            };
            list.push((metric, source, interval, limits));
        }
    }
    own.append(&mut templates);
    if own.len() > CHECKS_MAX {
        review.add(
            "spec.analysis.metrics",
            format!("a list of {} checks", own.len()),
            format!("use at most {CHECKS_MAX}"),
        );
    }
    (0..)
        .zip(own)
        .map(|(place, (metric, source, interval, limits))| Check {
            id: CheckId(place),
            name: metric.name.clone(),
            source,
            variables: metric.template_variables.clone(),
            interval,
            limits,
        })
        .collect()
}

/// `onUnknown`: a deadline, and what comes after it.
pub(super) fn on_unknown(analysis: &CanaryAnalysis, review: &mut Review) -> Option<OnUnknown> {
    let given = analysis.on_unknown.as_ref()?;
    let field = "spec.analysis.onUnknown.deadline";
    let deadline = window(&given.deadline, field, review)?;
    if deadline.is_zero() {
        review.add(
            field,
            format!("{:?}", given.deadline),
            "one answer that did not come would be the end; use for example \"10m\"",
        );
    }
    Some(OnUnknown {
        deadline,
        action: given.action,
    })
}

/// A metric can be measured in several ways, and then each counts, as in Flagger.
fn sources(metric: &CanaryMetric, namespace: &str) -> Vec<CheckSource> {
    let mut sources = Vec::new();
    match metric.name.as_str() {
        "request-success-rate" => sources.push(CheckSource::SuccessRate),
        "request-duration" => sources.push(CheckSource::Duration),
        _ => {}
    }
    if let Some(query) = metric.query.as_deref().filter(|query| !query.is_empty()) {
        sources.push(CheckSource::Query(query.to_owned()));
    }
    if let Some(template) = &metric.template_ref {
        let own = template.namespace.as_deref().filter(|it| !it.is_empty());
        sources.push(CheckSource::Template {
            name: template.name.clone(),
            namespace: own.unwrap_or(namespace).to_owned(),
        });
    }
    sources
}

fn interval(metric: &CanaryMetric, field: &str, review: &mut Review) -> TimeDelta {
    let fallback = TimeDelta::seconds(WINDOW_S_DEFAULT);
    let Some(text) = metric.interval.as_deref().filter(|text| !text.is_empty()) else {
        return fallback;
    };
    let graphite = metric.template_ref.as_ref().and_then(|_| graphite(text));
    let go = graphite.as_deref().unwrap_or(text);
    let length = window(go, &format!("{field}.interval"), review).unwrap_or(fallback);
    if length.is_zero() {
        review.add(
            format!("{field}.interval"),
            format!("{text:?}"),
            "a query needs a window; use for example \"1m\"",
        );
    }
    length
}

/// `1min` in Go's words: MetricTemplates of Graphite put their interval into the query, where it has Graphite's units.
fn graphite(text: &str) -> Option<String> {
    const UNITS: [(&str, char); 6] = [
        ("minutes", 'm'),
        ("minute", 'm'),
        ("min", 'm'),
        ("seconds", 's'),
        ("second", 's'),
        ("sec", 's'),
    ];
    let split = |(word, unit): &(&str, char)| Some((text.strip_suffix(word)?, *unit));
    let (number, unit) = UNITS.iter().find_map(split)?;
    Some(format!("{number}{unit}"))
}

fn limits(metric: &CanaryMetric, source: &CheckSource, field: &str, review: &mut Review) -> Limits {
    if let Some(range) = metric.threshold_range {
        if let (Some(min), Some(max)) = (range.min, range.max)
            && min > max
        {
            review.add(
                format!("{field}.thresholdRange"),
                format!("{min} to {max}"),
                "no value can keep it; min must not be above max",
            );
        }
        return Limits {
            min: range.min,
            max: range.max,
        };
    }
    let threshold = Some(metric.threshold.unwrap_or(0.0));
    match source {
        CheckSource::SuccessRate => Limits {
            min: threshold,
            max: None,
        },
        CheckSource::Duration | CheckSource::Query(_) | CheckSource::Template { .. } => Limits {
            min: None,
            max: threshold,
        },
    }
}
