//! Copies values from a field of one object into fields of others.

mod path;

use serde::Deserialize;
use serde_json::Value;

use crate::accumulate::{Builder, Layer};
use crate::error::{BuildError, Fault};
use crate::field;
use crate::id::Id;
use crate::kustomization::{FieldOptions, Replacement, ReplacementSource, ReplacementTarget};
use crate::patch::Matcher;
use crate::read;
use crate::resource::{Resource, worded};

/// The field that is read or written when none is named.
const DEFAULT_PATH: &str = "metadata.name";

/// Runs the replacements of a layer.
pub(super) fn run(
    builder: &mut Builder<'_>,
    layer: &Layer<'_>,
    resources: &mut [Resource],
) -> Result<(), BuildError> {
    for (at, replacement) in layer.kustomization.replacements.iter().enumerate() {
        load(builder, layer, replacement)
            .and_then(|all| all.iter().try_for_each(|one| replace(resources, one)))
            .map_err(|fault| layer.at(&format!("replacements[{at}]"), fault))?;
    }
    Ok(())
}

/// The entry itself, or those of the file that it names.
fn load(
    builder: &mut Builder<'_>,
    layer: &Layer<'_>,
    entry: &Replacement,
) -> Result<Vec<Replacement>, Fault> {
    if entry.path.is_empty() {
        return Ok(vec![entry.clone()]);
    }
    if entry.source.is_some() || !entry.targets.is_empty() {
        let why = "path cannot stand beside source or targets".to_owned();
        return Err(Fault::BadValue(why));
    }
    let content = builder.file(&layer.folder.join(&entry.path)?)?;
    let document = read::document(content, builder.limits)?;
    let items = match document {
        Value::Array(items) => items,
        one @ (Value::Object(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)) => vec![one],
    };
    let read = |item: &Value| {
        Replacement::deserialize(item).map_err(|e| {
            Fault::BadValue(format!("{}: {}", entry.path, goyaml::describe_mismatch(&e)))
        })
    };
    items.iter().map(read).collect()
}

fn replace(resources: &mut [Resource], replacement: &Replacement) -> Result<(), Fault> {
    let value = match (&replacement.source, &replacement.source_value) {
        (Some(source), None) => value_of(resources, source)?,
        (None, Some(value)) => Value::String(value.clone()),
        (Some(_), Some(_)) => {
            let why = "source and sourceValue cannot both be set".to_owned();
            return Err(Fault::BadValue(why));
        }
        (None, None) => return Err(Fault::BadValue("source is missing".to_owned())),
    };
    if replacement.targets.is_empty() {
        return Err(Fault::BadValue("targets are missing".to_owned()));
    }
    for target in &replacement.targets {
        write(resources, target, &value)?;
    }
    Ok(())
}

fn value_of(resources: &[Resource], source: &ReplacementSource) -> Result<Value, Fault> {
    let is_source = |id: &Id| {
        (source.name.is_empty() || source.name == id.name)
            && field::matches(&source.group, &source.version, &source.kind, &id.gvk)
            && (source.namespace.is_empty() || source.namespace == id.namespace)
    };
    let wanted = || format!("source {:?} of kind {:?}", source.name, source.kind);
    let mut matches = resources
        .iter()
        .filter(|r| is_source(&r.id()) || r.previous_ids().iter().any(is_source));
    let found = matches.next().ok_or_else(|| Fault::NoTarget(wanted()))?;
    if let Some(second) = matches.next() {
        return Err(Fault::Ambiguous {
            wanted: wanted(),
            found: format!("{}, {}", found.id(), second.id()),
        });
    }
    let path = if source.field_path.is_empty() {
        DEFAULT_PATH
    } else {
        &source.field_path
    };
    let value = path::look_up(&found.json, path)
        .filter(|value| !value.is_null())
        .ok_or_else(|| Fault::BadValue(format!("{} has no field {path:?}", found.id())))?;
    match source.options.as_ref().filter(|o| !o.delimiter.is_empty()) {
        None => Ok(value.clone()),
        Some(options) => part_of(value, options),
    }
}

/// One part of a delimited value.
fn part_of(value: &Value, options: &FieldOptions) -> Result<Value, Fault> {
    let text = scalar_text(value)?;
    let part = usize::try_from(options.index)
        .ok()
        .and_then(|index| text.split(options.delimiter.as_str()).nth(index));
    part.map(Value::from)
        .ok_or_else(|| Fault::BadValue(format!("the source has no part {} to take", options.index)))
}

fn write(
    resources: &mut [Resource],
    target: &ReplacementTarget,
    value: &Value,
) -> Result<(), Fault> {
    let Some(select) = &target.select else {
        return Err(Fault::BadValue("a target needs select".to_owned()));
    };
    let select = Matcher::new(select)?;
    let rejects: Vec<Matcher> = target
        .reject
        .iter()
        .map(Matcher::new)
        .collect::<Result<_, _>>()?;
    let default = [DEFAULT_PATH.to_owned()];
    let paths = if target.field_paths.is_empty() {
        &default[..]
    } else {
        &target.field_paths
    };
    let options = target.options.clone().unwrap_or_default();
    for resource in resources {
        let rejected = rejects.iter().any(|reject| reject.matches_any_id(resource));
        if rejected || !select.matches_any_id(resource) {
            continue;
        }
        for path in paths {
            let id = resource.id();
            let mut found = 0_usize;
            path::visit(&mut resource.json, path, options.create, &mut |slot| {
                found = found.saturating_add(1);
                put(slot, value, &options)
            })?;
            if found == 0 {
                let cure = if options.create {
                    ""
                } else {
                    "; options.create makes it"
                };
                let why = format!("{id} has no field {path:?}{cure}");
                return Err(Fault::BadValue(why));
            }
        }
    }
    Ok(())
}

/// Writes a value into a field, or into one part of it.
fn put(slot: &mut Value, value: &Value, options: &FieldOptions) -> Result<(), Fault> {
    let mut value = value.clone();
    if !options.delimiter.is_empty() {
        let new = scalar_text(&value)?;
        let old = scalar_text(slot)?;
        let mut parts: Vec<&str> = old.split(options.delimiter.as_str()).collect();
        match usize::try_from(options.index) {
            Err(_) => parts.insert(0, &new),
            Ok(index) => match parts.get_mut(index) {
                Some(part) => *part = &new,
                None => parts.push(&new),
            },
        }
        value = Value::String(parts.join(&options.delimiter));
    }
    *slot = match slot {
        // A scalar keeps its type: a port stays a number.
        Value::String(_) => Value::String(scalar_text(&value)?),
        Value::Bool(_) | Value::Number(_) => retyped(&scalar_text(&value)?),
        Value::Null | Value::Array(_) | Value::Object(_) => value,
    };
    Ok(())
}

/// What YAML makes of the text without quotes.
fn retyped(text: &str) -> Value {
    let limits = goyaml::Limits::default();
    let read = goyaml::parse_documents_as(text, goyaml::Dialect::V3, &limits);
    let value = read
        .ok()
        .and_then(|mut documents| documents.pop()?.into_json().ok());
    match value {
        Some(scalar @ (Value::Bool(_) | Value::Number(_))) => scalar,
        Some(Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_)) | None => {
            Value::from(text)
        }
    }
}

fn scalar_text(value: &Value) -> Result<String, Fault> {
    match (value, worded(value)) {
        (Value::Array(_) | Value::Object(_), _) => Err(Fault::BadValue(
            "a scalar is wanted, not a list or map".to_owned(),
        )),
        (_, Value::String(text)) => Ok(text),
        (_, _) => Ok(String::new()),
    }
}
