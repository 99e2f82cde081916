//! What a request is matched by, and the schemas that say which ways to match are known where.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A string to match; at most one of its fields is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StringMatch {
    /// Equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
    /// Starts with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Ends with (analysis matches only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// Matches the whole regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
}

/// Which requests a route takes (Istio's HTTPMatchRequest).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpMatch {
    /// Name of the match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "one")]
    pub uri: Option<StringMatch>,
    /// URI scheme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "one")]
    pub scheme: Option<StringMatch>,
    /// Method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "one")]
    pub method: Option<StringMatch>,
    /// Authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "one")]
    pub authority: Option<StringMatch>,
    /// Headers that must match.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "named")]
    pub headers: BTreeMap<String, StringMatch>,
    /// Headers that must not match.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "named")]
    pub without_headers: BTreeMap<String, StringMatch>,
    /// Query parameters that must match.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "named")]
    pub query_params: BTreeMap<String, StringMatch>,
    /// Port of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// Labels of the workload that sends the request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub source_labels: BTreeMap<String, String>,
    /// Namespace of the workload that sends the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_namespace: Option<String>,
    /// Gateways the match is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<String>,
    /// Compare paths without regard to case.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_uri_case: bool,
}

/// Ways to match that every field knows.
const WAYS: [&str; 3] = ["exact", "prefix", "regex"];
/// Ways to match headers of chosen users.
const WAYS_OF_USERS: [&str; 4] = ["exact", "prefix", "suffix", "regex"];

/// A string matched in at most one way.
fn one(_: &mut SchemaGenerator) -> Schema {
    string(&WAYS, true)
}

/// Strings by name, each matched in at most one way.
pub(in crate::canary) fn named(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "additionalProperties": one(generator)})
}

/// Headers of chosen users, each matched in exactly one way.
pub(in crate::canary) fn headers_of_users(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "additionalProperties": string(&WAYS_OF_USERS, false)})
}

/// Origins, each matched in exactly one way.
pub(super) fn origins(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": string(&WAYS, false)})
}

fn string(ways: &[&str], may_be_absent: bool) -> Schema {
    let text = |way: &&str| ((*way).to_owned(), json!({"type": "string"}));
    let properties: serde_json::Map<String, Value> = ways.iter().map(text).collect();
    let required: Vec<Value> = ways.iter().map(|way| json!({"required": [way]})).collect();
    let absent = json!({"not": {"anyOf": required.clone()}});
    let alternatives: Vec<Value> = may_be_absent
        .then_some(absent)
        .into_iter()
        .chain(required)
        .collect();
    json_schema!({"type": "object", "properties": properties, "oneOf": alternatives})
}
