//! App Mesh v1beta1: VirtualNodes, and VirtualServices that hold their routers.

use rollout::{Split, Weight};
use serde_json::{Map, Value, json};

use super::{
    Version, canary_routes, gateway_annotations, main_routes, node, protocol, retries, service,
};
use crate::{
    adapter::Adapter,
    error::{ReadError, RenderError},
    object::{Kind, Live, Manifest, ObjectRef},
    refuse,
    route::Route,
    seen::Backends,
};

const API_VERSION: &str = "appmesh.k8s.aws/v1beta1";
pub(crate) const NODE: Kind = Kind {
    api_version: API_VERSION,
    kind: "VirtualNode",
    plural: "virtualnodes",
};
pub(crate) const SERVICE: Kind = Kind {
    api_version: API_VERSION,
    kind: "VirtualService",
    plural: "virtualservices",
};

/// App Mesh's objects of v1beta1.
#[derive(Debug)]
pub(crate) struct AppMesh;

impl Version for AppMesh {
    const HTTP: &'static str = "http";

    fn target(name: String, weight: Weight) -> Value {
        json!({"virtualNodeName": name, "weight": weight.percent()})
    }

    fn settings(route: &Route) -> Result<Map<String, Value>, RenderError> {
        let mut settings = Map::new();
        if let Some(retries) = retries(route)? {
            let policy = json!({
                "perRetryTimeoutMillis": retries.timeout_ms,
                "maxRetries": retries.retries,
                "httpRetryEvents": retries.events,
            });
            settings.insert("retryPolicy".into(), policy);
        }
        Ok(settings)
    }
}

fn listeners(route: &Route) -> Value {
    json!([{"portMapping": {"port": route.service.port, "protocol": protocol(route)}}])
}

/// A name as App Mesh v1beta1 resolves it.
fn host(route: &Route, name: &str) -> String {
    format!("{name}.{}", route.namespace)
}

fn virtual_node(route: &Route, live: &Live, mesh: &str, name: &str, service: &str) -> Manifest {
    let mut spec = Map::new();
    spec.insert("meshName".into(), mesh.into());
    spec.insert("listeners".into(), listeners(route));
    let dns = json!({"dns": {"hostName": host(route, service)}});
    spec.insert("serviceDiscovery".into(), dns);
    let backends: Vec<Value> = route
        .service
        .backends
        .iter()
        .map(|backend| json!({"virtualService": {"virtualServiceName": backend}}))
        .collect();
    if !backends.is_empty() {
        spec.insert("backends".into(), backends.into());
    }
    node(route, live, &NODE, name, spec)
}

fn virtual_service(
    route: &Route,
    live: &Live,
    mesh: &str,
    name: &str,
    annotations: Vec<(String, Value)>,
    routes: &[Value],
) -> Manifest {
    let spec = json!({
        "meshName": mesh,
        "virtualRouter": {"name": name, "listeners": listeners(route)},
        "routes": routes,
    });
    service(route, live, &SERVICE, &host(route, name), annotations, spec)
}

impl Adapter for AppMesh {
    fn objects(&self, route: &Route) -> Vec<ObjectRef> {
        let node = |name: String| NODE.named(&route.namespace, name);
        let service = |name: &str| SERVICE.named(&route.namespace, host(route, name));
        vec![
            node(route.apex.clone()),
            node(route.primary()),
            node(route.canary()),
            service(&route.apex),
            service(&route.canary()),
        ]
    }

    fn render(&self, route: &Route, live: &Live) -> Result<Vec<Manifest>, RenderError> {
        refuse::ports(route, "App Mesh")?;
        refuse::mirror(route, "App Mesh")?;
        refuse::sessions(route, "App Mesh")?;
        refuse::testers(route, "App Mesh")?;
        let mesh = route.service.mesh_name.as_deref();
        let mesh = mesh.filter(|mesh| !mesh.is_empty()).ok_or_else(|| {
            RenderError::missing("spec.service.meshName", "name the mesh of App Mesh")
        })?;
        let (apex, primary, canary) = (&route.apex, &route.primary(), &route.canary());
        let (main, fixed) = (main_routes::<Self>(route)?, canary_routes::<Self>(route)?);
        let gateway = gateway_annotations(route);
        Ok(vec![
            virtual_node(route, live, mesh, apex, primary),
            virtual_node(route, live, mesh, primary, primary),
            virtual_node(route, live, mesh, canary, canary),
            virtual_service(route, live, mesh, apex, gateway, &main),
            virtual_service(route, live, mesh, canary, Vec::new(), &fixed),
        ])
    }

    fn seen(&self, route: &Route, live: &Live) -> Result<Split, ReadError> {
        let reference = SERVICE.named(&route.namespace, host(route, &route.apex));
        let pointer = "/spec/routes/0/http/action/weightedTargets";
        Backends::of(route, "/virtualNodeName", "/weight", 0).split(live, &reference, pointer)
    }
}
