//! Filters of HTTPRoute rules, in the order in which Flagger writes them.

use api::canary::service::{CorsPolicy, HeaderOperations, HttpRewrite};
use serde_json::{Map, Value, json};

use super::put;
use crate::{error::RenderError, route::Route};

/// The filters of `spec.service`.
pub(super) fn filters(route: &Route) -> Vec<Value> {
    let service = &route.service;
    let mut filters = Vec::new();
    if let Some(headers) = &service.headers {
        for (kind, key, given) in [
            (
                "RequestHeaderModifier",
                "requestHeaderModifier",
                &headers.request,
            ),
            (
                "ResponseHeaderModifier",
                "responseHeaderModifier",
                &headers.response,
            ),
        ] {
            filters.extend(
                given
                    .as_ref()
                    .and_then(operations)
                    .map(|operations| json!({"type": kind, key: operations})),
            );
        }
    }
    filters.extend(service.rewrite.as_ref().and_then(rewrite));
    for mirror in &service.mirror {
        let given = &mirror.backend_ref;
        let mut backend = Map::new();
        let group = given.group.clone().unwrap_or_default();
        let kind = given.kind.clone().unwrap_or_else(|| "Service".into());
        backend.insert("group".into(), group.into());
        backend.insert("kind".into(), kind.into());
        backend.insert("name".into(), given.name.clone().into());
        put(&mut backend, "namespace", given.namespace.clone());
        put(&mut backend, "port", given.port);
        filters.push(json!({"type": "RequestMirror", "requestMirror": {"backendRef": backend}}));
    }
    if let Some(policy) = &service.cors_policy {
        filters.push(json!({"type": "CORS", "cors": cors(policy)}));
    }
    filters
}

/// The definition of HTTPRoute refuses to replace a prefix where it is not plain which one was matched. A match
/// without a path is one of the prefix `/`.
pub(super) fn check_prefix(filters: &[Value], matches: &[Value]) -> Result<(), RenderError> {
    let replaces = |filter: &Value| {
        let path = filter.pointer("/urlRewrite/path");
        path.is_some_and(|path| path.get("replacePrefixMatch").is_some())
    };
    let is_prefix = |one: &Value| {
        let path = one.pointer("/path/type").and_then(Value::as_str);
        path.is_none_or(|path| path == "PathPrefix")
    };
    if filters.iter().any(replaces) && (matches.len() > 1 || !matches.iter().all(is_prefix)) {
        return Err(RenderError::unsupported(
            "spec.service.rewrite.type",
            "ReplacePrefixMatch",
            "an HTTPRoute replaces a prefix only in a rule with one match; leave one entry, with uri.prefix, in \
             service.match, and one in analysis.match and analysis.testers",
        ));
    }
    Ok(())
}

/// Copies requests to the canary.
pub(super) fn mirror_to_canary(route: &Route) -> Value {
    json!({"type": "RequestMirror", "requestMirror": {"backendRef": {
        "group": "", "kind": "Service", "name": route.canary(), "port": route.service.port,
    }}})
}

/// True when the rule copies requests to the canary.
pub(super) fn is_mirrored(rule: &Value, canary: &str) -> bool {
    let filters = rule.get("filters").and_then(Value::as_array);
    filters.into_iter().flatten().any(|filter| {
        filter
            .pointer("/requestMirror/backendRef/name")
            .and_then(Value::as_str)
            == Some(canary)
    })
}

fn operations(given: &HeaderOperations) -> Option<Value> {
    let HeaderOperations { add, set, remove } = given;
    let mut operations = Map::new();
    for (key, map) in [("set", set), ("add", add)] {
        let list: Vec<Value> = map
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        if !list.is_empty() {
            operations.insert(key.into(), list.into());
        }
    }
    if !remove.is_empty() {
        operations.insert("remove".into(), remove.clone().into());
    }
    (!operations.is_empty()).then_some(operations.into())
}

fn rewrite(given: &HttpRewrite) -> Option<Value> {
    let HttpRewrite {
        uri,
        authority,
        type_,
    } = given;
    let mut wanted = Map::new();
    put(
        &mut wanted,
        "hostname",
        authority.clone().filter(|it| !it.is_empty()),
    );
    if let Some(uri) = uri.as_deref().filter(|uri| !uri.is_empty()) {
        let path = if type_.as_deref() == Some("ReplacePrefixMatch") {
            json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": uri})
        } else {
            json!({"type": "ReplaceFullPath", "replaceFullPath": uri})
        };
        wanted.insert("path".into(), path);
    }
    (!wanted.is_empty()).then(|| json!({"type": "URLRewrite", "urlRewrite": wanted}))
}

/// As Flagger words it: the definition takes no pattern, no `false` and no 0, so they are left out.
fn cors(policy: &CorsPolicy) -> Value {
    let CorsPolicy {
        allow_origin,
        allow_origins: _,
        allow_methods,
        allow_headers,
        expose_headers,
        max_age,
        allow_credentials,
    } = policy;
    let mut wanted = Map::new();
    for (key, list) in [
        ("allowOrigins", allow_origin),
        ("allowMethods", allow_methods),
        ("allowHeaders", allow_headers),
        ("exposeHeaders", expose_headers),
    ] {
        if !list.is_empty() {
            wanted.insert(key.into(), list.clone().into());
        }
    }
    put(
        &mut wanted,
        "allowCredentials",
        allow_credentials.filter(|is_allowed| *is_allowed),
    );
    let age = max_age.as_deref().and_then(|text| {
        let age = api::duration::parse(text).ok()?;
        i32::try_from(age.as_secs()).ok()
    });
    put(&mut wanted, "maxAge", age.filter(|age| *age > 0));
    wanted.into()
}
