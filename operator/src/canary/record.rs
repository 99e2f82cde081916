//! Records a decision: the status, written once and last, and the gauges.
//!
//! The write depends on the version that the decision was made from; nothing is written when
//! nothing differs. What the state says in the status is the rollout's.

use api::canary::{CanaryPhase, CanaryStatus};
use api::condition::{self, Condition, ConditionStatus};
use rollout::Decision;
use serde_json::{Map, Value, json};

use super::act::{ActError, WriteError};
use super::build::Owner;
use super::dropped::write_status;
use super::inventory::{self, Inventory};
use super::subject::{Stall, Subject};
use super::{Context, act};
use crate::json::str_at;
use crate::world::key::Key;

/// The condition that tells why a Canary is not followed.
const STALLED: &str = "Stalled";

/// Writes the status of a decision.
pub(super) async fn record(
    ctx: &Context,
    subject: &Subject,
    next: &Decision,
    gone: &Inventory,
) -> Result<(), ActError> {
    gauges(ctx, subject, next);
    let before = subject.status();
    let mut status = next.state.to_status(&subject.spec, before, ctx.clock.now());
    let is_news = fault(ctx, subject, &mut status.conditions);
    let old = to_json(before);
    // Written along with what changed; by itself only what went is news.
    if to_json(Some(&status)) != old || !gone.is_empty() {
        status.inventory = inventory::told(ctx, subject, gone);
    }
    let new = to_json(Some(&status));
    let Some(change) = difference(&old, &new) else {
        return Ok(());
    };
    let change = with_counts(change, &new);
    match write_status(ctx, &subject.key, &subject.version, old, &change).await {
        // The finalizer of this round was the last thing that kept it.
        Err(WriteError::Missing { .. }) if subject.is_deleting() => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => {
            if let (Some(stall), true) = (&subject.fault, is_news) {
                act::tell::event(ctx, subject, true, &stall.message, next.state.phase()).await;
            }
            Ok(())
        }
    }
}

/// Says in the conditions whether the spec as stored is followed; true if that is new and bad.
fn fault(ctx: &Context, subject: &Subject, conditions: &mut Vec<Condition>) -> bool {
    let Some(stall) = &subject.fault else {
        condition::remove(conditions, STALLED);
        return false;
    };
    let told = Condition::new(
        STALLED,
        ConditionStatus::True,
        stall.reason,
        stall.message.clone(),
    )
    .observed(subject.canary.metadata.generation);
    condition::set(conditions, told, ctx.clock.now())
}

/// Writes the condition of a Canary that is not followed, and tells it once.
pub(super) async fn stalled(
    ctx: &Context,
    key: &Key,
    value: &Value,
    stall: &Stall,
) -> Result<(), ActError> {
    let mut value = value.clone();
    ctx.dropped.restore(key, &mut value);
    let listed = value
        .pointer("/status/conditions")
        .cloned()
        .unwrap_or_else(|| json!([]));
    let mut conditions: Vec<Condition> = serde_json::from_value(listed).unwrap_or_default();
    let generation = value
        .pointer("/metadata/generation")
        .and_then(Value::as_i64);
    let told = Condition::new(
        STALLED,
        ConditionStatus::True,
        stall.reason,
        stall.message.clone(),
    )
    .observed(generation);
    if !condition::set(&mut conditions, told, ctx.clock.now()) {
        return Ok(());
    }
    let version = str_at(&value, "/metadata/resourceVersion");
    let before = value.get("status").cloned().unwrap_or_default();
    let change = json!({"conditions": conditions});
    write_status(ctx, key, version, before, &change).await?;
    let owner = Owner {
        name: key.name.to_string(),
        namespace: key.namespace.to_string(),
        uid: str_at(&value, "/metadata/uid").to_owned(),
    };
    tracing::warn!(
        canary = format!("{}.{}", key.name, key.namespace),
        "{}",
        stall.message
    );
    ctx.events
        .record(&ctx.writer, &owner, true, &stall.message, ctx.clock.now())
        .await;
    Ok(())
}

/// Tells of a round that failed: an event at once, the condition if it goes on failing.
pub(super) async fn failed(ctx: &Context, subject: &Subject, error: &ActError, failures: u32) {
    /// Failures in a row before the condition says so.
    const FAILURES_TOLD: u32 = 3;
    let text = crate::error::chain(error);
    act::tell::event(ctx, subject, true, &text, subject.state.phase()).await;
    if failures < FAILURES_TOLD {
        return;
    }
    let Some(value) = ctx
        .caches
        .canaries
        .read(&subject.key, crate::world::canary::CanarySeen::value)
    else {
        return;
    };
    let stall = Stall {
        reason: error.reason(),
        message: format!("canary {}: {text}", subject.key),
    };
    if let Err(error) = stalled(ctx, &subject.key, &value, &stall).await {
        tracing::debug!(%error, "Condition not written.");
    }
}

fn gauges(ctx: &Context, subject: &Subject, next: &Decision) {
    let (namespace, target) = (&subject.key.namespace, &subject.spec.target.name);
    // Flagger's numbers: 0 running, 2 failed, 1 all else.
    let value = match next.state.phase() {
        CanaryPhase::Progressing => 0,
        CanaryPhase::Failed => 2,
        CanaryPhase::Unset
        | CanaryPhase::Initializing
        | CanaryPhase::Initialized
        | CanaryPhase::Waiting
        | CanaryPhase::WaitingPromotion
        | CanaryPhase::Promoting
        | CanaryPhase::Finalising
        | CanaryPhase::Succeeded
        | CanaryPhase::Terminating
        | CanaryPhase::Terminated => 1,
    };
    ctx.metrics.set_status(namespace, target, value);
    let weight = next.state.weight();
    ctx.metrics
        .set_weights(namespace, target, weight.rest().percent(), weight.percent());
}

/// A status as it is stored; an empty one is none.
pub(super) fn to_json(status: Option<&CanaryStatus>) -> Value {
    let json = status.and_then(|status| serde_json::to_value(status).ok());
    json.unwrap_or_else(|| json!({}))
}

/// The change with Flagger's counts, which are in each of its statuses. Whoever began this one with something else,
/// such as a condition, left them out, and as they read as 0 they are no difference.
fn with_counts(mut change: Value, new: &Value) -> Value {
    for count in ["canaryWeight", "failedChecks", "iterations"] {
        if let (Value::Object(change), Some(value)) = (&mut change, new.get(count)) {
            change.insert(count.to_owned(), value.clone());
        }
    }
    change
}

/// The merge patch from `old` to `new`; none if they are equal.
pub(super) fn difference(old: &Value, new: &Value) -> Option<Value> {
    if old == new {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return Some(new.clone());
    };
    let mut patch = Map::new();
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in new {
        let change = match old.get(key) {
            None => Some(value.clone()),
            Some(before) => difference(before, value),
        };
        if let Some(change) = change {
            patch.insert(key.clone(), change);
        }
    }
    Some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_something_else_began_gets_the_counts() {
        let stored: CanaryStatus =
            serde_json::from_value(json!({"conditions": []})).unwrap_or_default();
        let new = CanaryStatus {
            failed_checks: 1,
            ..stored.clone()
        };
        let new = to_json(Some(&new));
        let change = difference(&to_json(Some(&stored)), &new).unwrap_or_default();
        assert_eq!(change, json!({"failedChecks": 1}));
        assert_eq!(
            with_counts(change, &new),
            json!({"canaryWeight": 0, "failedChecks": 1, "iterations": 0})
        );
    }

    #[test]
    fn a_difference_is_a_merge_patch() {
        for (old, new, expected) in [
            (json!({"a": 1}), json!({"a": 1}), None),
            (
                json!({}),
                json!({"a": {"b": 1}}),
                Some(json!({"a": {"b": 1}})),
            ),
            (
                json!({"a": {"b": 1, "c": 2}, "d": [1]}),
                json!({"a": {"b": 3}, "d": [1, 2]}),
                Some(json!({"a": {"b": 3, "c": null}, "d": [1, 2]})),
            ),
            (json!({"a": 1}), json!({}), Some(json!({"a": null}))),
        ] {
            assert_eq!(difference(&old, &new), expected, "{old} {new}");
        }
    }
}
