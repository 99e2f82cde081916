//! Calls webhooks: payload, retries, and whether the answer opens the gate
//!
//! Any 2xx opens; Flagger takes only 200 to 202 (spec Q15). Everything else
//! keeps it closed, with the reason in words.

use std::collections::BTreeMap;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use chrono::TimeDelta;
use rollout::answers::GateAnswer;
use rollout::spec::Gate;
use rollout::state::Phase;
use serde::Serialize;
use tokio::time::Instant;

use crate::context::Context;
use crate::credentials::Secret;
use crate::outbound::{HookFault, HookRequest, HookResponse, Outbound};
use crate::wording;

const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(30);

/// What is added to a pause, so that canaries which fail together do not ask together.
const JITTER_MS_MAX: u32 = 1000;

/// A server may ask for a longer pause than ours, up to this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Attempts after the first, however many a manifest asks for.
const RETRIES_MAX: u32 = 20;

/// Asks a gate. `phase` is sent along; `key` is the idempotency key and goes
/// into the answer.
pub async fn answer(
    gate: &Gate,
    key: &str,
    phase: Phase,
    context: &Context,
    outbound: &dyn Outbound,
) -> GateAnswer {
    let started = Instant::now();
    let request = HookRequest {
        url: Secret::new(&gate.url),
        body: payload(context, phase, &gate.metadata),
        idempotency_key: Some(key.to_owned()),
        timeout: gate.timeout,
        is_tls_unchecked: gate.is_tls_unchecked,
    };
    let outcome = call(&request, gate.retries, outbound).await;
    let passed = TimeDelta::from_std(started.elapsed()).unwrap_or(TimeDelta::MAX);
    GateAnswer {
        key: key.to_owned(),
        at: context
            .now
            .checked_add_signed(passed)
            .unwrap_or(context.now),
        is_open: outcome.is_open,
        detail: outcome.detail,
    }
}

/// Whether a call succeeded, and what is told of it.
pub(crate) struct Outcome {
    pub(crate) is_open: bool,
    pub(crate) detail: String,
}

/// One attempt that did not succeed.
enum Failed {
    Answer(HookResponse),
    Fault(HookFault),
}

impl Failed {
    fn is_passing(&self) -> bool {
        match self {
            // 501: the server will never know how.
            Self::Answer(response) => {
                response.status == 429 || (response.status >= 500 && response.status != 501)
            }
            Self::Fault(fault) => fault.is_passing(),
        }
    }

    fn pause(&self, own: Option<Duration>) -> Option<Duration> {
        let asked = match self {
            Self::Answer(response) => response.retry_after.map(|pause| pause.min(RETRY_AFTER_MAX)),
            Self::Fault(_) => None,
        };
        // No own pause means that no attempt is left.
        own.map(|own| asked.unwrap_or(own))
    }
}

/// Calls a webhook, again where that can help.
pub(crate) async fn call(request: &HookRequest, retries: u32, outbound: &dyn Outbound) -> Outcome {
    let mut attempts = 0;
    let key = request.idempotency_key.as_deref().unwrap_or(&request.body);
    let pauses = ExponentialBuilder::new()
        .with_min_delay(RETRY_FIRST)
        .with_max_delay(RETRY_LONGEST)
        .with_factor(2.0)
        .with_max_times(usize::try_from(retries.min(RETRIES_MAX)).unwrap_or(0));
    let attempt = || {
        attempts += 1;
        attempt(request, outbound)
    };
    let result = attempt
        .retry(pauses)
        .sleep(tokio::time::sleep)
        .when(Failed::is_passing)
        .adjust(|failed: &Failed, own| failed.pause(own.map(|own| jittered(own, key))))
        .await;
    let url = wording::url_secrets(request.url.expose());
    let secrets: Vec<&str> = url.iter().map(String::as_str).collect();
    let (is_open, mut detail) = match result {
        Ok(response) => (true, said(&response, &secrets)),
        Err(Failed::Answer(response)) => (false, said(&response, &secrets)),
        Err(Failed::Fault(fault)) => (false, wording::redact(&fault.to_string(), &secrets)),
    };
    if attempts > 1 {
        detail = format!("{detail} ({attempts} attempts)");
    }
    Outcome { is_open, detail }
}

/// By the key alone: the pauses of a simulated run are the same each time.
fn jittered(pause: Duration, key: &str) -> Duration {
    let jitter_ms = fnv1a(&format!("{key} {pause:?}")) % JITTER_MS_MAX;
    pause.saturating_add(Duration::from_millis(jitter_ms.into()))
}

async fn attempt(request: &HookRequest, outbound: &dyn Outbound) -> Result<HookResponse, Failed> {
    let response = match tokio::time::timeout(request.timeout, outbound.post(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(fault)) => return Err(Failed::Fault(fault)),
        Err(_) => return Err(Failed::Fault(HookFault::Slow(request.timeout))),
    };
    if (200..300).contains(&response.status) {
        Ok(response)
    } else {
        Err(Failed::Answer(response))
    }
}

/// Secrets go before the text is cut, so that no half of one is left.
fn said(response: &HookResponse, secrets: &[&str]) -> String {
    let line = wording::first_line(&wording::redact(&response.body, secrets));
    format!(
        "answered {}{}",
        response.status,
        wording::after_colon(&line)
    )
}

/// The JSON body of all webhooks (spec 6.1).
#[derive(Serialize)]
struct Payload<'a> {
    name: &'a str,
    namespace: &'a str,
    phase: Phase,
    checksum: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
}

pub(crate) fn payload(
    context: &Context,
    phase: Phase,
    metadata: &BTreeMap<String, String>,
) -> String {
    let payload = Payload {
        name: &context.name,
        namespace: &context.namespace,
        phase,
        checksum: &context.checksum,
        metadata,
    };
    // Text keys and values only: serialising them cannot fail.
    serde_json::to_string(&payload).unwrap_or_default()
}

/// Checksum that webhooks get (spec 2.6): a hash over the tracked configs and
/// the last applied spec of the status, written as Flagger writes its hashes.
#[must_use]
pub fn checksum(
    tracked_configs: Option<&BTreeMap<String, String>>,
    last_applied_spec: &str,
) -> String {
    let configs = match tracked_configs {
        None => "<nil>".to_owned(),
        Some(configs) => {
            let entries: Vec<String> = configs
                .iter()
                .map(|(name, hash)| format!("{name}:{hash}"))
                .collect();
            format!("map[{}]", entries.join(" "))
        }
    };
    // The text that Go's spew prints for the struct, with types.
    let dump = format!(
        "(struct {{ TrackedConfigs *map[string]string; LastAppliedSpec string }})\
         {{TrackedConfigs:(*map[string]string){configs} LastAppliedSpec:(string){last_applied_spec}}}"
    );
    hashed(&dump)
}

/// The hash that Flagger stores of a Knative revision's name (spec 2.6).
#[must_use]
pub fn legacy_revision(name: &str) -> String {
    hashed(&format!("(string){name}"))
}

/// Hashes the text that Go's spew prints of a value, as Kubernetes does.
fn hashed(dump: &str) -> String {
    // Kubernetes' safe encoding: no vowels, and no digits that look like them.
    let safe = |digit: char| match digit {
        '0' => '4',
        '1' => '5',
        '2' => '6',
        '3' => '7',
        '4' => '8',
        '5' => '9',
        '6' => 'b',
        '7' => 'c',
        '8' => 'd',
        _ => 'f',
    };
    fnv1a(dump).to_string().chars().map(safe).collect()
}

/// FNV-1a with 32 bits.
fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}
