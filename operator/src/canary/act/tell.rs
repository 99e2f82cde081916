//! Tells: events, event webhooks, hooks with an effect, counters of runs.
//!
//! What cannot be told is logged and holds nothing up.

use std::sync::Arc;

use analysis::EventHook;
use api::canary::{CanaryAnalysis, CanaryWebhook, WebhookType};
use rollout::spec::Gate;
use rollout::state::Phase;

use super::super::ask;
use super::{Context, Subject};
use crate::metrics::AnalysisStatus;

mod in_order;

pub use in_order::InOrder;
use in_order::{Full, WAITING_MAX};

/// An event on the Canary, in the log, and to the event webhooks.
pub async fn event(ctx: &Context, subject: &Subject, warning: bool, text: &str, phase: Phase) {
    let canary = subject.spec.dotted();
    if warning {
        tracing::warn!(canary, "{text}");
    } else {
        tracing::info!(canary, "{text}");
    }
    ctx.events
        .record(&ctx.writer, &subject.owner, warning, text, ctx.clock.now())
        .await;
    let hooks = event_hooks(ctx, subject);
    if hooks.is_empty() {
        return;
    }
    let context = ask::context(ctx, subject, &[]).await;
    let (outbound, text, at) = (Arc::clone(&ctx.outbound), text.to_owned(), ctx.clock.now());
    let key = format!("{}-{}", subject.owner.uid, uuid::Uuid::new_v4());
    let telling = async move {
        for hook in &hooks {
            let event = analysis::Event {
                message: &text,
                is_warning: warning,
                phase,
                at,
            };
            if let Err(why) = analysis::tell(hook, &key, &event, &context, &*outbound).await {
                tracing::warn!(canary, why, "Event webhook not told.");
            }
        }
    };
    let queued = ctx.telling.spawn(&ctx.tasks, &subject.owner.uid, telling);
    if let Err(Full { is_first: true }) = queued {
        tracing::warn!(
            canary = subject.spec.dotted(),
            waiting = WAITING_MAX,
            "Event webhooks do not keep up; further events are not told to them."
        );
    }
}

/// The canary's own event hooks, or the operator's.
fn event_hooks(ctx: &Context, subject: &Subject) -> Vec<EventHook> {
    let all = subject
        .canary
        .analysis()
        .map(|analysis| analysis.webhooks.as_slice())
        .unwrap_or_default();
    let own: Vec<EventHook> = all
        .iter()
        .filter(|hook| hook.type_ == Some(WebhookType::Event))
        .map(read_hook)
        .collect();
    if own.is_empty() {
        ctx.settings
            .event_webhook
            .iter()
            .map(EventHook::global)
            .collect()
    } else {
        own
    }
}

fn read_hook(hook: &CanaryWebhook) -> EventHook {
    let mut read = EventHook::global(&hook.url);
    let timeout = hook.timeout.as_deref().map(api::duration::parse);
    if let Some(Ok(timeout)) = timeout
        && !timeout.is_zero()
    {
        read.timeout = timeout;
    }
    read.retries = hook
        .retries
        .and_then(|retries| u32::try_from(retries).ok())
        .unwrap_or_default();
    read.is_tls_unchecked = hook.disable_tls;
    read.metadata = hook.metadata.clone();
    read
}

/// Calls hooks in order and stops at the first that fails. Each has a key of its own, which is the same if the same
/// end of the same run is told again after a crash.
pub async fn run_hooks(
    ctx: &Context,
    subject: &Subject,
    hooks: &[Gate],
    about: &str,
    phase: Phase,
) {
    let context = ask::context(ctx, subject, &[]).await;
    for hook in hooks {
        let key = format!("{about}/{}-{}/{phase:?}", hook.kind.as_str(), hook.id.0);
        let answer = analysis::answer(hook, &key, phase, &context, &*ctx.outbound).await;
        if !answer.is_open {
            event(
                ctx,
                subject,
                true,
                &format!("Post-rollout hook {} failed {}", hook.name, answer.detail),
                phase,
            )
            .await;
            return;
        }
        event(
            ctx,
            subject,
            false,
            &format!("Post-rollout check {} passed", hook.name),
            phase,
        )
        .await;
    }
}

/// Counts a finished run.
pub fn count(ctx: &Context, subject: &Subject, success: bool, skipped: bool) {
    let status = if skipped {
        AnalysisStatus::Skipped
    } else {
        AnalysisStatus::Completed
    };
    let strategy = strategy(subject.canary.analysis());
    ctx.metrics.count_run(
        &subject.key.namespace,
        &subject.spec.target.name,
        strategy,
        status,
        success,
    );
}

/// The label of a strategy: what the spec asks for, also where the provider falls back to another.
fn strategy(analysis: Option<&CanaryAnalysis>) -> &'static str {
    let is_iterated = |it: &&CanaryAnalysis| it.iterations.is_some_and(|count| count > 0);
    let Some(analysis) = analysis.filter(is_iterated) else {
        return "canary";
    };
    match &analysis.match_ {
        Some(all) if !all.is_empty() => "ab-testing",
        Some(_) | None => "blue-green",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_label_of_a_strategy_is_what_the_spec_asks_for() {
        for (analysis, expected) in [
            (json!({"stepWeight": 10}), "canary"),
            (json!({"stepWeight": 10, "match": [{}]}), "canary"),
            (json!({"iterations": 0}), "canary"),
            (json!({"iterations": 2, "match": []}), "blue-green"),
            (json!({"iterations": 2, "match": [{}]}), "ab-testing"),
        ] {
            let analysis: CanaryAnalysis = serde_json::from_value(analysis).unwrap();
            assert_eq!(strategy(Some(&analysis)), expected, "{analysis:?}");
        }
    }
}
