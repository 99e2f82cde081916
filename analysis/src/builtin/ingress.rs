//! Metrics of ingress controllers: NGINX, Skipper, Traefik and APISIX

use super::{Duration, Unit, Words};

const NGINX_MATCHERS: &str = r#"namespace="{{ namespace }}", ingress="{{ ingress }}", canary!="""#;

pub(super) const NGINX: Words = Words {
    counter: "nginx_ingress_controller_requests",
    matchers: NGINX_MATCHERS,
    good: r#"status!~"5.*""#,
    duration: Duration::Mean {
        name: "nginx_ingress_controller_response_duration_seconds",
        matchers: NGINX_MATCHERS,
    },
    is_snake: false,
};

pub(super) const SKIPPER: Words = Words {
    counter: "skipper_response_duration_seconds_bucket",
    matchers: r#"route=~"kube(ew)?_{{ namespace }}__{{ ingress }}_canary__.*__{{ service }}_canary(_[0-9]+)?", le="+Inf""#,
    good: r#"code!~"5..""#,
    duration: Duration::Mean {
        name: "skipper_serve_route_duration_seconds",
        matchers: r#"route=~"kube(ew)?_{{ namespace }}__{{ ingress }}_canary__.*__{{ service }}_canary(_[0-9]+)?""#,
    },
    // Skipper makes its route names of word characters only.
    is_snake: true,
};

pub(super) const TRAEFIK: Words = Words {
    counter: "traefik_service_request_duration_seconds_bucket",
    matchers: r#"service=~"{{ namespace }}-{{ target }}-canary-[0-9a-zA-Z-]+@kubernetescrd", le="+Inf""#,
    good: r#"code!~"5..""#,
    duration: Duration::P99 {
        bucket: "traefik_service_request_duration_seconds_bucket",
        matchers: r#"service=~"{{ namespace }}-{{ target }}-canary-[0-9a-zA-Z-]+@kubernetescrd""#,
        unit: Unit::Seconds,
    },
    is_snake: false,
};

pub(super) const APISIX: Words = Words {
    counter: "apisix_http_status",
    matchers: r#"route=~"{{ namespace }}_{{ route }}-{{ target }}-canary_.+""#,
    good: r#"code!~"5..""#,
    duration: Duration::P99 {
        bucket: "apisix_http_latency_bucket",
        matchers: r#"type=~"request", route=~"{{ namespace }}_{{ route }}-{{ target }}-canary_.+""#,
        unit: Unit::Milliseconds,
    },
    is_snake: false,
};
