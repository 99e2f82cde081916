//! Reads fields of JSON objects by pointer, with the empty value for what is not there.
//!
//! It does not write: builders make their objects with `serde_json::json!`.

use serde_json::{Map, Value};

/// The text at `pointer`, or "".
pub(crate) fn str_at<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The whole number at `pointer`.
pub(crate) fn int_at(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

/// The count at `pointer`; 0 when missing, negative or absurd.
pub(crate) fn count_at(object: &Value, pointer: &str) -> u32 {
    int_at(object, pointer)
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or_default()
}

/// The items of the list at `pointer`.
pub(crate) fn list_at<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// The map at `pointer`, copied; empty when missing.
pub(crate) fn map_at(object: &Value, pointer: &str) -> Map<String, Value> {
    object
        .pointer(pointer)
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

/// The items of the list at `pointer`, to change.
pub(crate) fn list_at_mut<'a>(
    object: &'a mut Value,
    pointer: &str,
) -> std::slice::IterMut<'a, Value> {
    object
        .pointer_mut(pointer)
        .and_then(Value::as_array_mut)
        .map(|list| list.iter_mut())
        .unwrap_or_default()
}

/// The uid of the controlling owner.
pub(crate) fn controller_uid(object: &Value) -> Option<&str> {
    list_at(object, "/metadata/ownerReferences")
        .iter()
        .find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))
        .map(|owner| str_at(owner, "/uid"))
}
