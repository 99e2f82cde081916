//! The meshes and ingress controllers that traffic can go through.

/// Whose routing objects are read, and whose metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mesh {
    /// ApisixRoute; `apisix_http_status` and a latency in milliseconds.
    Apisix,
    /// VirtualService of App Mesh v1beta1; Envoy's metrics of each pod.
    AppMesh,
    /// VirtualRouter of App Mesh v1beta2; the same metrics.
    AppMeshV1Beta2,
    /// HTTPProxy; Envoy's metrics of each Service.
    Contour,
    /// HTTPRoute; the pods' own `http_request_duration_seconds`.
    GatewayApi,
    /// RouteTable and Upstream; Envoy's metrics of each Upstream.
    Gloo,
    /// VirtualService; `istio_requests_total` and its duration in milliseconds.
    Istio,
    /// Knative Service; Envoy's metrics of each revision.
    Knative,
    /// No routing object, only the Service; the pods' own metrics.
    Kubernetes,
    /// TrafficRoute of Kuma; Envoy's metrics of each of Kuma's services.
    Kuma,
    /// TrafficSplit; `response_total` of Linkerd.
    Linkerd,
    /// Ingress and its canary; `nginx_ingress_controller_requests`.
    Nginx,
    /// TrafficSplit; `osm_request_total`.
    Osm,
    /// Ingress and its copy with weights; Skipper's durations.
    Skipper,
    /// HTTPRoute; `sluice_gateway_requests_total` and its duration in seconds.
    Sluice,
    /// TrafficSplit; Istio's metrics, as Flagger's built-in checks expect them.
    Smi,
    /// TraefikService; Traefik's durations.
    Traefik,
}

impl Mesh {
    /// The mesh of a Canary's `spec.provider`; `None` for one that is not known.
    #[must_use]
    pub fn of(provider: &str) -> Option<Self> {
        Some(match provider {
            "apisix" => Self::Apisix,
            "appmesh" => Self::AppMesh,
            "appmesh:v1beta2" => Self::AppMeshV1Beta2,
            "contour" => Self::Contour,
            "gatewayapi:v1" | "gatewayapi:v1beta1" => Self::GatewayApi,
            "gloo" => Self::Gloo,
            "istio" => Self::Istio,
            "knative" => Self::Knative,
            "kubernetes" => Self::Kubernetes,
            "kuma" => Self::Kuma,
            "linkerd" => Self::Linkerd,
            "nginx" => Self::Nginx,
            "osm" => Self::Osm,
            "skipper" => Self::Skipper,
            "sluice" => Self::Sluice,
            "smi:v1alpha1" | "smi:v1alpha2" | "smi:v1alpha3" => Self::Smi,
            "traefik" => Self::Traefik,
            _ => return None,
        })
    }
}
