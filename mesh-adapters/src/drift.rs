//! Tells whether a live object lacks anything of a manifest.
//!
//! What the API server fills in beside our fields is no difference: only fields that we write are compared.

use serde_json::Value;

use crate::object::Manifest;

/// True when `live` is missing or lacks or contradicts anything in `wanted`.
#[must_use]
pub fn differs(wanted: &Manifest, live: Option<&Value>) -> bool {
    live.is_none_or(|live| !covers(wanted, live))
}

/// True when all of `wanted` is in `live`. Lists must have the same length: an element more is a rule more.
fn covers(wanted: &Value, live: &Value) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => wanted.iter().all(|(key, value)| {
            live.get(key)
                .map_or_else(|| is_empty(value), |there| covers(value, there))
        }),
        (Value::Array(wanted), Value::Array(live)) => {
            wanted.len() == live.len()
                && wanted
                    .iter()
                    .zip(live)
                    .all(|(wanted, live)| covers(wanted, live))
        }
        (Value::Number(wanted), Value::Number(live)) => wanted.as_f64() == live.as_f64(),
        (wanted, live) => wanted == live,
    }
}

/// An empty list or object is the same as none.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
