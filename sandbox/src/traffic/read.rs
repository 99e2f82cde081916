//! Reads the routing objects of a mesh as the API server has them now. It knows
//! each mesh's objects by itself, never through the adapters that write them.
//!
//! Objects with conditions are in `read/rules.rs`, those that only list weights
//! are constants below, Ingresses are in `read/ingress.rs`, what is found
//! by looking through all objects of a kind in `read/whole.rs`.

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Api, Client};
use serde_json::Value;

use super::route::{Backend, Route, Rule};
use super::{Mesh, TrafficOptions};
use field::{inside, read_weight, service_of};

mod field;
mod ingress;
pub(super) mod rules;
mod whole;

/// A kind, and its versions in the order of trying.
struct Kind {
    group: &'static str,
    versions: &'static [&'static str],
    kind: &'static str,
    is_cluster_scoped: bool,
}

const fn kind(group: &'static str, versions: &'static [&'static str], kind: &'static str) -> Kind {
    Kind {
        group,
        versions,
        kind,
        is_cluster_scoped: false,
    }
}

/// Where a mesh has its rules.
enum Source {
    /// In the Service alone.
    Service,
    /// In one object of the apex Service's name, as rules with conditions; it is of the first kind that there is.
    Rules(&'static [Kind], fn(&Value) -> Route),
    /// In one object, as a list of weights.
    Weights(Weights),
    /// In all objects of a kind together; the Service is given.
    Whole(Kind, fn(&[Value], &str) -> Option<Route>),
}

/// A list of backends with weights.
struct Weights {
    kind: Kind,
    /// Name of the object.
    name: fn(&TrafficOptions) -> String,
    /// JSON pointer to the list.
    list: &'static str,
    /// JSON pointer from an element to its backend's name.
    backend: &'static str,
    /// What a missing weight means.
    weight_default: u32,
    /// Where backends are objects of their own: their kind, and the JSON pointer to the Service's name.
    node: Option<(Kind, &'static str)>,
}

fn apex(options: &TrafficOptions) -> String {
    options.service.clone()
}

fn apex_in_namespace(options: &TrafficOptions) -> String {
    format!("{}.{}", options.service, options.namespace)
}

fn source(mesh: Mesh) -> Source {
    match mesh {
        Mesh::Kubernetes => Source::Service,
        Mesh::Istio => Source::Rules(VIRTUAL_SERVICE, rules::virtual_service),
        Mesh::GatewayApi | Mesh::Sluice => Source::Rules(HTTP_ROUTE, rules::http_route),
        Mesh::Contour => Source::Rules(HTTP_PROXY, rules::http_proxy),
        Mesh::Nginx => Source::Whole(INGRESS, ingress::nginx),
        Mesh::Skipper => Source::Whole(INGRESS, ingress::skipper),
        Mesh::Apisix => Source::Whole(
            kind("apisix.apache.org", &["v2"], "ApisixRoute"),
            whole::apisix,
        ),
        Mesh::Knative => Source::Whole(
            kind("serving.knative.dev", &["v1"], "Service"),
            whole::knative,
        ),
        Mesh::Linkerd | Mesh::Osm | Mesh::Smi => Source::Weights(SMI),
        Mesh::Kuma => Source::Weights(KUMA),
        Mesh::Traefik => Source::Weights(TRAEFIK),
        Mesh::Gloo => Source::Weights(GLOO),
        Mesh::AppMesh => Source::Weights(APP_MESH),
        Mesh::AppMeshV1Beta2 => Source::Weights(APP_MESH_V1BETA2),
    }
}

const VIRTUAL_SERVICE: &[Kind] = &[kind(
    "networking.istio.io",
    &["v1", "v1beta1"],
    "VirtualService",
)];
const HTTP_ROUTE: &[Kind] = &[
    kind("gateway.networking.k8s.io", &["v1", "v1beta1"], "HTTPRoute"),
    kind("gateway.networking.k8s.io", &["v1"], "GRPCRoute"),
];
const HTTP_PROXY: &[Kind] = &[kind("projectcontour.io", &["v1"], "HTTPProxy")];
const INGRESS: Kind = kind("networking.k8s.io", &["v1"], "Ingress");

// The meshes whose object is a list of weights; conditions of App Mesh and Gloo are not read.
const SMI: Weights = Weights {
    kind: kind(
        "split.smi-spec.io",
        &["v1alpha1", "v1alpha2", "v1alpha3"],
        "TrafficSplit",
    ),
    name: apex,
    list: "/spec/backends",
    backend: "/service",
    weight_default: 0,
    node: None,
};
const KUMA: Weights = Weights {
    kind: Kind {
        is_cluster_scoped: true,
        ..kind("kuma.io", &["v1alpha1"], "TrafficRoute")
    },
    list: "/spec/conf/split",
    backend: "/destination/kuma.io~1service",
    ..SMI
};
const TRAEFIK: Weights = Weights {
    kind: kind("traefik.io", &["v1alpha1"], "TraefikService"),
    list: "/spec/weighted/services",
    backend: "/name",
    weight_default: 1,
    ..SMI
};
const GLOO: Weights = Weights {
    kind: kind("gateway.solo.io", &["v1"], "RouteTable"),
    list: "/spec/routes/0/routeAction/multi/destinations",
    backend: "/destination/upstream/name",
    node: Some((
        kind("gloo.solo.io", &["v1"], "Upstream"),
        "/spec/kube/serviceName",
    )),
    ..SMI
};
const APP_MESH: Weights = Weights {
    kind: kind("appmesh.k8s.aws", &["v1beta1"], "VirtualService"),
    name: apex_in_namespace,
    list: "/spec/routes/0/http/action/weightedTargets",
    backend: "/virtualNodeName",
    node: Some((
        kind("appmesh.k8s.aws", &["v1beta1"], "VirtualNode"),
        "/spec/serviceDiscovery/dns/hostName",
    )),
    ..SMI
};
const APP_MESH_V1BETA2: Weights = Weights {
    kind: kind("appmesh.k8s.aws", &["v1beta2"], "VirtualRouter"),
    list: "/spec/routes/0/httpRoute/action/weightedTargets",
    backend: "/virtualNodeRef/name",
    node: Some((
        kind("appmesh.k8s.aws", &["v1beta2"], "VirtualNode"),
        "/spec/serviceDiscovery/dns/hostname",
    )),
    ..SMI
};

/// The route as the API server has it now; the plain Service when there is none.
pub(super) async fn read(client: &Client, options: &TrafficOptions) -> Result<Route, kube::Error> {
    let cluster = Cluster { client, options };
    let route = match source(options.mesh) {
        Source::Service => None,
        Source::Rules(kinds, parse) => {
            let object = cluster.first(kinds, &options.service).await?;
            object.map(|object| parse(inside(&object, "spec")))
        }
        Source::Weights(weights) => cluster.weighted(&weights).await?,
        Source::Whole(kind, parse) => parse(&cluster.list(&kind).await?, &options.service),
    };
    Ok(route.unwrap_or_else(|| Route::to_service(&options.service)))
}

struct Cluster<'a> {
    client: &'a Client,
    options: &'a TrafficOptions,
}

impl Cluster<'_> {
    fn api(&self, kind: &Kind, version: &str) -> Api<DynamicObject> {
        let named = GroupVersionKind::gvk(kind.group, version, kind.kind);
        let resource = ApiResource::from_gvk(&named);
        let client = self.client.clone();
        if kind.is_cluster_scoped {
            Api::all_with(client, &resource)
        } else {
            Api::namespaced_with(client, &self.options.namespace, &resource)
        }
    }

    async fn get(&self, kind: &Kind, name: &str) -> Result<Option<Value>, kube::Error> {
        for version in kind.versions {
            if let Some(object) = found(self.api(kind, version).get(name).await)? {
                return Ok(Some(object.data));
            }
        }
        Ok(None)
    }

    async fn first(&self, kinds: &[Kind], name: &str) -> Result<Option<Value>, kube::Error> {
        for kind in kinds {
            let object = self.get(kind, name).await?;
            if object.is_some() {
                return Ok(object);
            }
        }
        Ok(None)
    }

    /// All objects of the kind, metadata and all.
    async fn list(&self, kind: &Kind) -> Result<Vec<Value>, kube::Error> {
        for version in kind.versions {
            let all = self.api(kind, version).list(&ListParams::default()).await;
            if let Some(all) = found(all)? {
                let objects = all.items.iter().map(serde_json::to_value);
                return Ok(objects.flatten().collect());
            }
        }
        Ok(Vec::new())
    }

    async fn weighted(&self, weights: &Weights) -> Result<Option<Route>, kube::Error> {
        let name = (weights.name)(self.options);
        let Some(object) = self.get(&weights.kind, &name).await? else {
            return Ok(None);
        };
        let listed = object.pointer(weights.list).and_then(Value::as_array);
        let mut rule = Rule::default();
        for backend in listed.into_iter().flatten() {
            let name = backend.pointer(weights.backend).and_then(Value::as_str);
            let name = name.unwrap_or_default();
            let service = match &weights.node {
                None => service_of(name),
                Some((kind, pointer)) => {
                    let node = self.get(kind, name).await?.unwrap_or_default();
                    service_of(
                        node.pointer(pointer)
                            .and_then(Value::as_str)
                            .unwrap_or_default(),
                    )
                }
            };
            rule.backends.push(Backend {
                service,
                weight: read_weight(backend.get("weight"), weights.weight_default),
            });
        }
        Ok(Some(Route {
            rules: vec![rule],
            ..Route::default()
        }))
    }
}

/// Nothing is also what a server says that does not know the kind.
fn found<T>(answer: Result<T, kube::Error>) -> Result<Option<T>, kube::Error> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}
