//! Builds the empty object that the first update of a built-in kind is compared with.
//!
//! A Go struct that is no pointer exists in an empty object, so nobody comes to own it; custom resources start from
//! nothing. Fields: see the types of k8s.io/api, those whose JSON appears in the encoding of a zero value.

use serde_json::{Value, json};

use crate::{
    object::{at, put},
    schema::Schema,
};

const ALWAYS_THERE: [&[&str]; 14] = [
    &["metadata"],
    &["spec"],
    &["status"],
    &["spec", "strategy"],
    &["spec", "updateStrategy"],
    &["spec", "template"],
    &["spec", "template", "metadata"],
    &["spec", "template", "spec"],
    &["spec", "jobTemplate"],
    &["spec", "jobTemplate", "spec"],
    &["spec", "scaleTargetRef"],
    &["status", "loadBalancer"],
    &["source"],
    &["involvedObject"],
];

const NULL_LISTS: [&[&str]; 3] = [
    &["spec", "containers"],
    &["spec", "template", "spec", "containers"],
    &["rules"],
];

/// The empty object of the kind of `new`, as far as `new` has the parts.
pub(crate) fn of(new: &Value, schema: &Schema) -> Value {
    let mut empty = json!({ "metadata": {} });
    if !schema.is_native {
        return empty;
    }
    for path in ALWAYS_THERE {
        if at(new, path).is_some_and(Value::is_object) {
            put(&mut empty, path, json!({}));
        }
    }
    for path in NULL_LISTS {
        if at(new, path).is_some_and(Value::is_array) {
            put(&mut empty, path, Value::Null);
        }
    }
    empty
}
