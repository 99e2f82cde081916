//! Keeps what the cluster's definition of Canary drops from a status: Flagger's own knows no `status.analysis`.
//!
//! A round begins with the status that the one before it wrote. Where the API server left fields out, the status is
//! kept here as it was meant, and holds as long as what was stored of it is what is stored. After a restart only that
//! is known; the rollout goes on from it as it does with a run that Flagger began.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use super::Context;
use super::act::WriteError;
use crate::digest;
use crate::world::key::Key;
use crate::world::kind;
use crate::world::packed::Packed;

/// The statuses that were not stored as they were meant.
#[derive(Default)]
pub(super) struct Dropped(Mutex<HashMap<Key, Kept>>);

struct Kept {
    /// Digest of what was stored.
    stored: u64,
    meant: Packed<Value>,
}

/// Merges a change into the status of a Canary that is still as in `version`, and gives it back as it is then.
pub(super) async fn write_status(
    ctx: &Context,
    key: &Key,
    version: &str,
    before: Value,
    change: &Value,
) -> Result<Value, WriteError> {
    let patch = json!({"metadata": {"resourceVersion": version}, "status": change});
    let mut written = ctx
        .writer
        .merge_status(&kind::canary(), key, &patch)
        .await?;
    let stored = written.get("status").unwrap_or(&Value::Null);
    ctx.dropped.note(key, stored, &merged(before, change));
    ctx.dropped.restore(key, &mut written);
    Ok(written)
}

impl Dropped {
    fn note(&self, key: &Key, stored: &Value, meant: &Value) {
        let mut all = self.lock();
        if stored == meant {
            all.remove(key);
            return;
        }
        if all.is_empty() {
            tracing::warn!(
                canary = %key,
                "The cluster's definition of Canary drops a part of the status; without it a release is timed and told \
                 worse after a restart. Apply the definitions that came with this version."
            );
        }
        let kept = Kept {
            stored: digest::short(stored),
            meant: Packed::new(meant),
        };
        all.insert(key.clone(), kept);
    }

    /// Puts back what was dropped from the status of a Canary as it is stored.
    pub(super) fn restore(&self, key: &Key, canary: &mut Value) {
        let all = self.lock();
        let Some(kept) = all.get(key) else {
            return;
        };
        if let Some(status) = canary.get_mut("status")
            && digest::short(status) == kept.stored
        {
            *status = kept.meant.open();
        }
    }

    pub(super) fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A merge patch carried out (RFC 7396).
fn merged(before: Value, change: &Value) -> Value {
    let Value::Object(change) = change else {
        return change.clone();
    };
    let mut after = if let Value::Object(fields) = before {
        fields
    } else {
        Map::new()
    };
    for (name, value) in change {
        let old = after.remove(name).unwrap_or_default();
        if !value.is_null() {
            after.insert(name.clone(), merged(old, value));
        }
    }
    Value::Object(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_merged() {
        for (before, change, expected) in [
            (Value::Null, json!({"a": 1, "b": null}), json!({"a": 1})),
            (json!({"a": 1, "b": 2}), json!({"a": null}), json!({"b": 2})),
            (
                json!({"a": {"b": 1, "c": [1, 2]}, "d": 1}),
                json!({"a": {"c": [3]}, "d": {"e": null}}),
                json!({"a": {"b": 1, "c": [3]}, "d": {}}),
            ),
        ] {
            assert_eq!(
                merged(before.clone(), &change),
                expected,
                "{before} {change}"
            );
        }
    }

    #[test]
    fn what_was_dropped_holds_while_the_rest_is_stored() {
        let (dropped, key) = (Dropped::default(), Key::new("test", "podinfo"));
        let check = |stored: Value, expected: Value| {
            let mut canary = json!({"status": stored});
            dropped.restore(&key, &mut canary);
            assert_eq!(canary["status"], expected);
        };
        dropped.note(&key, &json!({"a": 1}), &json!({"a": 1, "b": 2}));
        check(json!({"a": 1}), json!({"a": 1, "b": 2}));
        check(json!({"a": 2}), json!({"a": 2}));
        dropped.note(&key, &json!({"a": 1}), &json!({"a": 1}));
        check(json!({"a": 1}), json!({"a": 1}));
    }
}
