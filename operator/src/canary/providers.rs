//! Asks whether the metric servers of a canary that begins can be asked at all, and tells of it.
//!
//! It holds nothing up: a server that is down may be up before the first release. Asked once an interval, until
//! all answer.

use chrono::{DateTime, Utc};
use rollout::Probe;
use rollout::state::Phase;

use super::subject::Subject;
use super::{Context, act, ask};

/// What was found so far.
#[derive(Default, PartialEq)]
pub(super) struct Found {
    is_told: bool,
    asked: Option<DateTime<Utc>>,
}

/// Asks and tells, when that is due.
pub(super) async fn tell(ctx: &Context, subject: &Subject, found: &mut Found) {
    if !subject.state.is_beginning() {
        *found = Found::default();
        return;
    }
    let now = ctx.clock.now();
    let spec = &subject.spec;
    let is_fresh = found
        .asked
        .is_some_and(|asked| now.signed_duration_since(asked) < spec.interval);
    let is_idle = spec.is_analysis_skipped
        || spec.is_suspended
        || subject.canary.metadata.deletion_timestamp.is_some();
    if is_idle || found.is_told || is_fresh {
        return;
    }
    found.asked = Some(now);
    let fault = fault(ctx, subject, now).await;
    found.is_told = fault.is_none();
    let text = match &fault {
        None => "all the metrics providers are available!".to_owned(),
        Some(why) => format!("Error checking metric providers: {why}"),
    };
    act::tell::event(ctx, subject, fault.is_some(), &text, Phase::Initializing).await;
}

/// Why the first of them that does not answer does not.
async fn fault(ctx: &Context, subject: &Subject, now: DateTime<Utc>) -> Option<String> {
    let checks = &subject.spec.checks;
    let wanted: Vec<Probe> = checks
        .iter()
        .map(|check| Probe::Check {
            check: check.clone(),
            key: String::new(),
            since: now,
        })
        .collect();
    let context = ask::context(ctx, subject, &wanted).await;
    for check in checks {
        if let Err(why) = analysis::available(check, &context, &*ctx.outbound).await {
            return Some(why);
        }
    }
    None
}
