//! Reads an OpenAPI v3 schema, as a CRD or k8s-openapi gives it, into a `Schema`.
//!
//! References are followed into the given definitions; a definition that holds itself becomes `ANY` at the inner place.
//! Structural rules of CRDs are not judged here.

use std::{collections::BTreeMap, sync::Arc};

use regex::Regex;
use serde_json::{Map, Value};

use super::{ANY, Kind, ListKind, Rules, Schema, merge_keys};

/// How deep schemas may nest, in levels.
const SCHEMA_DEPTH_MAX: usize = 64;

/// Why a schema could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaError {
    /// A pattern is no regular expression.
    #[error("failed to read pattern {pattern:?} at {path:?}")]
    Pattern {
        pattern: String,
        path: String,
        source: Box<regex::Error>,
    },
    /// The schema nests too deeply.
    #[error("refused a schema deeper than {SCHEMA_DEPTH_MAX} levels at {0:?}")]
    Depth(String),
}

/// Reads schemas that may refer to one set of definitions.
pub(crate) struct Reader<'a> {
    definitions: &'a Map<String, Value>,
    done: BTreeMap<String, Arc<Schema>>,
    open: Vec<String>,
    is_native: bool,
}

impl<'a> Reader<'a> {
    /// A reader; `is_native` marks Go types.
    pub(crate) fn new(definitions: &'a Map<String, Value>, is_native: bool) -> Self {
        Self {
            definitions,
            done: BTreeMap::new(),
            open: Vec::new(),
            is_native,
        }
    }

    /// Reads a definition by its name.
    pub(crate) fn named(&mut self, name: &str) -> Result<Arc<Schema>, SchemaError> {
        if let Some(found) = self.done.get(name) {
            return Ok(found.clone());
        }
        let Some(raw) = self.definitions.get(name) else {
            return Ok(ANY.clone());
        };
        if self.open.iter().any(|open| open == name) {
            return Ok(ANY.clone());
        }
        self.open.push(name.to_owned());
        let mut schema = self.read(raw, name, 0)?;
        self.open.pop();
        specialise(name, &mut schema);
        let schema = Arc::new(schema);
        self.done.insert(name.to_owned(), schema.clone());
        Ok(schema)
    }

    /// Reads one schema.
    pub(crate) fn read(
        &mut self,
        raw: &Value,
        path: &str,
        depth: usize,
    ) -> Result<Schema, SchemaError> {
        if depth > SCHEMA_DEPTH_MAX {
            return Err(SchemaError::Depth(path.to_owned()));
        }
        if let Some(name) = reference(raw) {
            return Ok((*self.named(name)?).clone());
        }
        let mut schema = Schema {
            kind: kind_of(raw),
            required: texts(raw, "required"),
            default: raw.get("default").cloned(),
            nullable: flag(raw, "nullable"),
            keeps_unknown: flag(raw, "x-kubernetes-preserve-unknown-fields"),
            is_embedded: flag(raw, "x-kubernetes-embedded-resource"),
            list: list_kind(raw),
            is_atomic_map: raw.get("x-kubernetes-map-type").and_then(Value::as_str)
                == Some("atomic"),
            is_native: self.is_native,
            rules: self.rules(raw, path, depth)?,
            ..Schema::default()
        };
        if let Some(fields) = raw.get("properties").and_then(Value::as_object) {
            for (name, field) in fields {
                let child = self.child(field, &format!("{path}.{name}"), depth)?;
                schema.properties.insert(name.clone(), child);
            }
        }
        match raw.get("additionalProperties") {
            Some(values) if values.is_object() => {
                schema.values = Some(self.child(values, path, depth)?);
            }
            Some(values) if values.as_bool() == Some(true) => schema.values = Some(ANY.clone()),
            Some(_) | None => {}
        }
        if let Some(items) = raw.get("items") {
            schema.items = Some(self.child(items, path, depth)?);
        }
        Ok(schema)
    }

    fn child(&mut self, raw: &Value, path: &str, depth: usize) -> Result<Arc<Schema>, SchemaError> {
        match reference(raw) {
            Some(name) => self.named(name),
            None => Ok(Arc::new(self.read(raw, path, depth + 1)?)),
        }
    }

    fn rules(&mut self, raw: &Value, path: &str, depth: usize) -> Result<Rules, SchemaError> {
        let number = |key: &str| raw.get(key).and_then(Value::as_f64);
        let count = |key: &str| raw.get(key).and_then(Value::as_u64);
        let pattern = match raw.get("pattern").and_then(Value::as_str) {
            None | Some("") => None,
            Some(text) => Some(Regex::new(text).map_err(|source| SchemaError::Pattern {
                pattern: text.to_owned(),
                path: path.to_owned(),
                source: Box::new(source),
            })?),
        };
        Ok(Rules {
            choices: raw.get("enum").and_then(Value::as_array).cloned(),
            pattern,
            format: raw
                .get("format")
                .and_then(Value::as_str)
                .map(ToOwned::to_owned),
            minimum: number("minimum"),
            maximum: number("maximum"),
            is_minimum_exclusive: flag(raw, "exclusiveMinimum"),
            is_maximum_exclusive: flag(raw, "exclusiveMaximum"),
            multiple_of: number("multipleOf"),
            length_min: count("minLength"),
            length_max: count("maxLength"),
            items_min: count("minItems"),
            items_max: count("maxItems"),
            are_items_unique: flag(raw, "uniqueItems"),
            properties_min: count("minProperties"),
            properties_max: count("maxProperties"),
            all_of: self.many(raw, "allOf", path, depth)?,
            any_of: self.many(raw, "anyOf", path, depth)?,
            one_of: self.many(raw, "oneOf", path, depth)?,
            not: match raw.get("not") {
                Some(not) => Some(Box::new(self.read(not, path, depth + 1)?)),
                None => None,
            },
        })
    }

    fn many(
        &mut self,
        raw: &Value,
        key: &str,
        path: &str,
        depth: usize,
    ) -> Result<Vec<Schema>, SchemaError> {
        raw.get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|one| self.read(one, path, depth + 1))
            .collect()
    }
}

fn reference(raw: &Value) -> Option<&str> {
    raw.get("$ref")?.as_str()?.rsplit('/').next()
}

fn flag(raw: &Value, key: &str) -> bool {
    raw.get(key).and_then(Value::as_bool) == Some(true)
}

fn texts(raw: &Value, key: &str) -> Vec<String> {
    raw.get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(ToOwned::to_owned)
        .collect()
}

fn kind_of(raw: &Value) -> Kind {
    if flag(raw, "x-kubernetes-int-or-string") {
        return Kind::IntOrString;
    }
    match raw.get("type").and_then(Value::as_str) {
        Some("object") => Kind::Object,
        Some("array") => Kind::Array,
        Some("string") => Kind::String,
        Some("integer") => Kind::Integer,
        Some("number") => Kind::Number,
        Some("boolean") => Kind::Boolean,
        Some(_) | None => Kind::Any,
    }
}

fn list_kind(raw: &Value) -> ListKind {
    match raw.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => ListKind::Set,
        Some("map") => ListKind::Map(texts(raw, "x-kubernetes-list-map-keys")),
        Some(_) | None => ListKind::Atomic,
    }
}

/// Gives a built-in type what its JSON schema does not say.
fn specialise(name: &str, schema: &mut Schema) {
    if name.ends_with(".IntOrString") {
        schema.kind = Kind::IntOrString;
        schema.rules = Rules::default();
    } else if name.ends_with(".resource.Quantity") {
        schema.kind = Kind::Quantity;
    } else if name.contains(".v1.JSONSchemaProps")
        || name.ends_with(".v1.FieldsV1")
        || name.ends_with(".v1.JSON")
    {
        *schema = Schema::clone(&ANY);
    }
    let short = name
        .trim_start_matches("io.k8s.api.")
        .trim_start_matches("io.k8s.apimachinery.pkg.apis.");
    for (owner, field, apply, patch) in merge_keys::ROWS {
        if *owner != short {
            continue;
        }
        if *field == "-" {
            schema.is_atomic_map = true;
        } else if let Some(found) = schema.properties.get_mut(*field) {
            merge_as(Arc::make_mut(found), apply, patch);
        }
    }
}

fn merge_as(field: &mut Schema, apply: &str, patch: &str) {
    match apply.split_once('=') {
        Some((_, keys)) => {
            field.list = ListKind::Map(keys.split(',').map(ToOwned::to_owned).collect());
        }
        None if apply == "set" => field.list = ListKind::Set,
        None if apply == "atomic" => field.is_atomic_map = true,
        None => {}
    }
    if let Some(rest) = patch.strip_prefix("merge") {
        field.patch_key = Some(rest.trim_start_matches('=').to_owned());
    }
}
