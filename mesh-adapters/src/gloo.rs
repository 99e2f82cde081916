//! Gloo: two Upstreams and a RouteTable, to which the user's VirtualService delegates (spec/flagger.md 4.8).
//!
//! Settings of the Upstream that `spec.upstreamRef` names are copied, and kept in step with it. Headers of all of
//! `analysis.match` must match together; users that are not chosen are for the user's own routes.

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

pub(crate) const UPSTREAM: Kind = Kind {
    api_version: "gloo.solo.io/v1",
    kind: "Upstream",
    plural: "upstreams",
};
pub(crate) const ROUTE_TABLE: Kind = Kind {
    api_version: "gateway.solo.io/v1",
    kind: "RouteTable",
    plural: "routetables",
};
/// What is copied from the user's Upstream.
const SETTINGS: [&str; 8] = [
    "sslConfig",
    "circuitBreakers",
    "connectionConfig",
    "loadBalancerConfig",
    "useHttp2",
    "initialStreamWindowSize",
    "initialConnectionWindowSize",
    "httpProxyHostname",
];

/// Gloo's objects.
#[derive(Debug)]
pub(crate) struct Gloo;

fn table(route: &Route) -> ObjectRef {
    ROUTE_TABLE.named(&route.namespace, route.apex.as_str())
}

fn upstream_name(route: &Route, role: &str) -> String {
    let (namespace, apex, port) = (&route.namespace, &route.apex, route.service.port);
    format!("{namespace}-{apex}-{role}upstream-{port}")
}

/// The Upstream to copy from.
fn source(route: &Route) -> Option<ObjectRef> {
    let given = route.upstream.as_ref().filter(|it| !it.name.is_empty())?;
    let namespace = given
        .namespace
        .as_deref()
        .filter(|namespace| !namespace.is_empty());
    let namespace = namespace.unwrap_or(&route.namespace);
    Some(UPSTREAM.named(namespace, given.name.as_str()))
}

fn upstream(
    route: &Route,
    live: &Live,
    role: &str,
    service: &str,
    pods: Option<Value>,
) -> Result<Manifest, RenderError> {
    let name = upstream_name(route, role);
    let there = live.get(UPSTREAM.kind, &route.namespace, &name);
    let metadata = metadata::named(route, &name, there);
    let mut kube = Map::new();
    kube.insert("serviceName".into(), service.into());
    kube.insert("serviceNamespace".into(), route.namespace.clone().into());
    kube.insert("servicePort".into(), route.service.port.into());
    // While the target is not known, what was written before stands.
    let pods = pods.or_else(|| there?.pointer("/spec/kube/selector").cloned());
    if let Some(pods) = pods {
        kube.insert("selector".into(), pods);
    }
    let mut spec = Map::new();
    if let Some(reference) = source(route) {
        let source = live.at(&reference).ok_or_else(|| {
            let cure = format!("namespace {:?} has no such Upstream", reference.namespace);
            RenderError::unsupported("spec.upstreamRef.name", reference.name.as_str(), cure)
        })?;
        for key in SETTINGS {
            if let Some(value) = source.get("spec").and_then(|spec| spec.get(key)) {
                spec.insert(key.into(), value.clone());
            }
        }
    }
    spec.insert("kube".into(), kube.into());
    Ok(UPSTREAM.manifest(metadata, spec))
}

/// Gloo takes a missing weight for 0, and Flagger leaves it out.
fn destination(route: &Route, role: &str, weight: Weight) -> Value {
    let upstream = json!({"name": upstream_name(route, role), "namespace": route.namespace});
    let mut destination = Map::new();
    destination.insert("destination".into(), json!({ "upstream": upstream }));
    if !weight.is_zero() {
        destination.insert("weight".into(), weight.percent().into());
    }
    destination.into()
}

fn matchers(route: &Route) -> Result<Option<Value>, RenderError> {
    let mut headers = Vec::new();
    for header in refuse::headers(route, "Gloo")? {
        headers.push(match (&header.value.regex, &header.value.exact) {
            (Some(regex), _) => json!({"name": header.name, "value": regex, "regex": true}),
            (None, Some(exact)) => json!({"name": header.name, "value": exact}),
            (None, None) => return Err(header.unsupported("Gloo", "exact or regex")),
        });
    }
    Ok((!headers.is_empty()).then(|| json!([{ "headers": headers }])))
}

impl Adapter for Gloo {
    fn objects(&self, route: &Route) -> Vec<ObjectRef> {
        let mut objects = vec![
            UPSTREAM.named(&route.namespace, upstream_name(route, "primary")),
            UPSTREAM.named(&route.namespace, upstream_name(route, "canary")),
            table(route),
        ];
        objects.extend(source(route));
        objects
    }

    fn render(&self, route: &Route, live: &Live) -> Result<Vec<Manifest>, RenderError> {
        refuse::ports(route, "Gloo")?;
        refuse::mirror(route, "Gloo")?;
        refuse::sessions(route, "Gloo")?;
        refuse::testers(route, "Gloo")?;
        let (primary, canary) = (route.primary(), route.canary());
        let mut rule = Map::new();
        rule.insert("inheritablePathMatchers".into(), true.into());
        if let Some(matchers) = matchers(route)? {
            rule.insert("matchers".into(), matchers);
        }
        let destinations = [
            destination(route, "primary", route.split.primary()),
            destination(route, "canary", route.split.canary),
        ];
        let action = json!({"multi": {"destinations": destinations}});
        rule.insert("routeAction".into(), action);
        let metadata = metadata::apex(route, live.at(&table(route)));
        Ok(vec![
            upstream(route, live, "primary", &primary, route.primary_pods())?,
            upstream(route, live, "canary", &canary, route.canary_pods())?,
            ROUTE_TABLE.manifest(metadata, json!({"routes": [rule]})),
        ])
    }

    fn seen(&self, route: &Route, live: &Live) -> Result<Split, ReadError> {
        let backends = Backends {
            primary: upstream_name(route, "primary"),
            canary: upstream_name(route, "canary"),
            ..Backends::of(route, "/destination/upstream/name", "/weight", 0)
        };
        let pointer = "/spec/routes/0/routeAction/multi/destinations";
        backends.split(live, &table(route), pointer)
    }
}
