//! Metrics of Linkerd and Open Service Mesh

use super::{Duration, Unit, Words};

const LINKERD_MATCHERS: &str =
    r#"namespace="{{ namespace }}", deployment=~"{{ target }}", direction="inbound""#;

pub(super) const LINKERD: Words = Words {
    counter: "response_total",
    matchers: LINKERD_MATCHERS,
    good: r#"classification!="failure""#,
    duration: Duration::P99 {
        bucket: "response_latency_ms_bucket",
        matchers: LINKERD_MATCHERS,
        unit: Unit::Milliseconds,
    },
    is_snake: false,
};

const OSM_MATCHERS: &str = r#"destination_namespace="{{ namespace }}", destination_kind="Deployment", destination_name="{{ target }}""#;

pub(super) const OSM: Words = Words {
    counter: "osm_request_total",
    matchers: OSM_MATCHERS,
    good: r#"response_code!~"5.*""#,
    duration: Duration::P99 {
        bucket: "osm_request_duration_ms_bucket",
        matchers: OSM_MATCHERS,
        unit: Unit::Milliseconds,
    },
    is_snake: false,
};
