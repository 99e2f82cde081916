//! App Mesh v1beta2: VirtualNodes with pod selectors, VirtualRouters, VirtualServices that point at them.
//!
//! `awsName` and `meshRef` are filled in by App Mesh's controller and are not ours.

use api::canary::CanaryService;
use rollout::{Split, Weight};
use serde_json::{Map, Value, json};

use super::{
    Version, canary_routes, gateway_annotations, main_routes, node, protocol, retries, service,
};
use crate::{
    adapter::Adapter,
    duration::millis,
    error::{ReadError, RenderError},
    metadata,
    object::{Kind, Live, Manifest, ObjectRef},
    refuse,
    route::Route,
    seen::Backends,
};

const API_VERSION: &str = "appmesh.k8s.aws/v1beta2";
pub(crate) const NODE: Kind = Kind {
    api_version: API_VERSION,
    kind: "VirtualNode",
    plural: "virtualnodes",
};
pub(crate) const ROUTER: Kind = Kind {
    api_version: API_VERSION,
    kind: "VirtualRouter",
    plural: "virtualrouters",
};
pub(crate) const SERVICE: Kind = Kind {
    api_version: API_VERSION,
    kind: "VirtualService",
    plural: "virtualservices",
};

/// App Mesh's objects of v1beta2.
#[derive(Debug)]
pub(crate) struct AppMeshV1Beta2;

impl Version for AppMeshV1Beta2 {
    const HTTP: &'static str = "httpRoute";

    fn target(name: String, weight: Weight) -> Value {
        json!({"virtualNodeRef": {"name": name}, "weight": weight.percent()})
    }

    fn settings(route: &Route) -> Result<Map<String, Value>, RenderError> {
        let mut settings = Map::new();
        if let Some(timeout) = timeout(route)? {
            settings.insert("timeout".into(), timeout);
        }
        if let Some(retries) = retries(route)? {
            let policy = json!({
                "perRetryTimeout": {"unit": "ms", "value": retries.timeout_ms},
                "maxRetries": retries.retries,
                "httpRetryEvents": retries.events,
            });
            settings.insert("retryPolicy".into(), policy);
        }
        Ok(settings)
    }
}

fn timeout(route: &Route) -> Result<Option<Value>, RenderError> {
    match route.service.timeout.as_deref() {
        Some(text) if !text.is_empty() => {
            let value = millis("spec.service.timeout", text)?;
            Ok(Some(json!({"perRequest": {"unit": "ms", "value": value}})))
        }
        Some(_) | None => Ok(None),
    }
}

/// The port of the pods when it is given as a number, or else that of the Service.
fn port_mapping(route: &Route) -> Value {
    let port = container_port(&route.service);
    json!({"port": port, "protocol": protocol(route)})
}

fn container_port(service: &CanaryService) -> i32 {
    let given = service.target_port.as_ref().map(serde_json::to_value);
    let number = given
        .and_then(Result::ok)
        .and_then(|port| i32::try_from(port.as_i64()?).ok());
    number.filter(|port| *port > 0).unwrap_or(service.port)
}

fn backend(name: &String) -> Value {
    let reference = if name.starts_with("arn:aws") {
        json!({ "virtualServiceARN": name })
    } else {
        json!({"virtualServiceRef": {"name": name}})
    };
    json!({ "virtualService": reference })
}

fn virtual_node(
    route: &Route,
    live: &Live,
    name: &str,
    pods: Option<Value>,
) -> Result<Manifest, RenderError> {
    let mut listener = Map::new();
    listener.insert("portMapping".into(), port_mapping(route));
    if let Some(timeout) = timeout(route)? {
        listener.insert("timeout".into(), json!({ "http": timeout }));
    }
    let mut spec = Map::new();
    spec.insert("listeners".into(), json!([listener]));
    let host = format!("{name}.{}.svc.cluster.local.", route.namespace);
    let dns = json!({"dns": {"hostname": host}});
    spec.insert("serviceDiscovery".into(), dns);
    // While the target is not known, what was written before stands.
    let there = live.get(NODE.kind, &route.namespace, name);
    let pods = pods.or_else(|| there?.pointer("/spec/podSelector/matchLabels").cloned());
    if let Some(pods) = pods {
        spec.insert("podSelector".into(), json!({ "matchLabels": pods }));
    }
    let backends: Vec<Value> = route.service.backends.iter().map(backend).collect();
    if !backends.is_empty() {
        spec.insert("backends".into(), backends.into());
    }
    Ok(node(route, live, &NODE, name, spec))
}

fn virtual_router(route: &Route, live: &Live, name: &str, routes: &[Value]) -> Manifest {
    let spec = json!({
        "listeners": [{"portMapping": port_mapping(route)}],
        "routes": routes,
    });
    let there = live.get(ROUTER.kind, &route.namespace, name);
    ROUTER.manifest(metadata::named(route, name, there), spec)
}

fn virtual_service(
    route: &Route,
    live: &Live,
    name: &str,
    annotations: Vec<(String, Value)>,
) -> Manifest {
    let spec = json!({"provider": {"virtualRouter": {"virtualRouterRef": {"name": name}}}});
    service(route, live, &SERVICE, name, annotations, spec)
}

impl Adapter for AppMeshV1Beta2 {
    fn objects(&self, route: &Route) -> Vec<ObjectRef> {
        let names = [route.apex.clone(), route.canary()];
        let of = |kind: &Kind, name: &String| kind.named(&route.namespace, name.as_str());
        let mut objects = vec![of(&NODE, &route.primary()), of(&NODE, &route.canary())];
        objects.extend(names.iter().map(|name| of(&ROUTER, name)));
        objects.extend(names.iter().map(|name| of(&SERVICE, name)));
        objects
    }

    fn render(&self, route: &Route, live: &Live) -> Result<Vec<Manifest>, RenderError> {
        refuse::ports(route, "App Mesh")?;
        refuse::mirror(route, "App Mesh")?;
        refuse::sessions(route, "App Mesh")?;
        refuse::testers(route, "App Mesh")?;
        let (apex, primary, canary) = (&route.apex, &route.primary(), &route.canary());
        Ok(vec![
            virtual_node(route, live, primary, route.primary_pods())?,
            virtual_node(route, live, canary, route.canary_pods())?,
            virtual_router(route, live, apex, &main_routes::<Self>(route)?),
            virtual_router(route, live, canary, &canary_routes::<Self>(route)?),
            virtual_service(route, live, apex, gateway_annotations(route)),
            virtual_service(route, live, canary, Vec::new()),
        ])
    }

    fn seen(&self, route: &Route, live: &Live) -> Result<Split, ReadError> {
        let reference = ROUTER.named(&route.namespace, route.apex.as_str());
        let pointer = "/spec/routes/0/httpRoute/action/weightedTargets";
        Backends::of(route, "/virtualNodeRef/name", "/weight", 0).split(live, &reference, pointer)
    }
}
