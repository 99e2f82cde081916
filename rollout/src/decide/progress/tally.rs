//! Counts rounds of checks, passed and failed, into what is remembered of a run.

use crate::{decide::scene::Scene, report::Evidence, state::Run, verdict::Verdict};

/// The run with one failed round more.
pub(super) fn failed(scene: &Scene<'_>, run: &Run, evidence: Vec<Evidence>) -> Run {
    let mut next = run.clone();
    next.failed_checks = next.failed_checks.saturating_add(1);
    next.memory.failed = next
        .memory
        .failed
        .saturating_add(count(&evidence, &Verdict::Fail));
    next.memory.checked = Some(scene.stamp());
    next.memory.unknown_since = None;
    if !evidence.is_empty() {
        next.memory.evidence = evidence;
    }
    next
}

/// The run after a round that ends it, whatever its checks said.
pub(super) fn ended(scene: &Scene<'_>, run: &Run) -> Run {
    let mut next = run.clone();
    next.memory.checked = Some(scene.stamp());
    next
}

/// The run after a round that gave a verdict.
pub(super) fn known(run: &Run) -> Run {
    let mut next = run.clone();
    next.memory.unknown_since = None;
    next
}

fn count(evidence: &[Evidence], verdict: &Verdict) -> u32 {
    let number = evidence
        .iter()
        .filter(|one| one.needs.is_some() && one.verdict == *verdict)
        .count();
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The run with a passed round.
pub(super) fn passed(scene: &Scene<'_>, run: &Run, evidence: &[Evidence]) -> Run {
    let mut next = run.clone();
    next.memory.passed = next
        .memory
        .passed
        .saturating_add(count(evidence, &Verdict::Pass));
    if !evidence.is_empty() {
        next.memory.evidence = evidence.to_vec();
    }
    next.memory.step_started = Some(scene.stamp());
    next.memory.closed = None;
    next.memory.checked = None;
    next
}
