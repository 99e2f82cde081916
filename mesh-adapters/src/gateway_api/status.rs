//! What gateways say of a route: accepted, refused, or not looked at yet.

use serde_json::Value;

use crate::{error::ReadError, object::ObjectRef};

/// Refuses a route that one of its parents refused, or whose newest version no parent has seen. Parents that
/// say nothing (some gateways do not) are taken to agree, as in Flagger.
pub(super) fn accepted(object: &Value, reference: &ObjectRef) -> Result<(), ReadError> {
    let generation = object
        .pointer("/metadata/generation")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    let wanted = list(object, "/spec/parentRefs");
    for parent in list(object, "/status/parents") {
        let Some(parent_ref) = parent.get("parentRef") else {
            continue;
        };
        if !wanted.iter().any(|one| is_same(one, parent_ref)) {
            continue;
        }
        for condition in list(parent, "/conditions") {
            if text(condition, "type") != Some("Accepted") {
                continue;
            }
            let observed = condition.get("observedGeneration").and_then(Value::as_i64);
            let parent = text(parent_ref, "name").unwrap_or_default().to_owned();
            let why = if observed.unwrap_or(0) < generation {
                return Err(ReadError::Unseen {
                    kind: reference.kind.clone(),
                    name: reference.name.clone(),
                    parent,
                    generation,
                });
            } else if text(condition, "status") == Some("True") {
                continue;
            } else {
                let reason = text(condition, "reason").unwrap_or("no reason given");
                let message = text(condition, "message").unwrap_or_default();
                format!("{reason} {message}").trim_end().to_owned()
            };
            return Err(ReadError::NotAccepted {
                kind: reference.kind.clone(),
                name: reference.name.clone(),
                parent,
                why,
            });
        }
    }
    Ok(())
}

fn is_same(wanted: &Value, reference: &Value) -> bool {
    let is_given_same = |key: &str| {
        let (wanted, there) = (wanted.get(key), reference.get(key));
        wanted.is_none() || there.is_none() || wanted == there
    };
    wanted.get("name") == reference.get("name")
        && ["namespace", "sectionName", "port", "kind"]
            .into_iter()
            .all(is_given_same)
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}
