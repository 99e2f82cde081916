//! Writes status of GatewayClasses, Gateways and routes, when it differs.
//!
//! Every write carries the resourceVersion read: a conflict means that the object changed,
//! and its watch event brings the next try. What was written a moment ago is not written
//! again, so that a server or controller that changes our words causes no storm of writes.
//! Decides nothing; `status.rs` words it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};

use crate::compile::{Compiled, Selection};
use crate::resource::Meta;
use crate::status;
use crate::watching::api;
use crate::world::{Key, World};

/// Time in which the same words are not written to the same object again.
const REPEAT_WAIT: Duration = Duration::from_secs(30);

/// Wait before a write that failed is tried again.
const RETRY_WAIT: Duration = Duration::from_secs(5);

/// What was written, and when.
#[derive(Debug, Default)]
struct Written(BTreeMap<(&'static str, Key), (Value, Instant)>);

/// A status to write.
#[derive(Debug)]
pub(crate) struct Write {
    kind: &'static str,
    meta: Meta,
    status: Value,
}

/// Writes the newest plan, and again what failed. Never ends while plans may come.
pub(crate) async fn carry_out(client: &kube::Client, mut plans: watch::Receiver<Arc<Vec<Write>>>) {
    let mut written = Written::default();
    loop {
        let plan = Arc::clone(&plans.borrow_and_update());
        let mut is_done = true;
        for write in plan.iter() {
            is_done &= written.send(client, write).await;
            if plans.has_changed().unwrap_or(false) {
                // The newer plan says what is still to be written.
                break;
            }
        }
        written.0.retain(|_, (_, at)| at.elapsed() < REPEAT_WAIT);
        let changed = async { plans.changed().await.is_ok() };
        let goes_on = if is_done {
            changed.await
        } else {
            timeout(RETRY_WAIT, changed).await.unwrap_or(true)
        };
        if !goes_on {
            return;
        }
    }
}

impl Written {
    /// Writes unless that was done a moment ago. Whether nothing is left to do.
    async fn send(&mut self, client: &kube::Client, write: &Write) -> bool {
        if self.is_repeat(write) {
            return false;
        }
        let sent = send(client, write).await;
        if sent != Sent::Done {
            self.forget(write);
        }
        sent != Sent::Failed
    }

    /// Whether the write repeats one of a moment ago; if not, it is remembered.
    fn is_repeat(&mut self, write: &Write) -> bool {
        let key = (write.meta.namespace.clone(), write.meta.name.clone());
        let words = without_times(&write.status);
        let known = self.0.get(&(write.kind, key.clone()));
        let is_repeat =
            known.is_some_and(|(before, at)| *before == words && at.elapsed() < REPEAT_WAIT);
        if !is_repeat {
            self.0.insert((write.kind, key), (words, Instant::now()));
        }
        is_repeat
    }

    /// Forgets a write that did not succeed.
    fn forget(&mut self, write: &Write) {
        let key = (write.meta.namespace.clone(), write.meta.name.clone());
        self.0.remove(&(write.kind, key));
    }
}

/// A status without the times of its conditions.
fn without_times(status: &Value) -> Value {
    match status {
        Value::Array(items) => items.iter().map(without_times).collect(),
        Value::Object(fields) => {
            let kept = fields
                .iter()
                .filter(|(name, _)| *name != "lastTransitionTime");
            Value::Object(
                kept.map(|(name, value)| (name.clone(), without_times(value)))
                    .collect(),
            )
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => status.clone(),
    }
}

/// How a write ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Done,
    /// The object changed; its watch event brings the next try.
    Overtaken,
    Failed,
}

/// What to write so that every object says what its verdict is.
pub(crate) fn plan(
    world: &World,
    compiled: &Compiled,
    selection: &Selection,
    addresses: &[String],
    now: &str,
) -> Vec<Write> {
    let classes = compiled.classes.iter().filter_map(|key| {
        let class = world.classes.get(key)?;
        let status = status::class(&class.status, class.meta.generation, now)?;
        Some(Write {
            kind: "GatewayClass",
            meta: class.meta.clone(),
            status,
        })
    });
    let gateways = compiled.gateways.iter().filter_map(|(key, listeners)| {
        let gateway = world.gateways.get(key)?;
        let status = status::gateway(
            &gateway.status,
            gateway.meta.generation,
            listeners,
            addresses,
            now,
        )?;
        Some(Write {
            kind: "Gateway",
            meta: gateway.meta.clone(),
            status,
        })
    });
    let routes = compiled
        .routes
        .iter()
        .filter_map(|((kind, key), verdicts)| {
            let route = world.routes_of(*kind).get(key)?;
            let status = status::route(
                &route.status,
                route.meta.generation,
                verdicts,
                &selection.controller,
                now,
            )?;
            Some(Write {
                kind: kind.as_str(),
                meta: route.meta.clone(),
                status,
            })
        });
    classes.chain(gateways).chain(routes).collect()
}

async fn send(client: &kube::Client, write: &Write) -> Sent {
    let Write { kind, meta, status } = write;
    let Some(api) = api(client, kind, &meta.namespace) else {
        return Sent::Done;
    };
    let patch = json!({
        "metadata": {"resourceVersion": meta.resource_version},
        "status": status,
    });
    match api
        .patch_status(&meta.name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
    {
        Ok(_) => Sent::Done,
        Err(kube::Error::Api(answer)) if answer.code == 409 || answer.code == 404 => {
            debug!(
                kind,
                name = meta.name,
                "Status not written: the object changed."
            );
            Sent::Overtaken
        }
        Err(error) => {
            warn!(kind, namespace = meta.namespace, name = meta.name, %error, "Status not written; it is tried again.");
            Sent::Failed
        }
    }
}
