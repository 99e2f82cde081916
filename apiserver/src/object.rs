//! Reads and writes fields of an object held as JSON, above all its metadata.
//!
//! Nothing here checks an object; a missing or oddly typed field reads as absent.

use serde_json::{Map, Value};

/// The value at a path of field names.
pub(crate) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

/// The text at a path of field names.
pub(crate) fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    at(value, path)?.as_str()
}

/// The whole number at a path of field names.
pub(crate) fn whole(value: &Value, path: &[&str]) -> Option<i64> {
    at(value, path)?.as_i64()
}

/// The entries of the list at a path; empty when there is none.
pub(crate) fn list<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    at(value, path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Puts a value at a path, making the objects on the way.
pub(crate) fn put(value: &mut Value, path: &[&str], new: Value) {
    let Some((last, parents)) = path.split_last() else {
        *value = new;
        return;
    };
    let mut here = value;
    for key in parents {
        here = object(here).entry((*key).to_owned()).or_insert(Value::Null);
    }
    object(here).insert((*last).to_owned(), new);
}

/// Puts a value at a path unless something other than null is there.
pub(crate) fn put_if_absent(value: &mut Value, path: &[&str], new: Value) {
    if at(value, path).is_none_or(Value::is_null) {
        put(value, path, new);
    }
}

/// Takes the value at a path out of the object.
pub(crate) fn take(value: &mut Value, path: &[&str]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    let mut here = value;
    for key in parents {
        here = here.get_mut(key)?;
    }
    here.as_object_mut()?.remove(*last)
}

/// Puts a value at a path, or removes what is there when the value is absent.
pub(crate) fn put_or_take(value: &mut Value, path: &[&str], new: Option<&Value>) {
    match new {
        Some(new) => put(value, path, new.clone()),
        None => {
            take(value, path);
        }
    }
}

/// The map inside a value, which becomes an empty object if it was anything else.
pub(crate) fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            unreachable!("was made an object above")
        }
    }
}

/// `metadata.name`, empty when absent.
pub(crate) fn name(value: &Value) -> &str {
    text(value, &["metadata", "name"]).unwrap_or_default()
}

/// `metadata.namespace`, empty when absent.
pub(crate) fn namespace(value: &Value) -> &str {
    text(value, &["metadata", "namespace"]).unwrap_or_default()
}

/// `metadata.uid`, empty when absent.
pub(crate) fn uid(value: &Value) -> &str {
    text(value, &["metadata", "uid"]).unwrap_or_default()
}

/// Whether deletion has begun.
pub(crate) fn is_terminating(value: &Value) -> bool {
    text(value, &["metadata", "deletionTimestamp"]).is_some()
}

/// `metadata.finalizers`.
pub(crate) fn finalizers(value: &Value) -> Vec<&str> {
    list(value, &["metadata", "finalizers"])
        .iter()
        .filter_map(Value::as_str)
        .collect()
}

/// The uids in `metadata.ownerReferences`.
pub(crate) fn owner_uids(value: &Value) -> Vec<&str> {
    list(value, &["metadata", "ownerReferences"])
        .iter()
        .filter_map(|owner| text(owner, &["uid"]))
        .collect()
}

/// Removes the object at a path when it is there and empty.
pub(crate) fn take_if_empty(value: &mut Value, path: &[&str]) {
    let is_empty = at(value, path).is_some_and(|found| {
        found.as_object().is_some_and(Map::is_empty) || found.as_array().is_some_and(Vec::is_empty)
    });
    if is_empty {
        take(value, path);
    }
}
