//! Parses `analysis.webhooks` (spec/flagger.md 6). Those of type event are the operator's.

use std::time::Duration;

use api::canary::{CanaryAnalysis, CanaryWebhook, WebhookType};
use chrono::TimeDelta;

use super::window;
use crate::spec::{Gate, GateId, GateKind, finding::Review};

/// Webhooks that a Canary may have.
const GATES_MAX: usize = 64;
const TIMEOUT_S_DEFAULT: u64 = 10;
const RETRIES_MAX: i64 = 100;

pub(super) fn gates(analysis: &CanaryAnalysis, review: &mut Review) -> Vec<Gate> {
    if analysis.webhooks.len() > GATES_MAX {
        review.add(
            "spec.analysis.webhooks",
            format!("a list of {}", analysis.webhooks.len()),
            format!("use at most {GATES_MAX}"),
        );
    }
    let mut gates = Vec::new();
    for (place, webhook) in (0..).zip(&analysis.webhooks) {
        let field = format!("spec.analysis.webhooks[{place}]");
        let Some(kind) = kind(webhook.type_) else {
            continue;
        };
        if !webhook.url.starts_with("http://") && !webhook.url.starts_with("https://") {
            // The URL may hold credentials, so it is not shown.
            review.add(
                format!("{field}.url"),
                "no web address",
                "write http://… or https://…",
            );
        }
        gates.push(Gate {
            id: GateId(place),
            name: webhook.name.clone(),
            kind,
            url: webhook.url.clone(),
            timeout: timeout(webhook, &field, review),
            retries: retries(webhook, &field, review),
            deadline: deadline(webhook, kind, &field, review),
            is_tls_unchecked: webhook.disable_tls,
            is_alert_muted: webhook.mute_alert,
            metadata: webhook.metadata.clone(),
        });
    }
    gates
}

const fn kind(given: Option<WebhookType>) -> Option<GateKind> {
    Some(match given {
        None | Some(WebhookType::Unset | WebhookType::Rollout) => GateKind::Rollout,
        Some(WebhookType::ConfirmRollout) => GateKind::ConfirmRollout,
        Some(WebhookType::PreRollout) => GateKind::PreRollout,
        Some(WebhookType::ConfirmTrafficIncrease) => GateKind::ConfirmTrafficIncrease,
        Some(WebhookType::ConfirmPromotion) => GateKind::ConfirmPromotion,
        Some(WebhookType::PostRollout) => GateKind::PostRollout,
        Some(WebhookType::Rollback) => GateKind::Rollback,
        Some(WebhookType::Event) => return None,
    })
}

/// Texts shorter than two characters count as none, as in Flagger.
fn timeout(webhook: &CanaryWebhook, field: &str, review: &mut Review) -> Duration {
    let fallback = Duration::from_secs(TIMEOUT_S_DEFAULT);
    let Some(text) = webhook.timeout.as_deref().filter(|text| text.len() > 1) else {
        return fallback;
    };
    let length = window(text, &format!("{field}.timeout"), review);
    length
        .and_then(|length| length.to_std().ok())
        .filter(|length| !length.is_zero())
        .unwrap_or(fallback)
}

fn retries(webhook: &CanaryWebhook, field: &str, review: &mut Review) -> u32 {
    let given = webhook.retries.unwrap_or(0);
    if !(0..=RETRIES_MAX).contains(&given) {
        review.add(
            format!("{field}.retries"),
            given,
            format!("use a number between 0 and {RETRIES_MAX}"),
        );
    }
    u32::try_from(given).unwrap_or(0)
}

/// How long a confirm gate may stay closed. Nothing waits for a webhook of another kind.
fn deadline(
    webhook: &CanaryWebhook,
    kind: GateKind,
    field: &str,
    review: &mut Review,
) -> Option<TimeDelta> {
    let text = webhook
        .deadline
        .as_deref()
        .filter(|text| !text.is_empty())?;
    let field = format!("{field}.deadline");
    let cure = match kind {
        GateKind::ConfirmRollout
        | GateKind::ConfirmTrafficIncrease
        | GateKind::ConfirmPromotion => {
            let length = window(text, &field, review)?;
            if !length.is_zero() {
                return Some(length);
            }
            "no gate could be opened in time; use for example \"24h\""
        }
        GateKind::PreRollout | GateKind::Rollout => {
            "of this type a closed one is a failed check, and spec.analysis.threshold ends those; remove it"
        }
        GateKind::PostRollout | GateKind::Rollback => {
            "nothing waits for a webhook of this type; remove it"
        }
    };
    review.add(field, format!("{text:?}"), cure);
    None
}
