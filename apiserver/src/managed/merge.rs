//! Merges, prunes and compares objects field by field, as the type says which lists merge by key.
//!
//! The rules are those of structured-merge-diff: lists of keyed items and sets merge, other lists are one value;
//! maps merge unless atomic. Ownership is decided in `managed`.

use serde_json::{Map, Value};

use super::field_set::FieldSet;
use crate::schema::{ListKind, Schema};

/// What changed between two objects.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) added: FieldSet,
    pub(crate) modified: FieldSet,
    pub(crate) removed: FieldSet,
}

/// The value as a list that merges item by item.
fn merging_list<'a>(value: &'a Value, schema: &Schema) -> Option<&'a Vec<Value>> {
    if schema.list == ListKind::Atomic {
        return None;
    }
    value.as_array()
}

/// The value as a map that merges key by key.
fn merging_map<'a>(value: &'a Value, schema: &Schema) -> Option<&'a Map<String, Value>> {
    if schema.is_atomic_map {
        return None;
    }
    value.as_object()
}

/// The path part of a list item.
fn item_part(item: &Value, schema: &Schema) -> String {
    let ListKind::Map(keys) = &schema.list else {
        return format!("v:{item}");
    };
    let mut found = Map::new();
    for key in keys {
        let value = item.get(key).cloned().or_else(|| key_default(key, schema));
        if let Some(value) = value {
            found.insert(key.clone(), value);
        }
    }
    format!("k:{}", Value::Object(found))
}

/// The default of a key that an item leaves out.
fn key_default(key: &str, schema: &Schema) -> Option<Value> {
    if schema.is_native && key == "protocol" {
        return Some(Value::from("TCP"));
    }
    schema.item().child(key).default.clone()
}

/// The paths that an applied object names.
pub(crate) fn paths_of(value: &Value, schema: &Schema) -> FieldSet {
    let mut set = FieldSet::default();
    collect(value, schema, &mut Vec::new(), &mut set);
    set
}

fn collect(value: &Value, schema: &Schema, path: &mut Vec<String>, set: &mut FieldSet) {
    if let Some(map) = merging_map(value, schema) {
        for (key, child) in map {
            path.push(format!("f:{key}"));
            collect(child, schema.child(key), path, set);
            let is_empty = child.is_null() || child.as_object().is_some_and(Map::is_empty);
            if is_empty || !schema.is_field(key) {
                set.insert(path);
            }
            path.pop();
        }
    } else if let Some(items) = merging_list(value, schema) {
        for item in items {
            path.push(item_part(item, schema));
            collect(item, schema.item(), path, set);
            set.insert(path);
            path.pop();
        }
    } else if !path.is_empty() {
        set.insert(path);
    }
}

/// Lays the applied object over the live one.
pub(crate) fn merge(live: &Value, applied: &Value, schema: &Schema) -> Value {
    if let (Some(old), Some(new)) = (merging_map(live, schema), merging_map(applied, schema)) {
        let mut merged = old.clone();
        for (key, value) in new {
            let below = match old.get(key) {
                Some(before) => merge(before, value, schema.child(key)),
                None => value.clone(),
            };
            merged.insert(key.clone(), below);
        }
        return Value::Object(merged);
    }
    match (merging_list(live, schema), merging_list(applied, schema)) {
        (Some(old), Some(new)) => merge_lists(old, new, schema),
        _ => applied.clone(),
    }
}

/// Items of the applied list keep its order; items that only the live list has stay before the next shared one.
fn merge_lists(old: &[Value], new: &[Value], schema: &Schema) -> Value {
    let old_parts: Vec<String> = old.iter().map(|item| item_part(item, schema)).collect();
    let new_parts: Vec<String> = new.iter().map(|item| item_part(item, schema)).collect();
    let mut merged = Vec::with_capacity(old.len().max(new.len()));
    let mut next = 0;
    let only_old = |merged: &mut Vec<Value>, from: usize, to: usize| {
        for (item, part) in old.iter().zip(&old_parts).take(to).skip(from) {
            if !new_parts.contains(part) {
                merged.push(item.clone());
            }
        }
    };
    for (item, part) in new.iter().zip(&new_parts) {
        match old_parts.iter().position(|old_part| old_part == part) {
            Some(found) => {
                if found >= next {
                    only_old(&mut merged, next, found);
                    next = found + 1;
                }
                let before = old.get(found).unwrap_or(&Value::Null);
                merged.push(merge(before, item, schema.item()));
            }
            None => {
                let run = old_parts
                    .iter()
                    .skip(next)
                    .take_while(|old_part| !new_parts.contains(old_part))
                    .count();
                only_old(&mut merged, next, next + run);
                next += run;
                merged.push(item.clone());
            }
        }
    }
    only_old(&mut merged, next, old.len());
    Value::Array(merged)
}

/// The value without the members of a set, each with all below it.
pub(crate) fn without(value: &Value, schema: &Schema, set: &FieldSet) -> Value {
    if let Some(map) = merging_map(value, schema) {
        let mut left = Map::new();
        for (key, child) in map {
            match set.child(&format!("f:{key}")) {
                Some(below) if below.is_member() => {}
                Some(below) => {
                    left.insert(key.clone(), without(child, schema.child(key), below));
                }
                None => {
                    left.insert(key.clone(), child.clone());
                }
            }
        }
        return Value::Object(left);
    }
    let Some(items) = merging_list(value, schema) else {
        return value.clone();
    };
    let left = items
        .iter()
        .filter_map(|item| match set.child(&item_part(item, schema)) {
            Some(below) if below.is_member() => None,
            Some(below) => Some(without(item, schema.item(), below)),
            None => Some(item.clone()),
        })
        .collect();
    Value::Array(left)
}

/// What changed from one object to the next.
pub(crate) fn compare(old: &Value, new: &Value, schema: &Schema) -> Comparison {
    let mut found = Comparison::default();
    diff(Some(old), Some(new), schema, &mut Vec::new(), &mut found);
    found
}

fn diff(
    old: Option<&Value>,
    new: Option<&Value>,
    schema: &Schema,
    path: &mut Vec<String>,
    found: &mut Comparison,
) {
    if old == new {
        return;
    }
    let old_map = old.and_then(|value| merging_map(value, schema));
    let new_map = new.and_then(|value| merging_map(value, schema));
    let old_list = old.and_then(|value| merging_list(value, schema));
    let new_list = new.and_then(|value| merging_list(value, schema));
    let is_null = |value: Option<&Value>| value.is_none_or(Value::is_null);
    if (old_map.is_some() || is_null(old))
        && (new_map.is_some() || is_null(new))
        && (old_map.or(new_map)).is_some()
    {
        diff_maps(old_map, new_map, schema, path, found);
    } else if (old_list.is_some() || is_null(old))
        && (new_list.is_some() || is_null(new))
        && (old_list.or(new_list)).is_some()
    {
        diff_lists(old_list, new_list, schema, path, found);
    } else if old.is_some() && new.is_some() {
        found.modified.insert(path);
        return;
    }
    if path.is_empty() {
        return;
    }
    if old.is_none() {
        found.added.insert(path);
    } else if new.is_none() {
        found.removed.insert(path);
    }
}

fn diff_maps(
    old: Option<&Map<String, Value>>,
    new: Option<&Map<String, Value>>,
    schema: &Schema,
    path: &mut Vec<String>,
    found: &mut Comparison,
) {
    let keys = old.into_iter().flat_map(Map::keys);
    let extra = new
        .into_iter()
        .flat_map(Map::keys)
        .filter(|key| !old.is_some_and(|old| old.contains_key(*key)));
    for key in keys.chain(extra) {
        path.push(format!("f:{key}"));
        let before = old.and_then(|old| old.get(key));
        let after = new.and_then(|new| new.get(key));
        diff(before, after, schema.child(key), path, found);
        path.pop();
    }
}

fn diff_lists(
    old: Option<&Vec<Value>>,
    new: Option<&Vec<Value>>,
    schema: &Schema,
    path: &mut Vec<String>,
    found: &mut Comparison,
) {
    let index = |list: Option<&Vec<Value>>| -> std::collections::BTreeMap<String, Value> {
        list.into_iter()
            .flatten()
            .map(|item| (item_part(item, schema), item.clone()))
            .collect()
    };
    let (before, after) = (index(old), index(new));
    let extra = after.keys().filter(|part| !before.contains_key(*part));
    for part in before.keys().chain(extra) {
        path.push(part.clone());
        diff(
            before.get(part),
            after.get(part),
            schema.item(),
            path,
            found,
        );
        path.pop();
    }
}
