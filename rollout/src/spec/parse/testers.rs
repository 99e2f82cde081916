//! Reviews `analysis.testers`: users who reach the canary whatever its weight.
//!
//! What a mesh can match is the adapters' to say; here is what holds for all of them.

use api::canary::{CanaryAnalysis, analysis::AnalysisMatch, service::StringMatch};

use crate::spec::{Strategy, finding::Review};

const FIELD: &str = "spec.analysis.testers";
/// Conditions at most: each is written once for each of `service.match`, and an HTTPRoute's rule takes 64.
const TESTERS_MAX: usize = 16;

pub(super) fn review(analysis: &CanaryAnalysis, strategy: Option<&Strategy>, review: &mut Review) {
    let testers = &analysis.testers;
    if testers.is_empty() {
        return;
    }
    if testers.len() > TESTERS_MAX {
        let why = format!("give {TESTERS_MAX} at most");
        review.add(FIELD, format!("{} long", testers.len()), why);
    }
    if analysis.match_.as_ref().is_some_and(|all| !all.is_empty()) {
        review.add(
            FIELD,
            "given beside match",
            "with match nobody else reaches the canary; remove one of them",
        );
    }
    match strategy {
        None | Some(Strategy::Weighted { .. }) => {}
        Some(Strategy::AbTesting { .. } | Strategy::BlueGreen { .. }) => review.add(
            FIELD,
            "given without weights",
            "testers are beside the users of a weight; give stepWeight or stepWeights, or use match with iterations",
        ),
    }
    for (place, tester) in testers.iter().enumerate() {
        entry(&format!("{FIELD}[{place}]"), tester, review);
    }
}

/// An empty condition holds of everybody: the canary would get all users at its first step.
fn entry(field: &str, tester: &AnalysisMatch, review: &mut Review) {
    let AnalysisMatch {
        headers,
        query_params,
        source_labels,
    } = tester;
    if headers.is_empty() && query_params.is_empty() && source_labels.is_empty() {
        let why = "it would choose every user; give headers, queryParams or sourceLabels";
        review.add(field, "empty", why);
    }
    for (key, conditions) in [("headers", headers), ("queryParams", query_params)] {
        for (name, _) in conditions.iter().filter(|(_, value)| is_empty(value)) {
            review.add(
                format!("{field}.{key}[{name:?}]"),
                "empty",
                "it would choose every user; give exact, prefix, suffix or regex",
            );
        }
    }
}

fn is_empty(value: &StringMatch) -> bool {
    let StringMatch {
        exact,
        prefix,
        suffix,
        regex,
    } = value;
    [exact, prefix, suffix, regex]
        .into_iter()
        .all(|text| text.as_deref().is_none_or(str::is_empty))
}
