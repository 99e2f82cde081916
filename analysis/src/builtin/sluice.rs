//! Metrics of Sluice's own gateway (crate `gateway`)

use super::{Duration, Unit, Words};

const MATCHERS: &str = r#"namespace="{{ namespace }}", service="{{ service }}-canary""#;

pub(super) const WORDS: Words = Words {
    counter: "sluice_gateway_requests_total",
    matchers: MATCHERS,
    good: r#"code!~"5.*""#,
    duration: Duration::P99 {
        bucket: "sluice_gateway_request_duration_seconds_bucket",
        matchers: MATCHERS,
        unit: Unit::SecondsOfAnswer,
    },
    is_snake: false,
};
