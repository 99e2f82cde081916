//! Metrics of Envoy's clusters, as the meshes and ingresses above it name them

use super::{Duration, Unit, Words};

const fn words(matchers: &'static str) -> Words {
    Words {
        counter: "envoy_cluster_upstream_rq",
        matchers,
        good: r#"envoy_response_code!~"5.*""#,
        duration: Duration::P99 {
            bucket: "envoy_cluster_upstream_rq_time_bucket",
            matchers,
            unit: Unit::Milliseconds,
        },
        is_snake: false,
    }
}

pub(super) const APP_MESH: Words = words(
    r#"kubernetes_namespace="{{ namespace }}", kubernetes_pod_name=~"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)""#,
);

pub(super) const CONTOUR: Words =
    words(r#"envoy_cluster_name=~"{{ namespace }}_{{ service }}-canary_[0-9a-zA-Z-]+""#);

pub(super) const GLOO: Words = words(
    r#"envoy_cluster_name=~"{{ namespace }}-{{ target }}-canaryupstream-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+""#,
);

// The route of a Knative canary is its latest created revision.
pub(super) const KNATIVE: Words = words(r#"envoy_cluster_name=~"{{ namespace }}/{{ route }}""#);

pub(super) const KUMA: Words =
    words(r#"service=~"{{ target }}-canary_{{ namespace }}_svc_[0-9a-zA-Z-]+""#);
