//! What each mesh calls its counters and durations, and how it labels them: the
//! names that the built-in checks of Flagger query.

use super::Mesh;

/// Labels: names, and patterns of values: `{namespace}`, `{service}`, `{service_}` (in word characters), `{workload}`,
/// `{pod}`, `{code}`, `{class}` (success or failure), `{object}` (the user's own routing object), `{canary}` (the
/// Service, if it is the canary's).
pub(super) type LabelPatterns = &'static [(&'static str, &'static str)];

/// One counter or histogram: its name, what it keeps, its labels.
pub(super) type Series = (&'static str, Kind, LabelPatterns);

/// What is kept of an answer.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// That there was one.
    Count,
    /// How long it took, in seconds.
    Seconds,
    /// How long it took, in milliseconds.
    Milliseconds,
}

/// Envoy's two, with the label that tells its clusters apart.
macro_rules! envoy {
    ($($label:expr),+) => {
        &[
            ("envoy_cluster_upstream_rq", Kind::Count, &[$($label),+, ("envoy_response_code", "{code}")]),
            ("envoy_cluster_upstream_rq_time", Kind::Milliseconds, &[$($label),+]),
        ]
    };
}

const ISTIO_LABELS: LabelPatterns = &[
    ("reporter", "destination"),
    ("destination_workload_namespace", "{namespace}"),
    ("destination_workload", "{workload}"),
    ("destination_service_name", "{service}"),
    ("response_code", "{code}"),
];
const LINKERD_LABELS: LabelPatterns = &[
    ("namespace", "{namespace}"),
    ("deployment", "{workload}"),
    ("direction", "inbound"),
    ("classification", "{class}"),
];
const OSM_LABELS: LabelPatterns = &[
    ("destination_namespace", "{namespace}"),
    ("destination_kind", "Deployment"),
    ("destination_name", "{workload}"),
    ("response_code", "{code}"),
];
const NGINX_LABELS: LabelPatterns = &[
    ("namespace", "{namespace}"),
    ("ingress", "{object}"),
    ("canary", "{canary}"),
    ("status", "{code}"),
];
const SKIPPER_LABELS: LabelPatterns = &[
    (
        "route",
        "kube_{namespace}__{object}_canary__all____{service_}_0",
    ),
    ("code", "{code}"),
];

const APISIX_ROUTE: (&str, &str) = ("route", "{namespace}_{object}-{service}_rule");

const ISTIO: &[Series] = &[
    ("istio_requests_total", Kind::Count, ISTIO_LABELS),
    (
        "istio_request_duration_milliseconds",
        Kind::Milliseconds,
        ISTIO_LABELS,
    ),
];
const PODS: &[Series] = &[(
    "http_request_duration_seconds",
    Kind::Seconds,
    &[
        ("kubernetes_namespace", "{namespace}"),
        ("kubernetes_pod_name", "{pod}"),
        ("method", "GET"),
        ("path", "root"),
        ("status", "{code}"),
    ],
)];
const SLUICE: &[Series] = &[
    (
        "sluice_gateway_requests_total",
        Kind::Count,
        &[
            ("namespace", "{namespace}"),
            ("service", "{service}"),
            ("code", "{code}"),
        ],
    ),
    (
        "sluice_gateway_request_duration_seconds",
        Kind::Seconds,
        &[("namespace", "{namespace}"), ("service", "{service}")],
    ),
];
const APP_MESH: &[Series] = envoy!(
    ("kubernetes_namespace", "{namespace}"),
    ("kubernetes_pod_name", "{pod}")
);
const CONTOUR: &[Series] = envoy!(("envoy_cluster_name", "{namespace}_{service}_80"));
const GLOO: &[Series] = envoy!((
    "envoy_cluster_name",
    "{namespace}-{service}upstream-80_gloo-system"
));
const KNATIVE: &[Series] = envoy!(("envoy_cluster_name", "{namespace}/{service}"));
const KUMA: &[Series] = envoy!(("service", "{service}_{namespace}_svc_80"));
const LINKERD: &[Series] = &[
    ("response_total", Kind::Count, LINKERD_LABELS),
    ("response_latency_ms", Kind::Milliseconds, LINKERD_LABELS),
];
const OSM: &[Series] = &[
    ("osm_request_total", Kind::Count, OSM_LABELS),
    ("osm_request_duration_ms", Kind::Milliseconds, OSM_LABELS),
];
const NGINX: &[Series] = &[
    (
        "nginx_ingress_controller_requests",
        Kind::Count,
        NGINX_LABELS,
    ),
    (
        "nginx_ingress_controller_response_duration_seconds",
        Kind::Seconds,
        NGINX_LABELS,
    ),
];
const SKIPPER: &[Series] = &[
    (
        "skipper_response_duration_seconds",
        Kind::Seconds,
        SKIPPER_LABELS,
    ),
    (
        "skipper_serve_route_duration_seconds",
        Kind::Seconds,
        SKIPPER_LABELS,
    ),
];
const TRAEFIK: &[Series] = &[(
    "traefik_service_request_duration_seconds",
    Kind::Seconds,
    &[
        ("service", "{namespace}-{service}-80@kubernetescrd"),
        ("code", "{code}"),
    ],
)];
const APISIX: &[Series] = &[
    (
        "apisix_http_status",
        Kind::Count,
        &[APISIX_ROUTE, ("code", "{code}")],
    ),
    (
        "apisix_http_latency",
        Kind::Milliseconds,
        &[APISIX_ROUTE, ("type", "request")],
    ),
];

/// The series of a mesh.
pub(super) const fn of(mesh: Mesh) -> &'static [Series] {
    match mesh {
        Mesh::Istio | Mesh::Smi => ISTIO,
        Mesh::GatewayApi | Mesh::Kubernetes => PODS,
        Mesh::Sluice => SLUICE,
        Mesh::AppMesh | Mesh::AppMeshV1Beta2 => APP_MESH,
        Mesh::Contour => CONTOUR,
        Mesh::Gloo => GLOO,
        Mesh::Knative => KNATIVE,
        Mesh::Kuma => KUMA,
        Mesh::Linkerd => LINKERD,
        Mesh::Osm => OSM,
        Mesh::Nginx => NGINX,
        Mesh::Skipper => SKIPPER,
        Mesh::Traefik => TRAEFIK,
        Mesh::Apisix => APISIX,
    }
}
