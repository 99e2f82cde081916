//! Publishes the types as OpenAPI v3 per group and version, and as one v2 document.
//!
//! Paths name only what kubectl looks for: the kind of each resource and the parameters of its patch. The patch lists
//! no media types on purpose: kubectl then builds strategic patches from its own types.

use std::collections::BTreeSet;

use http::Response;
use serde_json::{Map, Value, json};

use crate::{
    resource::{Registry, ResourceType, join_version},
    schema::builtin,
    server::{Accept, ReplyBody, reply},
    status::ApiError,
};

const PREFIX: &str = "#/components/schemas/";

/// The answer of a path below `/openapi/`.
///
/// # Errors
/// 404 for a document that is not there, 406 when JSON is not accepted.
pub(crate) fn answer(
    registry: &Registry,
    path: &str,
    accept: &Accept,
) -> Result<Response<ReplyBody>, ApiError> {
    if !accept.takes_json() {
        return Err(ApiError::not_acceptable());
    }
    if path == "v2" {
        return Ok(reply::json(200, &version_2()));
    }
    let rest = path.strip_prefix("v3").ok_or_else(ApiError::no_such_path)?;
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [] => Ok(reply::json(200, &index(registry))),
        ["api", version] => document(registry, "", version),
        ["apis", group, version] => document(registry, group, version),
        _ => Err(ApiError::no_such_path()),
    }
}

fn index(registry: &Registry) -> Value {
    let mut paths = Map::new();
    for (group, versions) in registry.groups() {
        for version in versions {
            let root = root_of(group, version);
            let url = format!("/openapi/v3/{root}");
            paths.insert(root, json!({ "serverRelativeURL": url }));
        }
    }
    json!({ "paths": paths })
}

fn root_of(group: &str, version: &str) -> String {
    let root = if group.is_empty() { "api" } else { "apis" };
    format!("{root}/{}", join_version(group, version))
}

fn document(
    registry: &Registry,
    group: &str,
    version: &str,
) -> Result<Response<ReplyBody>, ApiError> {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for kind in registry.in_version(group, version) {
        let name = add_schemas(kind, &mut schemas);
        let scope = if kind.is_namespaced {
            "namespaces/{namespace}/"
        } else {
            ""
        };
        let base = format!("/{}/{scope}{}", root_of(group, version), kind.plural);
        let about = json!({ "group": group, "version": version, "kind": kind.kind });
        let content =
            json!({ "application/json": { "schema": { "$ref": format!("{PREFIX}{name}") } } });
        let answers = json!({ "200": { "description": "OK", "content": content } });
        let write = json!({
            "parameters": parameters(),
            "responses": answers,
            "x-kubernetes-group-version-kind": about,
        });
        let read = json!({ "responses": answers, "x-kubernetes-group-version-kind": about });
        paths.insert(base.clone(), json!({ "get": read, "post": write }));
        paths.insert(
            format!("{base}/{{name}}"),
            json!({ "get": read, "put": write, "patch": write }),
        );
    }
    if paths.is_empty() {
        return Err(ApiError::no_such_path());
    }
    let document = json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": "v1.33.0" },
        "paths": paths,
        "components": { "schemas": schemas },
    });
    Ok(reply::json(200, &document))
}

fn parameters() -> Value {
    let parameters: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation", "force"]
        .into_iter()
        .map(|name| json!({ "name": name, "in": "query", "schema": { "type": "string" } }))
        .collect();
    json!(parameters)
}

/// Adds the schema of a kind and all that it refers to, and gives its name.
fn add_schemas(kind: &ResourceType, schemas: &mut Map<String, Value>) -> String {
    let (name, mut schema) = match &kind.raw_schema {
        Some(raw) => {
            let reversed: Vec<&str> = kind.group.split('.').rev().collect();
            let name = format!("{}.{}.{}", reversed.join("."), kind.version, kind.kind);
            (name, custom_schema(raw))
        }
        None => {
            let name = builtin::full_name(&kind.group, &kind.version, &kind.kind);
            let schema = builtin::DEFINITIONS
                .get(&name)
                .cloned()
                .unwrap_or_else(|| json!({ "type": "object" }));
            (name, schema)
        }
    };
    crate::object::put(
        &mut schema,
        &["x-kubernetes-group-version-kind"],
        json!([{ "group": kind.group, "version": kind.version, "kind": kind.kind }]),
    );
    let mut open = BTreeSet::new();
    references(&schema, &mut open);
    schemas.insert(name.clone(), schema);
    while let Some(next) = open.pop_first() {
        if schemas.contains_key(&next) {
            continue;
        }
        if let Some(schema) = builtin::DEFINITIONS.get(&next) {
            references(schema, &mut open);
            schemas.insert(next, schema.clone());
        }
    }
    name
}

fn custom_schema(raw: &Value) -> Value {
    let mut schema = raw.clone();
    let metadata = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
    crate::object::put(
        &mut schema,
        &["properties", "apiVersion"],
        json!({ "type": "string" }),
    );
    crate::object::put(
        &mut schema,
        &["properties", "kind"],
        json!({ "type": "string" }),
    );
    crate::object::put(
        &mut schema,
        &["properties", "metadata"],
        json!({ "$ref": format!("{PREFIX}{metadata}") }),
    );
    schema
}

/// Collects the names that a schema refers to.
fn references(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(name) = map
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|path| path.rsplit('/').next())
            {
                found.insert(name.to_owned());
            }
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn version_2() -> Value {
    let text = Value::Object(builtin::DEFINITIONS.clone()).to_string();
    let text = text.replace(PREFIX, "#/definitions/");
    let definitions: Value = serde_json::from_str(&text).unwrap_or_default();
    json!({
        "swagger": "2.0",
        "info": { "title": "Kubernetes", "version": "v1.33.0" },
        "paths": {},
        "definitions": definitions,
    })
}
