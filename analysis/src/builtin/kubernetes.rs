//! Metrics that the canary's pods give themselves: kubernetes and Gateway API

use super::{Duration, Unit, Words};

const MATCHERS: &str = r#"kubernetes_namespace="{{ namespace }}", kubernetes_pod_name=~"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)""#;

pub(super) const WORDS: Words = Words {
    counter: "http_request_duration_seconds_count",
    matchers: MATCHERS,
    good: r#"status!~"5.*""#,
    duration: Duration::P99 {
        bucket: "http_request_duration_seconds_bucket",
        matchers: MATCHERS,
        unit: Unit::SecondsOfAnswer,
    },
    is_snake: false,
};
