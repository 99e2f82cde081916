//! Takes an object from a request: does it say what it is, is it in the right place, does its type hold it?

use serde_json::Value;

use super::Validation;
use crate::{
    object::{self, put, text},
    resource::ResourceType,
    schema::{fill::fill, shape::shape},
    status::ApiError,
};

/// Checks `apiVersion`, `kind` and the namespace, prunes unknown fields, and fills a CRD's defaults.
///
/// Gives back warnings for the client.
///
/// # Errors
/// 400 when the object is of another kind or place, cannot be decoded, or breaks strict validation.
pub(super) fn decode(
    kind: &ResourceType,
    namespace: &str,
    object: &mut Value,
    validation: Validation,
) -> Result<Vec<String>, ApiError> {
    if !object.is_object() {
        return Err(ApiError::bad_request("the request body is no JSON object"));
    }
    check_kind(kind, object)?;
    if !object.get("metadata").is_some_and(Value::is_object) {
        put(object, &["metadata"], Value::Object(serde_json::Map::new()));
    }
    place(kind, namespace, object)?;
    let found = shape(object, &kind.schema);
    if let Some((path, json_type, go_type)) = found.undecodable.first() {
        let name = &kind.kind;
        return Err(ApiError::bad_request(format!(
            "{name} in version {:?} cannot be handled as a {name}: json: cannot unmarshal {json_type} into Go struct field {name}.{path} of type {go_type}",
            kind.version
        )));
    }
    let warnings: Vec<String> = found
        .unknown
        .iter()
        .map(|path| format!("unknown field {path:?}"))
        .collect();
    let warnings = match validation {
        Validation::Strict if !warnings.is_empty() => {
            let name = &kind.kind;
            return Err(ApiError::bad_request(format!(
                "{name} in version {:?} cannot be handled as a {name}: strict decoding error: {}",
                kind.version,
                warnings.join(", ")
            )));
        }
        Validation::Strict | Validation::Warn => warnings,
        Validation::Ignore => Vec::new(),
    };
    if kind.is_custom {
        fill(object, &kind.schema);
    }
    Ok(warnings)
}

fn check_kind(kind: &ResourceType, object: &mut Value) -> Result<(), ApiError> {
    let wanted = kind.api_version();
    for (field, wanted) in [
        ("apiVersion", wanted.as_str()),
        ("kind", kind.kind.as_str()),
    ] {
        match object.get(field).and_then(Value::as_str) {
            Some(found) if found == wanted => {}
            Some(found) if field == "apiVersion" && !kind.is_custom => {
                let version = found.rsplit('/').next().unwrap_or(found);
                let name = &kind.kind;
                return Err(ApiError::bad_request(format!(
                    "{name} in version {version:?} cannot be handled as a {name}: no kind {name:?} is registered for version {found:?} in scheme \"pkg/runtime/scheme.go\""
                )));
            }
            Some(found) if field == "apiVersion" => {
                return Err(ApiError::bad_request(format!(
                    "the API version in the data ({found}) does not match the expected API version ({wanted})"
                )));
            }
            Some(found) => {
                return Err(ApiError::bad_request(format!(
                    "{found} in version {:?} cannot be handled as a {wanted}: converting ({found}) to ({wanted}): unknown conversion",
                    kind.version
                )));
            }
            None if kind.is_custom => {
                let field = if field == "kind" { "Kind" } else { field };
                return Err(ApiError::bad_request(format!(
                    "Object '{field}' is missing in the request body"
                )));
            }
            None => put(object, &[field], Value::from(wanted)),
        }
    }
    Ok(())
}

fn place(kind: &ResourceType, namespace: &str, object: &mut Value) -> Result<(), ApiError> {
    if !kind.is_namespaced {
        object::take(object, &["metadata", "namespace"]);
        return Ok(());
    }
    match text(object, &["metadata", "namespace"]) {
        None | Some("") => {
            put(object, &["metadata", "namespace"], Value::from(namespace));
            Ok(())
        }
        Some(found) if found == namespace => Ok(()),
        Some(_) => Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        )),
    }
}
