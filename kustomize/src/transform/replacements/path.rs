//! Follows the paths of replacements: `spec.containers.[name=web].image`.
//!
//! Parts are split at dots (`\.` is a dot), a number is an index, `*` every
//! item, `[key=value]` the items with that value, `[a.b/c]` a key with dots.
//! A value is exact where a source is read and a regular expression where a
//! target is written, as kustomize has it. Paths into text that holds JSON or
//! YAML are not followed.

use regex::Regex;
use serde_json::{Map, Value};

use crate::error::Fault;

/// What is done to a field that was found.
type Visit<'a> = dyn FnMut(&mut Value) -> Result<(), Fault> + 'a;

/// The value at a path.
pub(super) fn look_up<'v>(json: &'v Value, path: &str) -> Option<&'v Value> {
    split(path).iter().try_fold(json, |value, part| {
        if let Some((key, wanted)) = key_and_value(part) {
            let has = |item: &&Value| text_of(item, key).as_deref() == Some(wanted);
            return value.as_array()?.iter().find(has);
        }
        match value {
            Value::Array(items) if part == "-" => items.last(),
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            Value::Object(object) => object.get(part),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    })
}

/// Visits every value at a path; with `create` what is missing is made.
pub(super) fn visit(
    json: &mut Value,
    path: &str,
    create: bool,
    found: &mut Visit<'_>,
) -> Result<(), Fault> {
    descend(json, &split(path), create, found)
}

fn descend(
    json: &mut Value,
    parts: &[String],
    create: bool,
    found: &mut Visit<'_>,
) -> Result<(), Fault> {
    let Some((part, rest)) = parts.split_first() else {
        return found(json);
    };
    if let Some((key, wanted)) = key_and_value(part) {
        return matching_items(json, (key, wanted), rest, create, found);
    }
    match json {
        Value::Array(items) if part == "*" => items
            .iter_mut()
            .try_for_each(|item| descend(item, rest, create, found)),
        Value::Array(items) => {
            let index: usize = part.parse().map_err(|_| {
                Fault::BadValue(format!(
                    "{part:?} must be an index, \"*\" or \"[key=value]\""
                ))
            })?;
            if create && index == items.len() {
                items.push(empty_for(rest));
            }
            match items.get_mut(index) {
                Some(item) => descend(item, rest, create, found),
                None => Err(Fault::BadValue(format!("the list has no item {index}"))),
            }
        }
        Value::Object(object) => {
            if create && !object.contains_key(part) {
                object.insert(part.clone(), empty_for(rest));
            }
            object
                .get_mut(part)
                .map_or(Ok(()), |next| descend(next, rest, create, found))
        }
        Value::Null => Ok(()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(Fault::BadValue(format!(
            "{part:?} is looked for in a scalar; paths into text are not followed"
        ))),
    }
}

fn matching_items(
    json: &mut Value,
    (key, wanted): (&str, &str),
    rest: &[String],
    create: bool,
    found: &mut Visit<'_>,
) -> Result<(), Fault> {
    let Value::Array(items) = json else {
        return Err(Fault::BadValue(format!(
            "\"[{key}={wanted}]\" needs a list"
        )));
    };
    let pattern = Regex::new(wanted)
        .map_err(|_| Fault::BadValue(format!("{wanted:?} is no regular expression")))?;
    let has = |item: &Value| text_of(item, key).is_some_and(|text| pattern.is_match(&text));
    if create && !items.iter().any(has) {
        let value = Value::from(wanted);
        let made = if key.is_empty() {
            value
        } else {
            Value::Object(Map::from_iter([(key.to_owned(), value)]))
        };
        items.push(made);
    }
    items
        .iter_mut()
        .filter(|item| has(item))
        .try_for_each(|item| descend(item, rest, create, found))
}

/// What to make so that the rest of a path fits.
fn empty_for(rest: &[String]) -> Value {
    match rest.first() {
        None => Value::Null,
        Some(part) if key_and_value(part).is_some() || part.parse::<usize>().is_ok() => {
            Value::Array(Vec::new())
        }
        Some(_) => Value::Object(Map::new()),
    }
}

/// The field of an item, or the item itself without a key, as text.
fn text_of(item: &Value, key: &str) -> Option<String> {
    let value = if key.is_empty() { item } else { item.get(key)? };
    match (value, crate::resource::worded(value)) {
        (Value::Array(_) | Value::Object(_), _) => None,
        (_, Value::String(text)) => Some(text),
        (_, _) => None,
    }
}

/// `[key=value]`, taken apart.
fn key_and_value(part: &str) -> Option<(&str, &str)> {
    part.strip_prefix('[')?.strip_suffix(']')?.split_once('=')
}

/// Splits at dots outside brackets.
fn split(path: &str) -> Vec<String> {
    const DOT: &str = "\u{0}";
    let escaped = path.replace("\\.", DOT);
    let mut parts: Vec<String> = Vec::new();
    let mut open = false;
    for piece in escaped.split('.') {
        let piece = piece.replace(DOT, ".");
        match parts.last_mut() {
            Some(last) if open => {
                last.push('.');
                last.push_str(&piece);
            }
            Some(_) | None => parts.push(piece),
        }
        open = parts
            .last()
            .is_some_and(|last| last.starts_with('[') && !last.ends_with(']'));
    }
    for part in &mut parts {
        if part.starts_with('[') && part.contains('.') && !part.contains('=') {
            *part = part.trim_matches(['[', ']']).to_owned();
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}
