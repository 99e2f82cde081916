//! Asks whether the metric servers of a canary that begins can be asked at all, and tells of it.
//!
//! It holds nothing up: a task of its own asks, and a server that is down may be up before the first release. Asked once
//! an interval, until all answer.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use rollout::Probe;
use rollout::state::Phase;
use tokio::task::JoinHandle;

use super::subject::{self, Reading, Subject};
use super::{Context, act, ask};
use crate::world::key::Key;

/// What was found so far.
#[derive(Default)]
pub(super) struct Found {
    is_told: bool,
    asked: Option<DateTime<Utc>>,
    /// True if all answered.
    asking: Option<JoinHandle<bool>>,
}

impl PartialEq for Found {
    /// There is one task at most for a moment at which it was asked.
    fn eq(&self, other: &Self) -> bool {
        (self.is_told, self.asked) == (other.is_told, other.asked)
    }
}

/// Asks, when that is due and nobody is asking.
pub(super) fn tell(ctx: &Arc<Context>, subject: &Subject, found: &mut Found) {
    if !subject.state.is_beginning() {
        *found = Found::default();
        return;
    }
    if let Some(asking) = &mut found.asking {
        let Some(ended) = asking.now_or_never() else {
            return;
        };
        found.asking = None;
        found.is_told = ended.unwrap_or_default();
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
    let task = ask_all(Arc::clone(ctx), subject.key.clone());
    found.asking = Some(ctx.tasks.spawn(task));
}

/// Asks all and tells what came of it; true if all answered.
async fn ask_all(ctx: Arc<Context>, key: Key) -> bool {
    let Reading::Ready(subject) = subject::read(&ctx, &key, None) else {
        return false;
    };
    let fault = fault(&ctx, &subject, ctx.clock.now()).await;
    let text = match &fault {
        None => "all the metrics providers are available!".to_owned(),
        Some(why) => format!("Error checking metric providers: {why}"),
    };
    act::tell::event(&ctx, &subject, fault.is_some(), &text, Phase::Initializing).await;
    fault.is_none()
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
