//! App Mesh: what both of its API versions share (spec/flagger.md 4.4).
//!
//! Of `service.match` only the first path prefix is used. Headers of all of `analysis.match` must match together.
//! The objects of each version are in `appmesh/v1beta1.rs` and `appmesh/v1beta2.rs`.

use rollout::Weight;
use serde_json::{Map, Value, json};

use crate::{
    duration::millis,
    error::RenderError,
    metadata,
    object::{Kind, Live, Manifest},
    refuse,
    route::Route,
};

pub(crate) mod v1beta1;
pub(crate) mod v1beta2;

/// Annotation of the Canary that turns access logs on.
const ACCESS_LOG: &str = "appmesh.flagger.app/accesslog";
const RETRY_TIMEOUT_MS_DEFAULT: u64 = 250;
const RETRIES_DEFAULT: i32 = 1;
const RETRY_EVENT_DEFAULT: &str = "gateway-error";
/// Routes of chosen users go first.
const PRIORITY_CHOSEN: u32 = 10;
const PRIORITY_REST: u32 = 20;

fn protocol(route: &Route) -> &'static str {
    let name = route.service.port_name.as_deref().unwrap_or_default();
    if name.contains("grpc") {
        "grpc"
    } else {
        "http"
    }
}

/// `service.retries` with App Mesh's defaults.
struct Retries<'a> {
    timeout_ms: u64,
    retries: i32,
    events: Vec<&'a str>,
}

fn retries(route: &Route) -> Result<Option<Retries<'_>>, RenderError> {
    let Some(given) = &route.service.retries else {
        return Ok(None);
    };
    let timeout_ms = match given.per_try_timeout.as_deref() {
        Some(text) if !text.is_empty() => millis("spec.service.retries.perTryTimeout", text)?,
        Some(_) | None => RETRY_TIMEOUT_MS_DEFAULT,
    };
    let attempts = given.attempts.filter(|attempts| *attempts > 0);
    let events = given.retry_on.as_deref().unwrap_or_default();
    let mut events: Vec<&str> = events
        .split(',')
        .map(str::trim)
        .filter(|event| !event.is_empty())
        .collect();
    if events.is_empty() {
        events.push(RETRY_EVENT_DEFAULT);
    }
    Ok(Some(Retries {
        timeout_ms,
        retries: attempts.unwrap_or(RETRIES_DEFAULT),
        events,
    }))
}

/// The headers of chosen users.
fn headers(route: &Route) -> Result<Vec<Value>, RenderError> {
    let mut wanted = Vec::new();
    for header in refuse::headers(route, "App Mesh")? {
        let value = header.value;
        let found = [
            ("exact", &value.exact),
            ("prefix", &value.prefix),
            ("regex", &value.regex),
            ("suffix", &value.suffix),
        ]
        .into_iter()
        .find_map(|(key, text)| Some((key, text.as_deref()?)));
        let Some((key, text)) = found else {
            return Err(header.unsupported("App Mesh", "exact, prefix, regex or suffix"));
        };
        wanted.push(json!({"name": header.name, "match": {key: text}}));
    }
    Ok(wanted)
}

fn matching(route: &Route, headers: Vec<Value>) -> Value {
    let mut matching = Map::new();
    matching.insert("prefix".into(), route.path_prefix().into());
    if !headers.is_empty() {
        matching.insert("headers".into(), headers.into());
    }
    matching.into()
}

/// The words of one API version.
trait Version {
    /// The key of an HTTP route.
    const HTTP: &'static str;

    /// A virtual node with a weight.
    fn target(name: String, weight: Weight) -> Value;

    /// What a route has beside its match and action.
    fn settings(route: &Route) -> Result<Map<String, Value>, RenderError>;
}

fn one<V: Version>(
    route: &Route,
    name: String,
    headers: Vec<Value>,
    targets: &[Value],
) -> Result<Map<String, Value>, RenderError> {
    let mut http = V::settings(route)?;
    http.insert("match".into(), matching(route, headers));
    http.insert("action".into(), json!({ "weightedTargets": targets }));
    let mut wanted = Map::new();
    wanted.insert("name".into(), name.into());
    wanted.insert(V::HTTP.into(), http.into());
    Ok(wanted)
}

/// Both virtual nodes.
fn targets<V: Version>(route: &Route, canary: Weight) -> Vec<Value> {
    vec![
        V::target(route.canary(), canary),
        V::target(route.primary(), canary.rest()),
    ]
}

/// The routes that users of the apex take.
fn main_routes<V: Version>(route: &Route) -> Result<Vec<Value>, RenderError> {
    let both = targets::<V>(route, route.split.canary);
    if route.matches.is_empty() {
        return Ok(vec![
            one::<V>(route, route.apex.clone(), Vec::new(), &both)?.into(),
        ]);
    }
    let named = |suffix: &str| format!("{}-{suffix}", route.apex);
    let mut chosen = one::<V>(route, named("a"), headers(route)?, &both)?;
    chosen.insert("priority".into(), PRIORITY_CHOSEN.into());
    let primary = [V::target(route.primary(), Weight::FULL)];
    let mut rest = one::<V>(route, named("b"), Vec::new(), &primary)?;
    rest.insert("priority".into(), PRIORITY_REST.into());
    Ok(vec![chosen.into(), rest.into()])
}

/// The route to the canary alone, for load tests.
fn canary_routes<V: Version>(route: &Route) -> Result<Vec<Value>, RenderError> {
    let targets = targets::<V>(route, Weight::FULL);
    let only = one::<V>(route, route.canary(), Vec::new(), &targets)?;
    Ok(vec![only.into()])
}

/// Annotations of the apex VirtualService that tell App Mesh's gateway of it; none without hosts.
fn gateway_annotations(route: &Route) -> Vec<(String, Value)> {
    let service = &route.service;
    let domains: String = service
        .hosts
        .iter()
        .map(|host| format!("{host},"))
        .collect();
    if domains.is_empty() {
        return Vec::new();
    }
    let mut wanted = vec![("expose", "true".to_owned()), ("domain", domains)];
    if let Some(timeout) = service.timeout.as_ref().filter(|it| !it.is_empty()) {
        wanted.push(("timeout", timeout.clone()));
    }
    let attempts = service.retries.as_ref().and_then(|it| it.attempts);
    if let Some(attempts) = attempts.filter(|attempts| *attempts > 0) {
        wanted.push(("retries", attempts.to_string()));
    }
    wanted
        .into_iter()
        .map(|(key, value)| (format!("gateway.appmesh.k8s.aws/{key}"), value.into()))
        .collect()
}

/// A VirtualService.
fn service(
    route: &Route,
    live: &Live,
    kind: &Kind,
    name: &str,
    annotations: Vec<(String, Value)>,
    spec: Value,
) -> Manifest {
    let there = live.get(kind.kind, &route.namespace, name);
    let mut metadata = metadata::named(route, name, there);
    metadata::annotate(&mut metadata, annotations);
    kind.manifest(metadata, spec)
}

/// A virtual node.
fn node(
    route: &Route,
    live: &Live,
    kind: &Kind,
    name: &str,
    mut spec: Map<String, Value>,
) -> Manifest {
    if route.annotations.get(ACCESS_LOG).map(String::as_str) == Some("enabled") {
        let log = json!({"accessLog": {"file": {"path": "/dev/stdout"}}});
        spec.insert("logging".into(), log);
    }
    let there = live.get(kind.kind, &route.namespace, name);
    // The selector label is for what leads to pods by it; Flagger writes it to no node.
    let unselected = Route {
        selector_label: None,
        ..route.clone()
    };
    kind.manifest(metadata::configured(&unselected, name, there), spec)
}
