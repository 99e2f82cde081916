//! Reads target and primary anew before a run ends for want of ready pods: a watch that fell silent is no proof that
//! there are none.

use rollout::report::OutcomeKind;
use rollout::state::RollbackReason;
use rollout::{Decision, State};

use super::Context;
use super::act::ActError;
use super::subject::Subject;

/// True when the decision gives the run up because pods are not ready, and what it knew of them was not the latest.
pub(super) async fn is_outdated(
    ctx: &Context,
    subject: &Subject,
    next: &Decision,
) -> Result<bool, ActError> {
    if !gives_up(subject, next) {
        return Ok(false);
    }
    let kind = subject.spec.target.kind;
    let mut is_outdated = false;
    for key in [subject.target(), subject.primary()] {
        let known = ctx.caches.workload_version(kind, &key);
        ctx.writer.get(&subject.resource(), &key).await?;
        is_outdated |= ctx.caches.workload_version(kind, &key) != known;
    }
    Ok(is_outdated)
}

fn gives_up(subject: &Subject, next: &Decision) -> bool {
    let is_verdict = !matches!(subject.state, State::RollingBack(..))
        && matches!(
            next.state,
            State::RollingBack(_, RollbackReason::Deadline(_))
        );
    let outcome = next.report.outcome.as_ref();
    is_verdict || outcome.is_some_and(|it| it.kind == OutcomeKind::PromotionFailed)
}
