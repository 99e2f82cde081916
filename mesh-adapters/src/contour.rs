//! Contour: one HTTPProxy, which the user's root proxy includes (spec/flagger.md 4.10).
//!
//! Of `service.match` only the first path prefix is used. Headers of all of `analysis.match` must match together.

use rollout::{Split, Weight};
use serde_json::{Map, Value, json};

use crate::{
    adapter::Adapter,
    error::{ReadError, RenderError},
    metadata,
    object::{Kind, Live, Manifest, ObjectRef},
    refuse,
    route::Route,
    seen::Backends,
};

pub(crate) const HTTP_PROXY: Kind = Kind {
    api_version: "projectcontour.io/v1",
    kind: "HTTPProxy",
    plural: "httpproxies",
};
/// Time without traffic after which a connection ends, beside a response time-out.
const IDLE: &str = "5m";

/// Contour's objects.
#[derive(Debug)]
pub(crate) struct Contour;

fn object(route: &Route) -> ObjectRef {
    HTTP_PROXY.named(&route.namespace, route.name.as_str())
}

/// One backend. The header tells Linkerd, when it runs beside Contour, which Service was chosen.
fn service(route: &Route, name: &str, weight: Weight) -> Value {
    let port = route.service.port;
    let host = format!("{name}.{}.svc.cluster.local:{port}", route.namespace);
    json!({
        "name": name,
        "port": port,
        "weight": weight.percent(),
        "requestHeadersPolicy": {"set": [{"name": "l5d-dst-override", "value": host}]},
    })
}

/// One rule with both backends.
fn rule(route: &Route, conditions: Vec<Value>, canary: Weight) -> Value {
    let mut rule = Map::new();
    rule.insert("conditions".into(), conditions.into());
    if let Some(timeout) = route.service.timeout.as_ref().filter(|it| !it.is_empty()) {
        let policy = json!({"response": timeout, "idle": IDLE});
        rule.insert("timeoutPolicy".into(), policy);
    }
    if let Some(retries) = &route.service.retries {
        let mut policy = Map::new();
        policy.insert("count".into(), retries.attempts.unwrap_or(0).into());
        if let Some(timeout) = retries.per_try_timeout.as_ref().filter(|it| !it.is_empty()) {
            policy.insert("perTryTimeout".into(), timeout.clone().into());
        }
        if let Some(causes) = retries.retry_on.as_ref().filter(|it| !it.is_empty()) {
            let causes: Vec<&str> = causes.split(',').map(str::trim).collect();
            policy.insert("retryOn".into(), causes.into());
        }
        rule.insert("retryPolicy".into(), policy.into());
    }
    let services = vec![
        service(route, &route.primary(), canary.rest()),
        service(route, &route.canary(), canary),
    ];
    rule.insert("services".into(), services.into());
    rule.into()
}

/// The conditions of chosen users: one prefix (Contour refuses a second), then each header.
fn chosen(route: &Route) -> Result<Vec<Value>, RenderError> {
    let mut conditions = vec![json!({"prefix": route.path_prefix()})];
    for header in refuse::headers(route, "Contour")? {
        let value = header.value;
        let (key, text) = match (&value.prefix, &value.suffix, &value.exact) {
            (Some(part), _, _) | (None, Some(part), _) => ("contains", part),
            (None, None, Some(exact)) => ("exact", exact),
            (None, None, None) => {
                return Err(header.unsupported("Contour", "exact, prefix or suffix"));
            }
        };
        conditions.push(json!({"header": {"name": header.name, key: text}}));
    }
    Ok(conditions)
}

/// A rule for each of the testers, to the canary alone. Contour prefers more headers to fewer, in any order.
fn testers(route: &Route) -> Result<Vec<Value>, RenderError> {
    let mut rules = Vec::new();
    for headers in refuse::testers_headers(route, "Contour")? {
        let mut conditions = vec![json!({"prefix": route.path_prefix()})];
        for header in headers {
            let (key, text) = match (&header.value.exact, &header.value.regex) {
                (Some(exact), _) => ("exact", exact),
                (None, Some(regex)) => ("regex", regex),
                (None, None) => return Err(header.unsupported("Contour", "exact or regex")),
            };
            conditions.push(json!({"header": {"name": header.name, key: text}}));
        }
        rules.push(rule(route, conditions, Weight::FULL));
    }
    Ok(rules)
}

impl Adapter for Contour {
    fn objects(&self, route: &Route) -> Vec<ObjectRef> {
        vec![object(route)]
    }

    fn render(&self, route: &Route, live: &Live) -> Result<Vec<Manifest>, RenderError> {
        refuse::mirror(route, "Contour")?;
        refuse::sessions(route, "Contour")?;
        let everyone = vec![json!({"prefix": route.path_prefix()})];
        let rules = if route.matches.is_empty() {
            let mut rules = vec![rule(route, everyone, route.split.canary)];
            let testers = testers(route)?;
            if route.has_testers_now() {
                rules.extend(testers);
            }
            rules
        } else {
            vec![
                rule(route, chosen(route)?, route.split.canary),
                rule(route, everyone, Weight::ZERO),
            ]
        };
        let mut spec = Map::new();
        if let Some(class) = &route.ingress_class {
            spec.insert("ingressClassName".into(), class.clone().into());
        }
        spec.insert("routes".into(), rules.into());
        let metadata = metadata::apex(route, live.at(&object(route)));
        Ok(vec![HTTP_PROXY.manifest(metadata, spec)])
    }

    fn seen(&self, route: &Route, live: &Live) -> Result<Split, ReadError> {
        Backends::of(route, "/name", "/weight", 0).split(
            live,
            &object(route),
            "/spec/routes/0/services",
        )
    }
}
