//! Istio's telemetry of the workload that requests arrive at

use super::{Duration, Unit, Words};

const MATCHERS: &str = r#"reporter="destination", destination_workload_namespace="{{ namespace }}", destination_workload=~"{{ target }}""#;

pub(super) const WORDS: Words = Words {
    counter: "istio_requests_total",
    matchers: MATCHERS,
    good: r#"response_code!~"5.*""#,
    duration: Duration::P99 {
        bucket: "istio_request_duration_milliseconds_bucket",
        matchers: MATCHERS,
        unit: Unit::Milliseconds,
    },
    is_snake: false,
};
