//! Waits until objects are healthy or gone, by watching them.

use std::fmt::Write;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{DynamicObject, TypeMeta};
use kube::runtime::watcher::watch_object;
use serde_json::Value;

use crate::error::chain;
use crate::health::{Health, health};
use crate::kinds::Kinds;
use crate::object::ObjectId;

/// Objects watched at once.
const WATCHES_MAX: usize = 50;

/// Why not everything was healthy (or gone) in time.
#[derive(Debug)]
pub struct Unhealthy {
    /// Whether an object failed, rather than time running out.
    pub failed: bool,
    /// The objects that are not as they should be, and what they are.
    pub left: Vec<(ObjectId, Health, String)>,
}

impl Unhealthy {
    /// `Deployment/apps/podinfo status: 'InProgress'`, joined by commas: Flux's form.
    #[must_use]
    pub fn objects(&self) -> String {
        let mut out = String::new();
        for (id, health, _) in &self.left {
            let separator = if out.is_empty() { "" } else { ", " };
            let _ = write!(out, "{separator}{id} status: '{health}'");
        }
        out
    }

    /// What the objects say of themselves, where they do.
    #[must_use]
    pub fn details(&self) -> String {
        let told: Vec<String> = self
            .left
            .iter()
            .filter(|(_, _, why)| !why.is_empty())
            .map(|(id, _, why)| format!("{id}: {why}"))
            .collect();
        told.join("; ")
    }
}

/// Waits until every object is healthy; with `fail_fast`, until the first one failed.
///
/// # Errors
/// The objects that are not healthy when time is up, or at the first failure.
pub async fn wait_until_healthy(
    kinds: &Kinds,
    ids: &[ObjectId],
    timeout: Duration,
    fail_fast: bool,
) -> Result<(), Unhealthy> {
    let deadline = tokio::time::Instant::now() + timeout;
    let mut results = stream::iter(
        ids.iter()
            .cloned()
            .map(|id| wait_for_one(kinds, id, deadline, false)),
    )
    .buffer_unordered(WATCHES_MAX);
    let mut left = Vec::new();
    let mut failed = false;
    while let Some((id, health, why)) = results.next().await {
        if health == Health::Current {
            continue;
        }
        let is_failed = health == Health::Failed;
        failed |= is_failed;
        left.push((id, health, why));
        if is_failed && fail_fast {
            break;
        }
    }
    if left.is_empty() {
        Ok(())
    } else {
        Err(Unhealthy { failed, left })
    }
}

/// Waits until no object is left.
///
/// # Errors
/// The objects that are still there when time is up.
pub async fn wait_until_gone(
    kinds: &Kinds,
    ids: &[ObjectId],
    timeout: Duration,
) -> Result<(), Unhealthy> {
    let deadline = tokio::time::Instant::now() + timeout;
    let left: Vec<_> = stream::iter(
        ids.iter()
            .cloned()
            .map(|id| wait_for_one(kinds, id, deadline, true)),
    )
    .buffer_unordered(WATCHES_MAX)
    .filter(|(_, health, _)| futures::future::ready(*health != Health::NotFound))
    .collect()
    .await;
    if left.is_empty() {
        Ok(())
    } else {
        Err(Unhealthy {
            failed: false,
            left,
        })
    }
}

/// Watches one object until it is current or failed (or gone), or until the deadline.
async fn wait_for_one(
    kinds: &Kinds,
    id: ObjectId,
    deadline: tokio::time::Instant,
    until_gone: bool,
) -> (ObjectId, Health, String) {
    let mut last = (Health::InProgress, String::new());
    let watching = async {
        let api = match kinds.api(&id).await {
            Ok(api) => api,
            Err(error) => {
                last = (
                    if until_gone {
                        Health::NotFound
                    } else {
                        Health::Unknown
                    },
                    chain(&error),
                );
                return;
            }
        };
        let mut states = Box::pin(watch_object(api, &id.name));
        loop {
            match states.try_next().await {
                Ok(Some(object)) => {
                    let value = object.and_then(|o| typed(o, &id));
                    last = value
                        .as_ref()
                        .map_or_else(|| (Health::NotFound, String::new()), health);
                }
                Ok(None) => return,
                // The watch opens again by itself, after a pause.
                Err(error) => last.1 = chain(&error),
            }
            let is_done = if until_gone {
                last.0 == Health::NotFound
            } else {
                matches!(last.0, Health::Current | Health::Failed)
            };
            if is_done {
                return;
            }
        }
    };
    let _ = tokio::time::timeout_at(deadline, watching).await;
    (id, last.0, last.1)
}

/// The object as JSON. Items of a list come without their kind, which health depends on.
fn typed(mut object: DynamicObject, id: &ObjectId) -> Option<Value> {
    object.types = Some(TypeMeta {
        api_version: id.api_version(),
        kind: id.kind.clone(),
    });
    serde_json::to_value(object).ok()
}
