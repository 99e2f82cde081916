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

const ISTIO: LabelPatterns = &[
    ("reporter", "destination"),
    ("destination_workload_namespace", "{namespace}"),
    ("destination_workload", "{workload}"),
    ("destination_service_name", "{service}"),
    ("response_code", "{code}"),
];
const LINKERD: LabelPatterns = &[
    ("namespace", "{namespace}"),
    ("deployment", "{workload}"),
    ("direction", "inbound"),
    ("classification", "{class}"),
];
const OSM: LabelPatterns = &[
    ("destination_namespace", "{namespace}"),
    ("destination_kind", "Deployment"),
    ("destination_name", "{workload}"),
    ("response_code", "{code}"),
];
const NGINX: LabelPatterns = &[
    ("namespace", "{namespace}"),
    ("ingress", "{object}"),
    ("canary", "{canary}"),
    ("status", "{code}"),
];
const SKIPPER: LabelPatterns = &[
    (
        "route",
        "kube_{namespace}__{object}_canary__all____{service_}_0",
    ),
    ("code", "{code}"),
];

/// The series of a mesh.
pub(super) const fn of(mesh: Mesh) -> &'static [Series] {
    match mesh {
        Mesh::Istio | Mesh::Smi => &[
            ("istio_requests_total", Kind::Count, ISTIO),
            (
                "istio_request_duration_milliseconds",
                Kind::Milliseconds,
                ISTIO,
            ),
        ],
        Mesh::GatewayApi | Mesh::Kubernetes => &[(
            "http_request_duration_seconds",
            Kind::Seconds,
            &[
                ("kubernetes_namespace", "{namespace}"),
                ("kubernetes_pod_name", "{pod}"),
                ("method", "GET"),
                ("path", "root"),
                ("status", "{code}"),
            ],
        )],
        Mesh::Sluice => &[
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
        ],
        Mesh::AppMesh | Mesh::AppMeshV1Beta2 => envoy!(
            ("kubernetes_namespace", "{namespace}"),
            ("kubernetes_pod_name", "{pod}")
        ),
        Mesh::Contour => envoy!(("envoy_cluster_name", "{namespace}_{service}_80")),
        Mesh::Gloo => envoy!((
            "envoy_cluster_name",
            "{namespace}-{service}upstream-80_gloo-system"
        )),
        Mesh::Knative => envoy!(("envoy_cluster_name", "{namespace}/{service}")),
        Mesh::Kuma => envoy!(("service", "{service}_{namespace}_svc_80")),
        Mesh::Linkerd => &[
            ("response_total", Kind::Count, LINKERD),
            ("response_latency_ms", Kind::Milliseconds, LINKERD),
        ],
        Mesh::Osm => &[
            ("osm_request_total", Kind::Count, OSM),
            ("osm_request_duration_ms", Kind::Milliseconds, OSM),
        ],
        Mesh::Nginx => &[
            ("nginx_ingress_controller_requests", Kind::Count, NGINX),
            (
                "nginx_ingress_controller_response_duration_seconds",
                Kind::Seconds,
                NGINX,
            ),
        ],
        Mesh::Skipper => &[
            ("skipper_response_duration_seconds", Kind::Seconds, SKIPPER),
            (
                "skipper_serve_route_duration_seconds",
                Kind::Seconds,
                SKIPPER,
            ),
        ],
        Mesh::Traefik => &[(
            "traefik_service_request_duration_seconds",
            Kind::Seconds,
            &[
                ("service", "{namespace}-{service}-80@kubernetescrd"),
                ("code", "{code}"),
            ],
        )],
        Mesh::Apisix => &[
            (
                "apisix_http_status",
                Kind::Count,
                &[
                    ("route", "{namespace}_{object}-{service}_rule"),
                    ("code", "{code}"),
                ],
            ),
            (
                "apisix_http_latency",
                Kind::Milliseconds,
                &[
                    ("route", "{namespace}_{object}-{service}_rule"),
                    ("type", "request"),
                ],
            ),
        ],
    }
}
