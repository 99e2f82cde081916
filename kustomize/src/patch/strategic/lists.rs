//! Merges lists: replaced, sets of scalars, or objects told apart by keys.

use serde_json::{Map, Value};

use super::super::merge_keys::{List, Schema};
use super::{DIRECTIVE, Directive};
use crate::resource::worded;

pub(super) fn merge(
    items: Vec<Value>,
    patch: &[Value],
    schema: Schema,
) -> Result<Option<Value>, String> {
    let keys = match schema.list() {
        List::Replaced => return Ok(Some(Value::Array(patch.to_vec()))),
        List::Set => &[],
        List::Keyed(keys) => keys.as_slice(),
    };
    let directive = directive(patch)?;
    let patch: Vec<&Value> = patch.iter().filter(|item| !is_directive(item)).collect();
    let items = match directive {
        Directive::Delete => return Ok(None),
        Directive::Replace => patch.iter().map(|item| (*item).clone()).collect(),
        Directive::Merge => items
            .into_iter()
            .filter(|item| !is_directive(item))
            .collect(),
    };
    let merged = if keys.is_empty() {
        union(items, &patch)
    } else {
        merge_keyed(items, &patch, keys, schema.item())?
    };
    Ok(Some(Value::Array(merged)))
}

/// An item that is nothing but `$patch: …` is about the whole list.
fn is_directive(item: &Value) -> bool {
    item.as_object()
        .is_some_and(|map| map.len() == 1 && map.contains_key(DIRECTIVE))
}

fn directive(patch: &[Value]) -> Result<Directive, String> {
    let item = patch.iter().find(|item| is_directive(item));
    item.and_then(|item| item.get(DIRECTIVE))
        .map_or(Ok(Directive::Merge), Directive::parse)
}

/// The patch's scalars first, each once.
fn union(items: Vec<Value>, patch: &[&Value]) -> Vec<Value> {
    let mut merged: Vec<Value> = Vec::with_capacity(items.len());
    for item in patch.iter().map(|item| (*item).clone()).chain(items) {
        if !merged.contains(&item) {
            merged.push(item);
        }
    }
    merged
}

/// The values of the keys of one item, empty where missing.
type Values = Vec<String>;

fn merge_keyed(
    mut items: Vec<Value>,
    patch: &[&Value],
    keys: &[&str],
    schema: Schema,
) -> Result<Vec<Value>, String> {
    let mut wanted: Vec<Values> = Vec::new();
    for item in patch.iter().copied().chain(&items) {
        let values = values_of(item, keys);
        if !wanted.contains(&values) {
            wanted.push(values);
        }
    }
    if keys.len() > 1 {
        complete(&mut wanted);
    }
    let mut merged: Vec<Value> = Vec::new();
    for values in wanted {
        if values.iter().all(String::is_empty) {
            continue;
        }
        let at = items.iter().position(|item| matches(item, keys, &values));
        let there = at.and_then(|at| items.get(at)).cloned();
        let patch = patch.iter().find(|item| matches(item, keys, &values));
        let result = match (there, patch) {
            (there, Some(patch)) => super::merge(there, Some(patch), schema)?,
            (there, None) => there,
        };
        match result.filter(|value| value.as_object().is_none_or(|map| !map.is_empty())) {
            None => items.retain(|item| !matches(item, keys, &values)),
            Some(mut result) => {
                set_keys(&mut result, keys, &values);
                // kyaml puts an item that asks to be replaced back as it was.
                let kept =
                    patch.and_then(|p| p.get(DIRECTIVE)).and_then(Value::as_str) == Some("replace");
                if let Some(slot) = at.and_then(|at| items.get_mut(at)).filter(|_| !kept) {
                    *slot = result.clone();
                }
                place(&mut merged, result, keys, &values);
            }
        }
    }
    // Items of the object keep their own order behind those of the patch; with
    // several keys they are taken out first, so that they come last.
    for item in items {
        let values = values_of(&item, keys);
        if keys.len() > 1 {
            merged.retain(|there| !matches(there, keys, &values));
        }
        place(&mut merged, item, keys, &values);
    }
    Ok(merged)
}

fn values_of(item: &Value, keys: &[&str]) -> Values {
    let value = |key: &&str| match item.get(*key).map(worded) {
        Some(Value::String(text)) => text,
        Some(_) | None => String::new(),
    };
    keys.iter().map(value).collect()
}

/// True when every key that has a value has this one. An item without any of
/// the keys matches nothing.
fn matches(item: &Value, keys: &[&str], values: &[String]) -> bool {
    let mine = values_of(item, keys);
    let mut compared = mine
        .iter()
        .zip(values)
        .filter(|(_, value)| !value.is_empty());
    values.iter().any(|v| !v.is_empty()) && compared.all(|(mine, value)| mine == value)
}

/// Fills up missing values from items that agree in another key: a port
/// without protocol is the one that has a protocol.
fn complete(wanted: &mut [Values]) {
    for i in 0..wanted.len() {
        for j in 0..wanted.len() {
            let (Some(a), Some(b)) = (wanted.get(i), wanted.get(j)) else {
                continue;
            };
            if let Some(both) = unify(a, b) {
                for at in [i, j] {
                    if let Some(slot) = wanted.get_mut(at) {
                        slot.clone_from(&both);
                    }
                }
            }
        }
    }
}

fn unify(a: &Values, b: &Values) -> Option<Values> {
    let agree = a.iter().zip(b).any(|(x, y)| x == y);
    let clash = a
        .iter()
        .zip(b)
        .any(|(x, y)| x != y && !x.is_empty() && !y.is_empty());
    let pick = |(x, y): (&String, &String)| if x.is_empty() { y.clone() } else { x.clone() };
    (agree && !clash).then(|| a.iter().zip(b).map(pick).collect())
}

/// Puts an item in the place of the one with its keys, or last.
fn place(list: &mut Vec<Value>, item: Value, keys: &[&str], values: &[String]) {
    match list.iter_mut().find(|there| matches(there, keys, values)) {
        Some(slot) => *slot = item,
        None => list.push(item),
    }
}

/// Makes sure that a merged item carries its keys.
fn set_keys(item: &mut Value, keys: &[&str], values: &[String]) {
    let Value::Object(map) = item else {
        return;
    };
    for (key, value) in keys.iter().zip(values) {
        if !value.is_empty() {
            set_key(map, key, value);
        }
    }
}

fn set_key(map: &mut Map<String, Value>, key: &str, value: &str) {
    map.entry(key)
        .or_insert_with(|| match value.parse::<i64>() {
            Ok(number) => Value::from(number),
            Err(_) => Value::from(value),
        });
}
