//! Words an alert: Flagger's sentence and fields, and for failures why, with what was measured.

use api::canary::CanaryAnalysis;
use notifier::{Field, Message};
use rollout::action::Severity;
use rollout::{Decision, State};

use super::super::Context;
use super::super::subject::Subject;

/// Highest weight, when none is given.
const MAX_WEIGHT: i64 = 100;

/// What a decision wants to be said.
pub struct Said<'a> {
    /// How bad.
    pub severity: Severity,
    /// The sentence.
    pub text: &'a str,
    /// Whether target, limits and strategy go along.
    pub has_fields: bool,
}

/// The alert of a decision.
pub(super) fn message(
    ctx: &Context,
    subject: &Subject,
    next: &Decision,
    said: &Said<'_>,
) -> Message {
    let why = failure(next);
    let severity = match said.severity {
        Severity::Error => notifier::Severity::Error,
        // A release that a hook took back has failed, whoever decided it.
        Severity::Info | Severity::Warn if why.is_some() => notifier::Severity::Error,
        Severity::Warn => notifier::Severity::Warn,
        Severity::Info => notifier::Severity::Info,
    };
    let mut fields = Vec::new();
    if let Some(cluster) = &ctx.settings.cluster_name {
        fields.push(Field::new("Cluster", cluster));
    }
    if said.has_fields {
        fields.extend(facts(subject));
    }
    if let Some(why) = why {
        fields.push(Field::new("Reason", why));
        fields.extend(measured(&next.state));
    }
    Message {
        sender: subject.spec.dotted(),
        text: said.text.to_owned(),
        severity,
        fields,
    }
}

/// Why the release fails by this decision; none if it does not.
fn failure(next: &Decision) -> Option<String> {
    match &next.state {
        State::RollingBack(_, reason) => Some(reason.sentence()),
        State::Failed(_) => next
            .report
            .outcome
            .as_ref()
            .map(|outcome| outcome.why.clone()),
        State::New
        | State::Initializing(_)
        | State::Initialized(_)
        | State::Waiting(_)
        | State::Progressing(_)
        | State::WaitingPromotion(_)
        | State::Promoting(_)
        | State::Finalising(_)
        | State::Succeeded(_)
        | State::Terminating(_) => None,
    }
}

/// The last value of each check of the run.
fn measured(state: &State) -> Option<Field> {
    let evidence = &state.memory()?.evidence;
    let values: Vec<String> = evidence
        .iter()
        .map(|one| match &one.needs {
            Some(needs) => format!("{} {} (needs {needs})", one.name, one.value),
            None => format!("{} {}", one.name, one.value),
        })
        .collect();
    (!values.is_empty()).then(|| Field::new("Measured", values.join(", ")))
}

/// Flagger's fields.
fn facts(subject: &Subject) -> Vec<Field> {
    let spec = &subject.spec;
    let target = format!(
        "{}/{}.{}",
        spec.target.kind.as_str(),
        spec.target.name,
        spec.namespace
    );
    let deadline = format!("{}s", spec.progress_deadline.num_seconds());
    let mut fields = vec![
        Field::new("Target", target),
        Field::new("Failed checks threshold", spec.threshold.to_string()),
        Field::new("Progress deadline", deadline),
    ];
    fields.extend(
        subject
            .canary
            .analysis()
            .map(|analysis| Field::new("Traffic routing", routing(analysis))),
    );
    fields
}

fn routing(analysis: &CanaryAnalysis) -> String {
    let is_iterated = analysis.iterations.is_some_and(|count| count > 0);
    let is_matched = analysis.match_.as_ref().is_some_and(|all| !all.is_empty());
    match (is_iterated, is_matched) {
        (true, true) => return "A/B Testing".to_owned(),
        (true, false) => return "Blue/Green".to_owned(),
        (false, _) => {}
    }
    let steps = analysis.step_weights.as_deref().unwrap_or_default();
    match (analysis.step_weight.filter(|step| *step > 0), steps.last()) {
        (None, Some(last)) => {
            let words: Vec<String> = steps.iter().map(ToString::to_string).collect();
            let max = (*last).min(MAX_WEIGHT);
            format!("Weight steps: {} max: {max}", words.join(","))
        }
        (step, _) => {
            let max = analysis.max_weight.unwrap_or(MAX_WEIGHT);
            format!("Weight step: {} max: {max}", step.unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_strategy_is_told_as_flagger_tells_it() {
        for (analysis, expected) in [
            (json!({"iterations": 2, "match": [{}]}), "A/B Testing"),
            (json!({"iterations": 2}), "Blue/Green"),
            (
                json!({"stepWeight": 10, "maxWeight": 50}),
                "Weight step: 10 max: 50",
            ),
            (
                json!({"stepWeight": 10, "match": [{}]}),
                "Weight step: 10 max: 100",
            ),
            (
                json!({"stepWeights": [1, 10, 80]}),
                "Weight steps: 1,10,80 max: 80",
            ),
            (
                json!({"stepWeights": [1, 130], "maxWeight": 5}),
                "Weight steps: 1,130 max: 100",
            ),
        ] {
            let read: CanaryAnalysis = serde_json::from_value(analysis.clone()).unwrap();
            assert_eq!(routing(&read), expected, "{analysis}");
        }
    }
}
