//! Turns a generated JSON schema into what kube-apiserver accepts as structural.

use serde_json::{Map, Value};

/// Keys of JSON Schema that a structural schema must not hold.
const DROPPED: [&str; 4] = ["$schema", "title", "nullable", "definitions"];

/// Formats that say only how Rust holds a number.
const RUST_FORMATS: [&str; 6] = ["uint8", "uint16", "uint32", "uint64", "int8", "int16"];

/// The same schema with only what a structural schema may hold.
pub(super) fn structural(schema: Value) -> Value {
    let Value::Object(mut object) = schema else {
        return schema;
    };
    collapse_optional(&mut object);
    let mut out: Map<String, Value> = object
        .into_iter()
        .filter(|(key, _)| !DROPPED.contains(&key.as_str()))
        .map(|(key, value)| {
            let value = match (key.as_str(), value) {
                ("properties", Value::Object(all)) => Value::Object(
                    all.into_iter()
                        .map(|(name, schema)| (name, structural(schema)))
                        .collect(),
                ),
                ("items" | "additionalProperties", value) => structural(value),
                ("allOf" | "anyOf" | "oneOf", Value::Array(all)) => {
                    Value::Array(all.into_iter().map(structural).collect())
                }
                (_, value) => value,
            };
            (key, value)
        })
        .collect();
    collapse_single_all_of(&mut out);
    collapse_enum_of_constants(&mut out);
    if out
        .get("format")
        .and_then(Value::as_str)
        .is_some_and(|f| RUST_FORMATS.contains(&f))
    {
        out.remove("format");
    }
    // "type" = "number" was put over an integer: its format would contradict it.
    if out.get("type").and_then(Value::as_str) == Some("number") {
        out.remove("format");
    }
    drop_null(&mut out);
    Value::Object(out)
}

/// `anyOf: [x, null]`, which an optional enum comes as, means x.
fn collapse_optional(object: &mut Map<String, Value>) {
    let Some(Value::Array(all)) = object.get_mut("anyOf") else {
        return;
    };
    let is_null = |v: &Value| {
        v.get("enum")
            .and_then(Value::as_array)
            .is_some_and(|e| e.iter().all(Value::is_null))
    };
    all.retain(|v| !is_null(v));
    if all.len() == 1 {
        let single = object.remove("anyOf").unwrap_or_default();
        object.insert("allOf".to_owned(), single);
    }
}

/// `allOf: [x]` means x.
fn collapse_single_all_of(out: &mut Map<String, Value>) {
    let single = matches!(out.get("allOf"), Some(Value::Array(all)) if all.len() == 1);
    if !single {
        return;
    }
    let Some(Value::Array(all)) = out.remove("allOf") else {
        return;
    };
    for inner in all {
        let Value::Object(inner) = inner else {
            continue;
        };
        for (key, value) in inner {
            out.entry(key).or_insert(value);
        }
    }
}

/// A documented Rust enum comes as `oneOf` of single constants; kube-apiserver wants one `enum`.
fn collapse_enum_of_constants(out: &mut Map<String, Value>) {
    let Some(Value::Array(all)) = out.get("oneOf") else {
        return;
    };
    let mut constants = Vec::new();
    for alternative in all {
        match (
            alternative.get("const"),
            alternative.get("enum").and_then(Value::as_array),
        ) {
            (Some(constant), _) => constants.push(constant.clone()),
            (None, Some(several)) => constants.extend(several.iter().cloned()),
            (None, None) => return,
        }
    }
    out.remove("oneOf");
    out.insert("type".to_owned(), Value::from("string"));
    out.insert("enum".to_owned(), Value::Array(constants));
}

/// Optional fields are absent, never null.
fn drop_null(out: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = out.get("type") {
        let first = types.iter().find(|t| t.as_str() != Some("null")).cloned();
        if let Some(first) = first {
            out.insert("type".to_owned(), first);
        }
    }
    if let Some(Value::Array(values)) = out.get_mut("enum") {
        values.retain(|v| !v.is_null());
    }
    if out.get("default").is_some_and(Value::is_null) {
        out.remove("default");
    }
}

/// Takes away defaults of `false`, 0 and the like, but for the API group of a reference, which is matched by text.
pub(super) fn drop_empty_defaults(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    let is_matched = object.contains_key("pattern");
    let is_empty = |default: &Value| match default {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty() && !is_matched,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Bool(true) | Value::Array(_) | Value::Object(_) => false,
    };
    if object.get("default").is_some_and(is_empty) {
        object.remove("default");
    }
    for (key, value) in object.iter_mut() {
        match (key.as_str(), value) {
            ("properties", Value::Object(all)) => all.values_mut().for_each(drop_empty_defaults),
            ("items" | "additionalProperties", value) => drop_empty_defaults(value),
            (_, _) => {}
        }
    }
}

/// Changes the schema object at a path of keys; a path that does not exist changes nothing.
pub(super) fn edit(
    schema: &mut Value,
    path: &[&str],
    change: impl FnOnce(&mut Map<String, Value>),
) {
    let mut at = schema;
    for key in path {
        let Some(next) = at.get_mut(*key) else { return };
        at = next;
    }
    if let Some(object) = at.as_object_mut() {
        change(object);
    }
}

/// Makes a property mandatory.
pub(super) fn require(schema: &mut Value, property: &str) {
    edit(schema, &[], |object| {
        let required = object
            .entry("required")
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Some(all) = required.as_array_mut() {
            all.push(Value::from(property));
            all.sort_by_key(ToString::to_string);
        }
    });
}
