//! Kuma: one TrafficRoute (spec/flagger.md 4.5).
//!
//! TrafficRoutes are cluster-scoped, so two Canaries of one name in two namespaces would write one object. The
//! first has the plain name; one that finds it taken adds its namespace. No owner can take a cluster-scoped object
//! along, so it is named as an orphan. The mesh of a route cannot be changed once it is made.

use rollout::Split;
use serde_json::{Value, json};

use crate::{
    adapter::Adapter,
    error::{ReadError, RenderError},
    metadata,
    object::{Kind, Live, Manifest, ObjectRef},
    refuse,
    route::Route,
    seen::Backends,
};

pub(crate) const TRAFFIC_ROUTE: Kind = Kind {
    api_version: "kuma.io/v1alpha1",
    kind: "TrafficRoute",
    plural: "trafficroutes",
};
/// Tag, and key of destinations.
const SERVICE: &str = "kuma.io/service";
const MESH: &str = "kuma.io/mesh";
const MESH_DEFAULT: &str = "default";

/// Kuma's objects.
#[derive(Debug)]
pub(crate) struct Kuma;

/// How Kuma names a Service of Kubernetes.
fn service(route: &Route, name: &str) -> String {
    format!("{name}_{}_svc_{}", route.namespace, route.service.port)
}

/// The name that no Canary of another namespace can have: neither part holds a dot.
fn long_name(route: &Route) -> String {
    format!("{}.{}", route.apex, route.namespace)
}

/// True when the live route is for this apex in this namespace, at whatever port.
fn is_ours(route: &Route, object: &Value) -> bool {
    leads(object, &route.apex, &route.namespace)
}

/// True when the live route of this name is for an apex in this namespace.
pub(crate) fn is_of(name: &str, namespace: &str, object: &Value) -> bool {
    let apex = name.strip_suffix(&format!(".{namespace}")).unwrap_or(name);
    leads(object, apex, namespace)
}

fn leads(object: &Value, apex: &str, namespace: &str) -> bool {
    let ours = format!("{apex}_{namespace}_svc_");
    object
        .pointer("/spec/destinations/0/match")
        .and_then(|destination| destination.get(SERVICE)?.as_str())
        .is_some_and(|destination| destination.starts_with(&ours))
}

/// The object that is ours, or will be.
fn object(route: &Route, live: &Live) -> ObjectRef {
    let short = TRAFFIC_ROUTE.named("", route.apex.as_str());
    let long = TRAFFIC_ROUTE.named("", long_name(route));
    let is_taken = live.at(&short).is_some_and(|there| !is_ours(route, there));
    let is_long_there = live.at(&long).is_some_and(|there| is_ours(route, there));
    if is_taken || is_long_there {
        long
    } else {
        short
    }
}

impl Adapter for Kuma {
    fn objects(&self, route: &Route) -> Vec<ObjectRef> {
        vec![
            TRAFFIC_ROUTE.named("", route.apex.as_str()),
            TRAFFIC_ROUTE.named("", long_name(route)),
        ]
    }

    fn render(&self, route: &Route, live: &Live) -> Result<Vec<Manifest>, RenderError> {
        refuse::ports(route, "Kuma")?;
        refuse::mirror(route, "Kuma")?;
        refuse::sessions(route, "Kuma")?;
        refuse::matches(route, "Kuma")?;
        let reference = object(route, live);
        let there = live.at(&reference);
        let mut metadata = metadata::configured(route, &reference.name, there);
        metadata.remove("namespace");
        metadata.remove("ownerReferences");
        let spec = json!({
            "sources": [{"match": {SERVICE: "*"}}],
            "destinations": [{"match": {SERVICE: service(route, &route.apex)}}],
            "conf": {"split": [
                {
                    "weight": route.split.primary().percent(),
                    "destination": {SERVICE: service(route, &route.primary())},
                },
                {
                    "weight": route.split.canary.percent(),
                    "destination": {SERVICE: service(route, &route.canary())},
                },
            ]},
        });
        let mesh = there
            .and_then(|there| there.get("mesh")?.as_str())
            .or_else(|| route.annotations.get(MESH).map(String::as_str))
            .filter(|mesh| !mesh.is_empty())
            .unwrap_or(MESH_DEFAULT);
        let mut manifest = TRAFFIC_ROUTE.manifest(metadata, spec);
        if let Value::Object(fields) = &mut manifest {
            fields.insert("mesh".into(), mesh.into());
        }
        Ok(vec![manifest])
    }

    fn seen(&self, route: &Route, live: &Live) -> Result<Split, ReadError> {
        // The key holds a slash, which a JSON pointer writes `~1`.
        let backends = Backends {
            primary: service(route, &route.primary()),
            canary: service(route, &route.canary()),
            ..Backends::of(route, "/destination/kuma.io~1service", "/weight", 0)
        };
        backends.split(live, &object(route, live), "/spec/conf/split")
    }

    fn orphans(&self, route: &Route, live: &Live) -> Vec<ObjectRef> {
        let mut ours = self.objects(route);
        ours.retain(|one| live.at(one).is_some_and(|there| is_ours(route, there)));
        ours
    }
}
