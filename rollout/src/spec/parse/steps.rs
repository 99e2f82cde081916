//! Parses the strategy: which splits a run visits (spec/flagger.md 3.5 and 3.6).

use api::{Canary, canary::CanaryAnalysis};

use super::KUBERNETES_ITERATIONS;
use crate::{
    spec::{Strategy, finding::Review},
    weight::Weight,
};

/// Rounds of checks that an A/B or Blue/Green release may ask for.
const ITERATIONS_MAX: i64 = 10_000;

pub(super) fn strategy(
    canary: &Canary,
    analysis: &CanaryAnalysis,
    provider: &str,
    notices: &mut Vec<&'static str>,
    review: &mut Review,
) -> Option<Strategy> {
    let iterations = iterations(analysis, review)?;
    let has_match = analysis
        .match_
        .as_ref()
        .is_some_and(|list| !list.is_empty());
    if provider == "kubernetes" {
        return Some(plain_services(iterations, has_match, analysis, notices));
    }
    let has_steps = analysis.step_weight.is_some_and(|step| step != 0)
        || analysis
            .step_weights
            .as_ref()
            .is_some_and(|list| !list.is_empty());
    if iterations > 0 && has_steps {
        review.add(
            "spec.analysis.iterations",
            iterations,
            "iterations and stepWeight exclude each other; remove one",
        );
        return None;
    }
    if iterations > 0 && has_match {
        return Some(Strategy::AbTesting { iterations });
    }
    if iterations > 0 {
        return Some(Strategy::BlueGreen {
            iterations,
            is_mirrored: analysis.mirror,
        });
    }
    let steps = if has_steps {
        weights(analysis, review)?
    } else if canary.spec.skip_analysis {
        vec![Weight::FULL]
    } else {
        review.add(
            "spec.analysis",
            "without stepWeight, stepWeights and iterations",
            "the canary would never get traffic; give one of them",
        );
        return None;
    };
    Some(Strategy::Weighted {
        steps,
        is_mirrored_first: analysis.mirror,
    })
}

pub(super) fn promotion_step(analysis: &CanaryAnalysis, review: &mut Review) -> Option<Weight> {
    let given = analysis.step_weight_promotion.unwrap_or(0);
    match Weight::try_from(given) {
        Ok(step) => Some(step).filter(|step| !step.is_zero()),
        Err(error) => {
            review.add(
                "spec.analysis.stepWeightPromotion",
                given,
                error.to_string(),
            );
            None
        }
    }
}

fn iterations(analysis: &CanaryAnalysis, review: &mut Review) -> Option<u32> {
    let given = analysis.iterations.unwrap_or(0);
    if !(0..=ITERATIONS_MAX).contains(&given) {
        review.add(
            "spec.analysis.iterations",
            given,
            format!("use a number between 0 and {ITERATIONS_MAX}"),
        );
        return None;
    }
    u32::try_from(given).ok()
}

/// Provider `kubernetes` has no routes: it can only check and then switch.
fn plain_services(
    iterations: u32,
    has_match: bool,
    analysis: &CanaryAnalysis,
    notices: &mut Vec<&'static str>,
) -> Strategy {
    if has_match {
        notices.push("A/B testing is not supported when using the kubernetes provider");
    }
    if iterations == 0 {
        notices.push("Progressive traffic is not supported when using the kubernetes provider");
        notices.push("Setting canaryAnalysis.iterations: 10");
    }
    Strategy::BlueGreen {
        iterations: if iterations == 0 {
            KUBERNETES_ITERATIONS
        } else {
            iterations
        },
        is_mirrored: analysis.mirror,
    }
}

fn weights(analysis: &CanaryAnalysis, review: &mut Review) -> Option<Vec<Weight>> {
    match (analysis.step_weight.unwrap_or(0), &analysis.step_weights) {
        (0, Some(list)) => listed(list, review),
        (step, _) => even(step, analysis.max_weight.unwrap_or(0), review),
    }
}

/// `stepWeights`: visited as they stand. `maxWeight` is not looked at, as in Flagger.
fn listed(list: &[i64], review: &mut Review) -> Option<Vec<Weight>> {
    let mut steps = Vec::new();
    let mut before = 0_i64;
    let mut is_sound = true;
    for (place, step) in list.iter().copied().enumerate() {
        let field = format!("spec.analysis.stepWeights[{place}]");
        if step <= before {
            review.add(field, format!("{step} after {before}"), "weights must rise");
            is_sound = false;
        } else if before >= 100 {
            review.add(
                field,
                format!("{step} after {before}"),
                "it is never reached; remove it",
            );
            is_sound = false;
        } else if let Ok(weight) = Weight::try_from(step.min(100)) {
            steps.push(weight);
        }
        before = step;
    }
    is_sound.then_some(steps)
}

/// `stepWeight` and `maxWeight`: equal steps until the weight is at or past the maximum, or 100.
fn even(step: i64, max: i64, review: &mut Review) -> Option<Vec<Weight>> {
    let max = if max == 0 { 100 } else { max };
    let Some(size) = Weight::try_from(step).ok().filter(|size| !size.is_zero()) else {
        review.add(
            "spec.analysis.stepWeight",
            step,
            "a step is between 1 and 100",
        );
        return None;
    };
    let Some(max) = Weight::try_from(max).ok() else {
        review.add(
            "spec.analysis.maxWeight",
            max,
            "a weight is between 1 and 100",
        );
        return None;
    };
    let mut steps = vec![Weight::ZERO.raised(size)];
    while let Some(last) = steps.last().copied().filter(|last| *last < max) {
        steps.push(last.raised(size));
    }
    Some(steps)
}
