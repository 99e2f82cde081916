//! APISIX: a copy of one rule of the user's ApisixRoute, with priority over it (spec/flagger.md 4.11).
//!
//! The user's route stays as it is: it takes the traffic again when the copy goes.

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

pub(crate) const APISIX_ROUTE: Kind = Kind {
    api_version: "apisix.apache.org/v2",
    kind: "ApisixRoute",
    plural: "apisixroutes",
};
/// High enough to win over rules of users.
const PRIORITY: u32 = 10_000;
/// What APISIX takes a missing weight for.
const WEIGHT_DEFAULT: i64 = 100;

/// APISIX's objects.
#[derive(Debug)]
pub(crate) struct Apisix;

/// The copy, and the route it is made of.
fn pair(route: &Route) -> Option<(ObjectRef, ObjectRef)> {
    let name = route.apisix_route.as_deref()?;
    let ours = format!("{name}-{}-canary", route.apex);
    Some((
        APISIX_ROUTE.named(&route.namespace, ours),
        APISIX_ROUTE.named(&route.namespace, name),
    ))
}

fn backends(rule: &Value) -> &[Value] {
    let list = rule.get("backends").and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

/// The first rule with a backend for the apex, and that backend.
fn rule<'a>(
    route: &Route,
    name: &str,
    source: &'a Value,
) -> Result<(&'a Map<String, Value>, &'a Value), RenderError> {
    let refused = |cure: String| RenderError::unsupported("spec.routeRef.name", name, cure);
    let is_apex = |backend: &&Value| {
        backend.get("serviceName").and_then(Value::as_str) == Some(route.apex.as_str())
    };
    let rules = source.pointer("/spec/http").and_then(Value::as_array);
    let found = rules.into_iter().flatten().find_map(|rule| {
        let backend = backends(rule).iter().find(is_apex)?;
        Some((rule.as_object()?, backend, backends(rule).len()))
    });
    match found {
        Some((rule, backend, 1)) => Ok((rule, backend)),
        Some((_, _, count)) => Err(refused(format!(
            "its rule for Service {:?} has {count} backends; leave that one alone in it",
            route.apex
        ))),
        None => Err(refused(format!(
            "none of its http rules has a backend with serviceName {:?}",
            route.apex
        ))),
    }
}

fn backend(source: &Value, service: String, weight: Weight) -> Value {
    let mut backend = Map::new();
    backend.insert("serviceName".into(), service.into());
    for key in ["servicePort", "resolveGranularity", "subset"] {
        if let Some(value) = source.get(key) {
            backend.insert(key.into(), value.clone());
        }
    }
    backend.insert("weight".into(), weight.percent().into());
    backend.into()
}

impl Adapter for Apisix {
    fn objects(&self, route: &Route) -> Vec<ObjectRef> {
        pair(route).map_or_else(Vec::new, |(ours, source)| vec![ours, source])
    }

    fn render(&self, route: &Route, live: &Live) -> Result<Vec<Manifest>, RenderError> {
        refuse::ports(route, "APISIX")?;
        refuse::mirror(route, "APISIX")?;
        refuse::sessions(route, "APISIX")?;
        refuse::matches(route, "APISIX")?;
        let (ours, reference) = pair(route).ok_or_else(|| {
            let cure = "name the ApisixRoute that leads to the apex Service";
            RenderError::missing("spec.routeRef", cure)
        })?;
        let source = live.at(&reference).ok_or_else(|| {
            let cure = "there is no such ApisixRoute in the namespace";
            RenderError::unsupported("spec.routeRef.name", reference.name.as_str(), cure)
        })?;
        let (rule, apex) = rule(route, &reference.name, source)?;
        let mut rule = rule.clone();
        rule.insert("priority".into(), PRIORITY.into());
        let backends = json!([
            backend(apex, route.primary(), route.split.primary()),
            backend(apex, route.canary(), route.split.canary),
        ]);
        rule.insert("backends".into(), backends);
        let spec = source.get("spec").and_then(Value::as_object);
        let mut spec = spec.cloned().unwrap_or_default();
        spec.insert("http".into(), json!([rule]));
        // A port can be listened on by one stream route alone.
        spec.remove("stream");
        let there = live.at(&ours);
        let metadata = metadata::copied(route, &ours.name, there, source, |_| true);
        Ok(vec![APISIX_ROUTE.manifest(metadata, spec)])
    }

    fn seen(&self, route: &Route, live: &Live) -> Result<Split, ReadError> {
        let Some((ours, _)) = pair(route) else {
            return Err(ReadError::Missing {
                kind: APISIX_ROUTE.kind.into(),
                name: "spec.routeRef".into(),
            });
        };
        let backends = Backends::of(route, "/serviceName", "/weight", WEIGHT_DEFAULT);
        backends.split(live, &ours, "/spec/http/0/backends")
    }
}
