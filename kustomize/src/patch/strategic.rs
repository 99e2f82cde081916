//! Merges a strategic merge patch into an object, as kyaml does.
//!
//! Maps merge, null deletes, lists merge by their keys with the patch's items
//! first, `$patch: delete | replace | merge` directs a map or a list.

mod lists;

use serde_json::{Map, Value};

use super::merge_keys::Schema;
use crate::resource::text;

const DIRECTIVE: &str = "$patch";

/// What `$patch` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

impl Directive {
    fn parse(word: &Value) -> Result<Self, String> {
        match word.as_str() {
            Some("merge") => Ok(Self::Merge),
            Some("replace") => Ok(Self::Replace),
            Some("delete") => Ok(Self::Delete),
            Some(_) | None => Err(format!(
                "$patch is {word}, must be merge, replace or delete"
            )),
        }
    }
}

/// Merges `patch` into `object`; `None` when the patch deletes it.
pub(super) fn merge_object(object: Value, patch: &Value) -> Result<Option<Value>, String> {
    let schema = Schema::of(text(object.get("apiVersion")), text(object.get("kind")));
    merge(Some(object), Some(patch), schema)
}

/// Merges one value; `None` on either side means missing, in the answer gone.
fn merge(
    object: Option<Value>,
    patch: Option<&Value>,
    schema: Schema,
) -> Result<Option<Value>, String> {
    let Some(patch) = patch else {
        return Ok(object);
    };
    let there = object.filter(|value| !value.is_null());
    match (there, patch) {
        (_, Value::Null) => Ok(None),
        (None, Value::Object(patch)) => add_map(patch, schema),
        (Some(Value::Object(map)), Value::Object(patch)) => merge_map(map, patch, schema),
        (None, Value::Array(patch)) => lists::merge(patch.clone(), patch, schema),
        (Some(Value::Array(items)), Value::Array(patch)) => lists::merge(items, patch, schema),
        (None, scalar) => Ok(Some(scalar.clone())),
        (Some(there), patch) => {
            let (is, wants) = (shape(&there), shape(patch));
            if is != wants {
                return Err(format!("a {wants} cannot be merged into a {is}"));
            }
            Ok(Some(patch.clone()))
        }
    }
}

fn shape(value: &Value) -> &'static str {
    match value {
        Value::Object(_) => "map",
        Value::Array(_) => "list",
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => "scalar",
    }
}

/// Adds a map that is not there: its own nulls and directives take effect.
fn add_map(patch: &Map<String, Value>, schema: Schema) -> Result<Option<Value>, String> {
    let directive = patch
        .get(DIRECTIVE)
        .map_or(Ok(Directive::Merge), Directive::parse)?;
    if directive == Directive::Delete {
        return Ok(None);
    }
    merge_fields(Map::new(), patch, schema).map(Some)
}

fn merge_map(
    object: Map<String, Value>,
    patch: &Map<String, Value>,
    schema: Schema,
) -> Result<Option<Value>, String> {
    let directive = patch
        .get(DIRECTIVE)
        .map_or(Ok(Directive::Merge), Directive::parse)?;
    match directive {
        Directive::Delete => Ok(None),
        Directive::Replace => merge_fields(Map::new(), patch, schema).map(Some),
        Directive::Merge => merge_fields(object, patch, schema).map(Some),
    }
}

fn merge_fields(
    mut object: Map<String, Value>,
    patch: &Map<String, Value>,
    schema: Schema,
) -> Result<Value, String> {
    for (key, patch) in patch.iter().filter(|(key, _)| *key != DIRECTIVE) {
        let merged = merge(object.remove(key), Some(patch), schema.field(key))
            .map_err(|why| prepend(key, &why))?;
        if let Some(merged) = merged {
            object.insert(key.clone(), merged);
        }
    }
    Ok(Value::Object(object))
}

/// `spec: template: a map …`: the path to what does not fit.
fn prepend(key: &str, why: &str) -> String {
    format!("{key}: {why}")
}
