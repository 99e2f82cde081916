//! Brings a value into the form of its type: drops unknown fields, and from Go types nulls and empty optional fields.
//!
//! It reports what it dropped, for strict field validation, and what a Go type could not decode. It judges no values.

use serde_json::Value;

use super::{Kind, Schema, quantity};

/// What `shape` found.
#[derive(Debug, Default)]
pub(crate) struct Shaped {
    /// Paths of dropped unknown fields.
    pub(crate) unknown: Vec<String>,
    /// Go types that cannot hold the value given: path, JSON type, Go type.
    pub(crate) undecodable: Vec<(String, &'static str, &'static str)>,
}

/// Shapes a whole object.
pub(crate) fn shape(value: &mut Value, schema: &Schema) -> Shaped {
    let mut found = Shaped::default();
    walk(value, schema, "", &mut found);
    found
}

fn walk(value: &mut Value, schema: &Schema, path: &str, found: &mut Shaped) {
    if schema.is_native && !decodes(value, schema) {
        found
            .undecodable
            .push((path.to_owned(), json_type(value), go_type(schema)));
        return;
    }
    if schema.kind == Kind::Quantity {
        quantity::canonicalise(value);
        return;
    }
    match value {
        Value::Object(_) => walk_object(value, schema, path, found),
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walk(item, schema.item(), &format!("{path}[{index}]"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn walk_object(value: &mut Value, schema: &Schema, path: &str, found: &mut Shaped) {
    let Some(map) = value.as_object_mut() else {
        return;
    };
    let is_free = schema.keeps_unknown
        || schema.values.is_some()
        || (schema.is_native && schema.properties.is_empty());
    map.retain(|key, _| {
        let is_known = schema.is_field(key)
            || is_free
            || (schema.is_embedded && matches!(key.as_str(), "apiVersion" | "kind" | "metadata"));
        if !is_known {
            found.unknown.push(join(path, key));
        }
        is_known
    });
    for (key, child) in map.iter_mut() {
        walk(child, schema.child(key), &join(path, key), found);
    }
    if schema.is_native {
        let is_status = path == "status" || path.starts_with("status.");
        map.retain(|key, child| !vanishes(key, child, schema, is_status));
    } else {
        // A null for a described field that cannot be null counts as absent.
        map.retain(|key, child| {
            let is_described = schema.is_field(key) || schema.values.is_some();
            !(child.is_null() && is_described && !schema.child(key).nullable)
        });
    }
}

/// Whether Go's JSON encoder would leave the field out.
fn vanishes(key: &str, child: &Value, schema: &Schema, is_status: bool) -> bool {
    if child.is_null() {
        return true;
    }
    if !schema.is_field(key) || schema.required.iter().any(|required| required == key) {
        return false;
    }
    let field = schema.child(key);
    match field.kind {
        Kind::Array => child.as_array().is_some_and(Vec::is_empty),
        Kind::Object => {
            field.values.is_some() && child.as_object().is_some_and(serde_json::Map::is_empty)
        }
        Kind::String => child.as_str() == Some(""),
        Kind::Integer => is_status && child.as_i64() == Some(0),
        Kind::Any | Kind::Number | Kind::Boolean | Kind::IntOrString | Kind::Quantity => false,
    }
}

fn decodes(value: &Value, schema: &Schema) -> bool {
    if value.is_null() {
        return true;
    }
    match schema.kind {
        Kind::Any => true,
        Kind::Object => value.is_object(),
        Kind::Array => value.is_array(),
        Kind::String => value.is_string(),
        Kind::Integer => value.as_i64().is_some_and(|whole| {
            schema.rules.format.as_deref() != Some("int32") || i32::try_from(whole).is_ok()
        }),
        Kind::Number => value.is_number(),
        Kind::Boolean => value.is_boolean(),
        Kind::IntOrString => value.is_string() || value.is_i64(),
        Kind::Quantity => value.is_number() || value.as_str().is_some_and(quantity::is_quantity),
    }
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn go_type(schema: &Schema) -> &'static str {
    match schema.kind {
        Kind::Any => "interface {}",
        Kind::Object => "struct",
        Kind::Array => "slice",
        Kind::String => "string",
        Kind::Integer if schema.rules.format.as_deref() == Some("int64") => "int64",
        Kind::Integer => "int32",
        Kind::Number => "float64",
        Kind::Boolean => "bool",
        Kind::IntOrString => "intstr.IntOrString",
        Kind::Quantity => "resource.Quantity",
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
