//! Applies a strategic merge patch: maps merge, lists with a merge key merge by it, directives delete and replace.
//!
//! Directives: `$patch: delete|replace|merge`, `$deleteFromPrimitiveList/f`, `$setElementOrder/f`, `$retainKeys`.

use serde_json::{Map, Value};

use crate::schema::Schema;

/// Why a strategic merge patch could not be applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StrategicError {
    /// An item of a list of maps has no merge key.
    #[error("map: {item} does not contain declared merge key: {key}")]
    NoKey { item: String, key: String },
    /// A `$patch` value that means nothing.
    #[error("Unknown directive value {0:?}")]
    Directive(String),
}

/// The object after the patch.
pub(crate) fn merge(old: &Value, patch: &Value, schema: &Schema) -> Result<Value, StrategicError> {
    let (Some(old_map), Some(patch_map)) = (old.as_object(), patch.as_object()) else {
        return Ok(cleaned(patch));
    };
    match patch_map.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            let mut new = patch_map.clone();
            new.remove("$patch");
            return Ok(Value::Object(new));
        }
        Some("delete") => return Ok(Value::Object(Map::new())),
        Some("merge") | None => {}
        Some(other) => return Err(StrategicError::Directive(other.to_owned())),
    }
    let mut new = old_map.clone();
    if let Some(retained) = patch_map.get("$retainKeys").and_then(Value::as_array) {
        new.retain(|key, _| retained.iter().any(|name| name == key));
    }
    for (key, value) in patch_map {
        if key == "$patch" || key == "$retainKeys" || key.starts_with("$setElementOrder/") {
            continue;
        }
        if let Some(field) = key.strip_prefix("$deleteFromPrimitiveList/") {
            delete_scalars(&mut new, field, value);
            continue;
        }
        if value.is_null() {
            new.remove(key);
            continue;
        }
        let field = schema.child(key);
        let merged = match (new.get(key), value) {
            (Some(before @ Value::Object(_)), Value::Object(_)) => merge(before, value, field)?,
            (before, Value::Array(items)) if field.patch_key.is_some() => {
                let before = before
                    .and_then(Value::as_array)
                    .map_or(&[][..], Vec::as_slice);
                merge_lists(before, items, field)?
            }
            _ => cleaned(value),
        };
        if merged.is_null() {
            new.remove(key);
        } else {
            new.insert(key.clone(), merged);
        }
    }
    for (key, order) in patch_map {
        let order = key.strip_prefix("$setElementOrder/").zip(order.as_array());
        let Some((field, order)) = order else {
            continue;
        };
        let merge_key = schema.child(field).patch_key.as_deref().unwrap_or_default();
        let before = old_map
            .get(field)
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        if let Some(list) = new.get_mut(field).and_then(Value::as_array_mut) {
            *list = arranged(std::mem::take(list), order, before, merge_key);
        }
    }
    Ok(Value::Object(new))
}

fn delete_scalars(map: &mut Map<String, Value>, field: &str, gone: &Value) {
    let gone = gone.as_array().map_or(&[][..], Vec::as_slice);
    if let Some(list) = map.get_mut(field).and_then(Value::as_array_mut) {
        list.retain(|item| !gone.contains(item));
    }
}

fn merge_lists(old: &[Value], patch: &[Value], schema: &Schema) -> Result<Value, StrategicError> {
    let key = schema.patch_key.as_deref().unwrap_or_default();
    let is_replaced = patch
        .iter()
        .any(|item| item.get("$patch").and_then(Value::as_str) == Some("replace"));
    let mut new: Vec<Value> = if is_replaced {
        Vec::new()
    } else {
        old.to_vec()
    };
    for item in patch {
        if key.is_empty() {
            if !new.contains(item) {
                new.push(item.clone());
            }
            continue;
        }
        let directive = item.get("$patch").and_then(Value::as_str);
        let Some(identity) = item.get(key) else {
            if directive == Some("replace") {
                continue;
            }
            return Err(StrategicError::NoKey {
                item: item.to_string(),
                key: key.to_owned(),
            });
        };
        if directive == Some("delete") {
            new.retain(|known| known.get(key) != Some(identity));
            continue;
        }
        match new
            .iter_mut()
            .find(|known| known.get(key) == Some(identity))
        {
            Some(known) => *known = merge(known, item, schema.item())?,
            None => new.push(cleaned(item)),
        }
    }
    Ok(Value::Array(arranged(new, patch, old, key)))
}

fn identity(item: &Value, key: &str) -> Option<Value> {
    if key.is_empty() {
        Some(item.clone())
    } else {
        item.get(key).cloned()
    }
}

fn rank(list: &[Value], item: &Value, key: &str) -> Option<usize> {
    list.iter()
        .position(|known| identity(known, key) == identity(item, key))
}

/// Interleaves the items that the patch names, in its order, with the others in theirs.
///
/// An other item goes before a named one only when it was before it in the old list, as strategicpatch's
/// `mergeSortedSlice` does; so a new item comes first.
fn arranged(items: Vec<Value>, order: &[Value], old: &[Value], key: &str) -> Vec<Value> {
    let (mut named, others): (Vec<_>, Vec<_>) = items
        .into_iter()
        .partition(|item| rank(order, item, key).is_some());
    named.sort_by_key(|item| rank(order, item, key));
    let mut others = others.into_iter().peekable();
    let mut result = Vec::new();
    for next in named {
        let place = rank(old, &next, key);
        while let Some(other) = others.next_if(|other| match (rank(old, other, key), place) {
            (Some(before), Some(place)) => before < place,
            _ => false,
        }) {
            result.push(other);
        }
        result.push(next);
    }
    result.extend(others);
    result
}

/// A value to add, without directives and nulls.
fn cleaned(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(key, value)| !key.starts_with('$') && !value.is_null())
                .map(|(key, value)| (key.clone(), cleaned(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(cleaned).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
