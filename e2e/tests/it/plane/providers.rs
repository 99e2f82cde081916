//! Every provider: whose definitions it needs, what leads its users in, what is made, and how the split is read.

use serde_json::Value;

use self::Target::{Deployment, KnativeService};

/// The split in an object of a mesh, the primary's weight first; none while it is not ours yet.
pub(super) type Split = fn(&Value) -> Option<(i64, i64)>;

/// What is released.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Target {
    Deployment,
    KnativeService,
}

pub(super) struct Provider {
    pub(super) name: &'static str,
    pub(super) target: Target,
    /// Folders of definitions.
    pub(super) definitions: &'static [&'static str],
    /// The folder of its golden objects in `mesh-adapters/testdata`.
    pub(super) golden: &'static str,
    /// More of `spec.service`, and of `spec`.
    pub(super) service: &'static str,
    pub(super) spec: &'static str,
    /// The user's own objects; `NAMESPACE` is replaced.
    pub(super) entrance: &'static str,
    /// Objects that must be there at the end: API version, kind, name. The first holds the split.
    pub(super) made: &'static [[&'static str; 3]],
    /// Of a provider that splits.
    pub(super) split: Option<Split>,
}

const PLAIN: Provider = Provider {
    name: "",
    target: Deployment,
    definitions: &[],
    golden: "",
    service: "",
    spec: "",
    entrance: "",
    made: &[],
    split: None,
};

const GATEWAY: &str = ", hosts: [podinfo.example], gatewayRefs: [{name: web}]";
const ROUTE_V1: [&str; 3] = ["gateway.networking.k8s.io/v1", "HTTPRoute", "podinfo"];
const ROUTE_V1BETA1: [&str; 3] = ["gateway.networking.k8s.io/v1beta1", "HTTPRoute", "podinfo"];
const SPLIT_V1ALPHA1: [&str; 3] = ["split.smi-spec.io/v1alpha1", "TrafficSplit", "podinfo"];
const SPLIT_V1ALPHA2: [&str; 3] = ["split.smi-spec.io/v1alpha2", "TrafficSplit", "podinfo"];
const SPLIT_V1ALPHA3: [&str; 3] = ["split.smi-spec.io/v1alpha3", "TrafficSplit", "podinfo"];
const INGRESS: &str = "\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: NAMESPACE}
spec:
  rules:
    - host: podinfo.example
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: podinfo, port: {number: 80}}}}]}
";
const INGRESS_REF: &str =
    "ingressRef: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: web}";
const INGRESS_CANARY: [&str; 3] = ["networking.k8s.io/v1", "Ingress", "web-canary"];

pub(super) const PROVIDERS: [Provider; 20] = [
    Provider {
        name: "apisix",
        definitions: &["apisix"],
        golden: "apisix",
        spec: "routeRef: {apiVersion: apisix.apache.org/v2, kind: ApisixRoute, name: web}",
        entrance: "\
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: web, namespace: NAMESPACE}
spec:
  http:
    - name: web
      match: {hosts: [podinfo.example], paths: [/*]}
      backends: [{serviceName: podinfo, servicePort: 80}]
",
        made: &[["apisix.apache.org/v2", "ApisixRoute", "web-podinfo-canary"]],
        split: Some(|it| list(it, "/spec/http/0/backends", "/serviceName")),
        ..PLAIN
    },
    Provider {
        name: "appmesh",
        definitions: &["appmesh"],
        golden: "appmesh",
        service: ", meshName: global",
        made: &[
            ["appmesh.k8s.aws/v1beta1", "VirtualService", "podinfo.NAMESPACE"],
            ["appmesh.k8s.aws/v1beta1", "VirtualService", "podinfo-canary.NAMESPACE"],
            ["appmesh.k8s.aws/v1beta1", "VirtualNode", "podinfo"],
            ["appmesh.k8s.aws/v1beta1", "VirtualNode", "podinfo-primary"],
            ["appmesh.k8s.aws/v1beta1", "VirtualNode", "podinfo-canary"],
        ],
        split: Some(|it| list(it, "/spec/routes/0/http/action/weightedTargets", "/virtualNodeName")),
        ..PLAIN
    },
    Provider {
        name: "appmesh:v1beta2",
        definitions: &["appmesh"],
        golden: "appmesh-v1beta2",
        made: &[
            ["appmesh.k8s.aws/v1beta2", "VirtualRouter", "podinfo"],
            ["appmesh.k8s.aws/v1beta2", "VirtualRouter", "podinfo-canary"],
            ["appmesh.k8s.aws/v1beta2", "VirtualService", "podinfo"],
            ["appmesh.k8s.aws/v1beta2", "VirtualService", "podinfo-canary"],
            ["appmesh.k8s.aws/v1beta2", "VirtualNode", "podinfo-primary"],
            ["appmesh.k8s.aws/v1beta2", "VirtualNode", "podinfo-canary"],
        ],
        split: Some(|it| {
            list(it, "/spec/routes/0/httpRoute/action/weightedTargets", "/virtualNodeRef/name")
        }),
        ..PLAIN
    },
    Provider {
        name: "contour",
        definitions: &["contour"],
        golden: "contour",
        made: &[["projectcontour.io/v1", "HTTPProxy", "podinfo"]],
        split: Some(|it| list(it, "/spec/routes/0/services", "/name")),
        ..PLAIN
    },
    Provider {
        name: "gatewayapi:v1",
        definitions: &["gateway-api"],
        golden: "gatewayapi",
        service: GATEWAY,
        made: &[ROUTE_V1],
        split: Some(http_route),
        ..PLAIN
    },
    Provider {
        name: "gatewayapi:v1beta1",
        definitions: &["gateway-api"],
        golden: "gatewayapi-v1beta1",
        service: GATEWAY,
        made: &[ROUTE_V1BETA1],
        split: Some(http_route),
        ..PLAIN
    },
    Provider {
        name: "gloo",
        definitions: &["gloo"],
        golden: "gloo",
        made: &[
            ["gateway.solo.io/v1", "RouteTable", "podinfo"],
            ["gloo.solo.io/v1", "Upstream", "NAMESPACE-podinfo-primaryupstream-80"],
            ["gloo.solo.io/v1", "Upstream", "NAMESPACE-podinfo-canaryupstream-80"],
        ],
        split: Some(|it| {
            list(it, "/spec/routes/0/routeAction/multi/destinations", "/destination/upstream/name")
        }),
        ..PLAIN
    },
    Provider {
        name: "istio",
        definitions: &["istio"],
        golden: "istio",
        made: &[
            ["networking.istio.io/v1beta1", "VirtualService", "podinfo"],
            ["networking.istio.io/v1beta1", "DestinationRule", "podinfo-primary"],
            ["networking.istio.io/v1beta1", "DestinationRule", "podinfo-canary"],
        ],
        split: Some(|it| list(it, "/spec/http/0/route", "/destination/host")),
        ..PLAIN
    },
    Provider {
        name: "knative",
        target: KnativeService,
        definitions: &["knative"],
        golden: "knative",
        made: &[["serving.knative.dev/v1", "Service", "podinfo"]],
        split: Some(revisions),
        ..PLAIN
    },
    // Without routes; its autoscaler is KEDA's.
    Provider {
        name: "kubernetes",
        definitions: &["keda"],
        golden: "kubernetes",
        spec: "autoscalerRef: {apiVersion: keda.sh/v1alpha1, kind: ScaledObject, name: podinfo}",
        entrance: "\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: podinfo, namespace: NAMESPACE}
spec:
  scaleTargetRef: {name: podinfo}
  minReplicaCount: 1
  maxReplicaCount: 2
  triggers: [{type: cron, metadata: {timezone: Etc/UTC, start: 0 6 * * *, end: 0 20 * * *, desiredReplicas: '2'}}]
",
        made: &[["keda.sh/v1alpha1", "ScaledObject", "podinfo-primary"]],
        ..PLAIN
    },
    Provider {
        name: "kuma",
        definitions: &["kuma"],
        golden: "kuma",
        made: &[["kuma.io/v1alpha1", "TrafficRoute", "podinfo"]],
        split: Some(|it| list(it, "/spec/conf/split", "/destination/kuma.io~1service")),
        ..PLAIN
    },
    Provider {
        name: "linkerd",
        definitions: &["osm"],
        golden: "linkerd",
        made: &[SPLIT_V1ALPHA1],
        split: Some(traffic_split),
        ..PLAIN
    },
    Provider {
        name: "nginx",
        golden: "nginx",
        spec: INGRESS_REF,
        entrance: INGRESS,
        made: &[INGRESS_CANARY],
        split: Some(nginx),
        ..PLAIN
    },
    Provider {
        name: "osm",
        definitions: &["osm"],
        golden: "osm",
        made: &[SPLIT_V1ALPHA2],
        split: Some(traffic_split),
        ..PLAIN
    },
    Provider {
        name: "skipper",
        golden: "skipper",
        spec: INGRESS_REF,
        entrance: INGRESS,
        made: &[INGRESS_CANARY],
        split: Some(skipper),
        ..PLAIN
    },
    Provider {
        name: "sluice",
        definitions: &["gateway-api"],
        golden: "sluice",
        service: GATEWAY,
        made: &[ROUTE_V1],
        split: Some(http_route),
        ..PLAIN
    },
    Provider {
        name: "smi:v1alpha1",
        definitions: &["osm"],
        golden: "smi-v1alpha1",
        made: &[SPLIT_V1ALPHA1],
        split: Some(traffic_split),
        ..PLAIN
    },
    Provider {
        name: "smi:v1alpha2",
        definitions: &["osm"],
        golden: "smi-v1alpha2",
        made: &[SPLIT_V1ALPHA2],
        split: Some(traffic_split),
        ..PLAIN
    },
    Provider {
        name: "smi:v1alpha3",
        definitions: &["osm"],
        golden: "smi-v1alpha3",
        made: &[SPLIT_V1ALPHA3],
        split: Some(traffic_split),
        ..PLAIN
    },
    Provider {
        name: "traefik",
        definitions: &["traefik"],
        golden: "traefik",
        made: &[["traefik.io/v1alpha1", "TraefikService", "podinfo"]],
        split: Some(|it| list(it, "/spec/weighted/services", "/name")),
        ..PLAIN
    },
];

impl Provider {
    /// The namespace of its release.
    pub(super) fn namespace(&self) -> String {
        format!("plane-{}", self.name.replace(':', "-"))
    }

    /// The objects that must be there at the end.
    pub(super) fn made(&self) -> impl Iterator<Item = [String; 3]> {
        let namespace = self.namespace();
        let each = self.made.iter();
        each.map(move |one| one.map(|part| part.replace("NAMESPACE", &namespace)))
    }
}

/// A list of destinations, each with a name and a weight; what is not listed has no weight.
fn list(object: &Value, destinations: &str, name: &str) -> Option<(i64, i64)> {
    let destinations = object.pointer(destinations)?.as_array()?;
    let weight = |service: &str| {
        let is_it = |one: &&Value| {
            one.pointer(name)
                .and_then(Value::as_str)
                .is_some_and(|n| n.contains(service))
        };
        destinations
            .iter()
            .find(is_it)
            .map_or(0, |one| number(&one["weight"]))
    };
    Some((weight("podinfo-primary"), weight("podinfo-canary")))
}

/// A number, or a number as text.
fn number(weight: &Value) -> i64 {
    let text = || weight.as_str().and_then(|text| text.parse().ok());
    weight.as_i64().or_else(text).unwrap_or(0)
}

fn http_route(object: &Value) -> Option<(i64, i64)> {
    list(object, "/spec/rules/0/backendRefs", "/name")
}

fn traffic_split(object: &Value) -> Option<(i64, i64)> {
    list(object, "/spec/backends", "/service")
}

fn nginx(object: &Value) -> Option<(i64, i64)> {
    let annotations = &object["metadata"]["annotations"];
    let canary = number(&annotations["nginx.ingress.kubernetes.io/canary-weight"]);
    Some((100 - canary, canary))
}

fn skipper(object: &Value) -> Option<(i64, i64)> {
    let annotations = &object["metadata"]["annotations"];
    let weights = annotations["zalando.org/backend-weights"].as_str()?;
    let weights: Value = serde_json::from_str(weights).ok()?;
    Some((
        number(&weights["podinfo-primary"]),
        number(&weights["podinfo-canary"]),
    ))
}

/// The latest revision is the canary, the named one the primary.
fn revisions(object: &Value) -> Option<(i64, i64)> {
    let traffic = object["spec"]["traffic"].as_array()?;
    let percent = |is_canary: bool| {
        let is_it = |one: &&Value| (one["latestRevision"] == true) == is_canary;
        traffic
            .iter()
            .find(is_it)
            .map_or(0, |one| number(&one["percent"]))
    };
    Some((percent(false), percent(true)))
}
