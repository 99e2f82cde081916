//! Tells webhooks of type event, and the operator's own, what happened (spec 6.3)

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rollout::state::Phase;

use crate::context::Context;
use crate::credentials::Secret;
use crate::outbound::{HookRequest, Outbound};
use crate::webhook::{call, payload};

/// A receiver of events.
#[derive(Clone)]
pub struct EventHook {
    /// Where; may hold credentials.
    pub url: Secret,
    /// Time for one attempt; Flagger's default is 10 s.
    pub timeout: Duration,
    /// Extra attempts.
    pub retries: u32,
    /// Accept any certificate.
    pub is_tls_unchecked: bool,
    /// Sent along; keys of the event itself win.
    pub metadata: BTreeMap<String, String>,
}

impl EventHook {
    /// The receiver of `-event-webhook`: default time, no retries.
    #[must_use]
    pub fn global(url: impl Into<String>) -> Self {
        Self {
            url: Secret::new(url),
            timeout: Duration::from_secs(10),
            retries: 0,
            is_tls_unchecked: false,
            metadata: BTreeMap::new(),
        }
    }
}

/// Sends one event. `key` is the idempotency key, `at` when it happened.
///
/// # Errors
/// Why the receiver did not take it, in words without secrets.
pub async fn tell(
    hook: &EventHook,
    key: &str,
    event: &Event<'_>,
    context: &Context,
    outbound: &dyn Outbound,
) -> Result<(), String> {
    let mut metadata = hook.metadata.clone();
    let kind = if event.is_warning {
        "Warning"
    } else {
        "Normal"
    };
    metadata.insert("eventMessage".to_owned(), event.message.to_owned());
    metadata.insert("eventType".to_owned(), kind.to_owned());
    metadata.insert(
        "timestamp".to_owned(),
        event.at.timestamp_millis().to_string(),
    );
    let request = HookRequest {
        url: hook.url.clone(),
        body: payload(context, event.phase, &metadata),
        idempotency_key: Some(key.to_owned()),
        timeout: hook.timeout,
        is_tls_unchecked: hook.is_tls_unchecked,
    };
    let outcome = call(&request, hook.retries, outbound).await;
    if outcome.is_open {
        Ok(())
    } else {
        Err(outcome.detail)
    }
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// The event's text.
    pub message: &'a str,
    /// Type Warning instead of Normal.
    pub is_warning: bool,
    /// The phase to send.
    pub phase: Phase,
    /// When.
    pub at: DateTime<Utc>,
}
