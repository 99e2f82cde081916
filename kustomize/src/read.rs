//! Turns the text of a file into resources.

use goyaml::Dialect;
use serde_json::Value;

use crate::error::Fault;
use crate::limits::Limits;
use crate::resource::{Resource, text};

/// Reads every object of a text; lists of objects are taken apart.
///
/// # Errors
/// Bad YAML, and documents that are no objects with kind and name.
pub(crate) fn resources(bytes: &[u8], limits: &Limits) -> Result<Vec<Resource>, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::NotText)?;
    let documents =
        goyaml::parse_documents_as(text, Dialect::V3, &limits.yaml).map_err(Fault::Yaml)?;
    let mut queue = Vec::new();
    for (at, document) in documents.into_iter().enumerate() {
        let json = document.into_json().map_err(Fault::Yaml)?;
        let index = at.saturating_add(1);
        if !is_blank(&json) {
            check(&json).map_err(|why| Fault::NotAnObject { index, why })?;
            queue.push(json);
        }
    }
    flatten(queue)
}

/// Reads the one document of a kustomization file or a list of operations.
///
/// # Errors
/// Bad YAML, or more than one document.
pub(crate) fn document(bytes: &[u8], limits: &Limits) -> Result<Value, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::NotText)?;
    let mut documents = goyaml::parse_json(text, &limits.yaml).map_err(Fault::Yaml)?;
    if documents.len() > 1 {
        let why = format!(
            "found {} YAML documents where one is wanted",
            documents.len()
        );
        return Err(Fault::BadValue(why));
    }
    Ok(documents.pop().unwrap_or(Value::Null))
}

/// Takes `FooList` apart; its items go to the end, as kustomize has it.
fn flatten(objects: Vec<Value>) -> Result<Vec<Resource>, Fault> {
    let mut queue = std::collections::VecDeque::from(objects);
    let mut found = Vec::new();
    while let Some(json) = queue.pop_front() {
        if !text(json.get("kind")).ends_with("List") || json.get("items").is_none() {
            found.push(Resource::new(json));
            continue;
        }
        let items = match json {
            Value::Object(mut object) => object.remove("items").unwrap_or_default(),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Value::Null,
        };
        match items {
            Value::Array(items) => {
                for (at, item) in items.into_iter().enumerate() {
                    let index = at.saturating_add(1);
                    check(&item).map_err(|why| Fault::NotAnObject { index, why })?;
                    queue.push_back(item);
                }
            }
            Value::Null => {}
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                let why = "the items of a list must be a sequence".to_owned();
                return Err(Fault::NotAnObject { index: 1, why });
            }
        }
    }
    Ok(found)
}

fn is_blank(json: &Value) -> bool {
    match json {
        Value::Null => true,
        Value::Object(object) => object.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => false,
    }
}

/// Kind and name must be there, and lists must have no empty item.
fn check(json: &Value) -> Result<(), String> {
    if !json.is_object() {
        return Err("it is not a mapping".to_owned());
    }
    let kind = text(json.get("kind"));
    if kind.is_empty() {
        return Err("kind is missing".to_owned());
    }
    if !kind.ends_with("List") && text(json.pointer("/metadata/name")).is_empty() {
        return Err(format!("metadata.name of the {kind} is missing"));
    }
    empty_item(json).map_or(Ok(()), |path| {
        Err(format!("the list {path} has an empty item"))
    })
}

/// The path of a list with a null in it.
fn empty_item(json: &Value) -> Option<String> {
    match json {
        Value::Array(items) if items.iter().any(Value::is_null) => Some(String::new()),
        Value::Array(items) => items.iter().find_map(empty_item),
        Value::Object(object) => object
            .iter()
            .find_map(|(key, value)| empty_item(value).map(|path| format!(".{key}{path}"))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
