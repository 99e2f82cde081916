//! Puts the defaults of a CRD's schema into an object.
//!
//! Defaults of built-in kinds are code, in `defaults`.

use serde_json::Value;

use super::Schema;

/// Fills absent fields that have a default, and then their own absent fields.
pub(crate) fn fill(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(map) => {
            for (key, field) in &schema.properties {
                if let Some(default) = &field.default
                    && !map.contains_key(key)
                {
                    map.insert(key.clone(), default.clone());
                }
            }
            for (key, child) in map.iter_mut() {
                fill(child, schema.child(key));
            }
        }
        Value::Array(items) => {
            for item in items {
                fill(item, schema.item());
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
