//! The queries that checks become

use std::collections::BTreeMap;

use analysis::{
    Context, Credentials, Flavour, MetricServer, Resolved, TemplateRef, Unusable, available,
    measure,
};
use api::metric_template::MetricTemplate;
use expect_test::{Expect, expect};
use rollout::spec::check::CheckSource;

use crate::fixture::{Fake, SECRET, check_of, context, told};

const FLAVOURS: [Flavour; 14] = [
    Flavour::Istio,
    Flavour::Sluice,
    Flavour::Kubernetes,
    Flavour::AppMesh,
    Flavour::Linkerd,
    Flavour::Contour,
    Flavour::Gloo,
    Flavour::Knative,
    Flavour::Kuma,
    Flavour::Nginx,
    Flavour::Skipper,
    Flavour::Traefik,
    Flavour::Osm,
    Flavour::Apisix,
];

/// Of each flavour: the query, and what an answer of 0.25 means.
async fn check_builtins(source: CheckSource, expected: Expect) {
    let mut out = String::new();
    for flavour in FLAVOURS {
        let fake = Fake::with_value(0.25);
        let context = context(flavour, "http://prom:9090");
        let sample = measure(&check_of("m", source.clone()), "k", &context, &fake).await;
        let query = fake.queries.lock().unwrap().join("\n");
        out.push_str(&format!(
            "{flavour}: {}\n  {}\n",
            told(&sample),
            query.replace("http://prom:9090 ", "")
        ));
    }
    expected.assert_eq(&out);
}

#[tokio::test]
async fn success_rates() {
    check_builtins(CheckSource::SuccessRate, expect![[r#"
        istio: value 0.25
          sum( rate( istio_requests_total{ reporter="destination", destination_workload_namespace="test", destination_workload=~"podinfo-app", response_code!~"5.*" }[1m] ) ) / sum( rate( istio_requests_total{ reporter="destination", destination_workload_namespace="test", destination_workload=~"podinfo-app" }[1m] ) ) * 100
        sluice: value 0.25
          sum( rate( sluice_gateway_requests_total{ namespace="test", service="podinfo-svc-canary", code!~"5.*" }[1m] ) ) / sum( rate( sluice_gateway_requests_total{ namespace="test", service="podinfo-svc-canary" }[1m] ) ) * 100
        kubernetes: value 0.25
          sum( rate( http_request_duration_seconds_count{ kubernetes_namespace="test", kubernetes_pod_name=~"podinfo-app-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)", status!~"5.*" }[1m] ) ) / sum( rate( http_request_duration_seconds_count{ kubernetes_namespace="test", kubernetes_pod_name=~"podinfo-app-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[1m] ) ) * 100
        appmesh: value 0.25
          sum( rate( envoy_cluster_upstream_rq{ kubernetes_namespace="test", kubernetes_pod_name=~"podinfo-app-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)", envoy_response_code!~"5.*" }[1m] ) ) / sum( rate( envoy_cluster_upstream_rq{ kubernetes_namespace="test", kubernetes_pod_name=~"podinfo-app-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[1m] ) ) * 100
        linkerd: value 0.25
          sum( rate( response_total{ namespace="test", deployment=~"podinfo-app", direction="inbound", classification!="failure" }[1m] ) ) / sum( rate( response_total{ namespace="test", deployment=~"podinfo-app", direction="inbound" }[1m] ) ) * 100
        contour: value 0.25
          sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"test_podinfo-svc-canary_[0-9a-zA-Z-]+", envoy_response_code!~"5.*" }[1m] ) ) / sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"test_podinfo-svc-canary_[0-9a-zA-Z-]+" }[1m] ) ) * 100
        gloo: value 0.25
          sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"test-podinfo-app-canaryupstream-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+", envoy_response_code!~"5.*" }[1m] ) ) / sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"test-podinfo-app-canaryupstream-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+" }[1m] ) ) * 100
        knative: value 0.25
          sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"test/podinfo-route", envoy_response_code!~"5.*" }[1m] ) ) / sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"test/podinfo-route" }[1m] ) ) * 100
        kuma: value 0.25
          sum( rate( envoy_cluster_upstream_rq{ service=~"podinfo-app-canary_test_svc_[0-9a-zA-Z-]+", envoy_response_code!~"5.*" }[1m] ) ) / sum( rate( envoy_cluster_upstream_rq{ service=~"podinfo-app-canary_test_svc_[0-9a-zA-Z-]+" }[1m] ) ) * 100
        nginx: value 0.25
          sum( rate( nginx_ingress_controller_requests{ namespace="test", ingress="podinfo-ing", canary!="", status!~"5.*" }[1m] ) ) / sum( rate( nginx_ingress_controller_requests{ namespace="test", ingress="podinfo-ing", canary!="" }[1m] ) ) * 100
        skipper: value 0.25
          sum( rate( skipper_response_duration_seconds_bucket{ route=~"kube(ew)?_test__podinfo_ing_canary__.*__podinfo_svc_canary(_[0-9]+)?", le="+Inf", code!~"5.." }[1m] ) ) / sum( rate( skipper_response_duration_seconds_bucket{ route=~"kube(ew)?_test__podinfo_ing_canary__.*__podinfo_svc_canary(_[0-9]+)?", le="+Inf" }[1m] ) ) * 100
        traefik: value 0.25
          sum( rate( traefik_service_request_duration_seconds_bucket{ service=~"test-podinfo-app-canary-[0-9a-zA-Z-]+@kubernetescrd", le="+Inf", code!~"5.." }[1m] ) ) / sum( rate( traefik_service_request_duration_seconds_bucket{ service=~"test-podinfo-app-canary-[0-9a-zA-Z-]+@kubernetescrd", le="+Inf" }[1m] ) ) * 100
        osm: value 0.25
          sum( rate( osm_request_total{ destination_namespace="test", destination_kind="Deployment", destination_name="podinfo-app", response_code!~"5.*" }[1m] ) ) / sum( rate( osm_request_total{ destination_namespace="test", destination_kind="Deployment", destination_name="podinfo-app" }[1m] ) ) * 100
        apisix: value 0.25
          sum( rate( apisix_http_status{ route=~"test_podinfo-route-podinfo-app-canary_.+", code!~"5.." }[1m] ) ) / sum( rate( apisix_http_status{ route=~"test_podinfo-route-podinfo-app-canary_.+" }[1m] ) ) * 100
    "#]]).await;
}

#[tokio::test]
async fn durations() {
    check_builtins(CheckSource::Duration, expect![[r#"
        istio: value 0.25
          histogram_quantile( 0.99, sum( rate( istio_request_duration_milliseconds_bucket{ reporter="destination", destination_workload_namespace="test", destination_workload=~"podinfo-app" }[1m] ) ) by (le) )
        sluice: value 250
          histogram_quantile( 0.99, sum( rate( sluice_gateway_request_duration_seconds_bucket{ namespace="test", service="podinfo-svc-canary" }[1m] ) ) by (le) )
        kubernetes: value 250
          histogram_quantile( 0.99, sum( rate( http_request_duration_seconds_bucket{ kubernetes_namespace="test", kubernetes_pod_name=~"podinfo-app-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[1m] ) ) by (le) )
        appmesh: value 0.25
          histogram_quantile( 0.99, sum( rate( envoy_cluster_upstream_rq_time_bucket{ kubernetes_namespace="test", kubernetes_pod_name=~"podinfo-app-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[1m] ) ) by (le) )
        linkerd: value 0.25
          histogram_quantile( 0.99, sum( rate( response_latency_ms_bucket{ namespace="test", deployment=~"podinfo-app", direction="inbound" }[1m] ) ) by (le) )
        contour: value 0.25
          histogram_quantile( 0.99, sum( rate( envoy_cluster_upstream_rq_time_bucket{ envoy_cluster_name=~"test_podinfo-svc-canary_[0-9a-zA-Z-]+" }[1m] ) ) by (le) )
        gloo: value 0.25
          histogram_quantile( 0.99, sum( rate( envoy_cluster_upstream_rq_time_bucket{ envoy_cluster_name=~"test-podinfo-app-canaryupstream-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+" }[1m] ) ) by (le) )
        knative: value 0.25
          histogram_quantile( 0.99, sum( rate( envoy_cluster_upstream_rq_time_bucket{ envoy_cluster_name=~"test/podinfo-route" }[1m] ) ) by (le) )
        kuma: value 0.25
          histogram_quantile( 0.99, sum( rate( envoy_cluster_upstream_rq_time_bucket{ service=~"podinfo-app-canary_test_svc_[0-9a-zA-Z-]+" }[1m] ) ) by (le) )
        nginx: value 0.25
          1000 * sum( rate( nginx_ingress_controller_response_duration_seconds_sum{ namespace="test", ingress="podinfo-ing", canary!="" }[1m] ) ) / sum( rate( nginx_ingress_controller_response_duration_seconds_count{ namespace="test", ingress="podinfo-ing", canary!="" }[1m] ) )
        skipper: value 0.25
          1000 * sum( rate( skipper_serve_route_duration_seconds_sum{ route=~"kube(ew)?_test__podinfo_ing_canary__.*__podinfo_svc_canary(_[0-9]+)?" }[1m] ) ) / sum( rate( skipper_serve_route_duration_seconds_count{ route=~"kube(ew)?_test__podinfo_ing_canary__.*__podinfo_svc_canary(_[0-9]+)?" }[1m] ) )
        traefik: value 0.25
          1000 * histogram_quantile( 0.99, sum( rate( traefik_service_request_duration_seconds_bucket{ service=~"test-podinfo-app-canary-[0-9a-zA-Z-]+@kubernetescrd" }[1m] ) ) by (le) )
        osm: value 0.25
          histogram_quantile( 0.99, sum( rate( osm_request_duration_ms_bucket{ destination_namespace="test", destination_kind="Deployment", destination_name="podinfo-app" }[1m] ) ) by (le) )
        apisix: value 0.25
          histogram_quantile( 0.99, sum( rate( apisix_http_latency_bucket{ type=~"request", route=~"test_podinfo-route-podinfo-app-canary_.+" }[1m] ) ) by (le) )
    "#]]).await;
}

#[test]
fn flavours_are_chosen_as_flagger_does() {
    let check = |flag: &str, own: Option<&str>, is_service: bool, expected: &str| {
        let flavour = Flavour::choose(flag, own, is_service).to_string();
        assert_eq!(
            flavour, expected,
            "flag {flag:?}, spec.provider {own:?}, Service {is_service}"
        );
    };
    check("istio", None, false, "istio");
    check("", None, false, "istio");
    check("smi:istio", None, false, "istio");
    check("linkerd", None, false, "linkerd");
    check("smi:linkerd", None, false, "istio");
    check("linkerd", Some("nginx"), false, "linkerd");
    check("smi:linkerd", Some("nginx"), false, "linkerd");
    check("istio", Some("nginx"), false, "nginx");
    check("istio", Some(""), false, "istio");
    check("smi:crossover", None, false, "istio");
    check("appmesh:v1beta2", None, false, "appmesh");
    check("appmesh", None, true, "appmesh");
    check("gloo", None, true, "gloo");
    check("gatewayapi:v1", None, true, "kubernetes");
    check("gatewayapi:v1beta1", None, false, "kubernetes");
    check("kubernetes", None, false, "kubernetes");
    check("kubernetes", None, true, "istio");
    check("nginx", None, true, "istio");
    check("istio", Some("sluice"), false, "sluice");
    check("sluice", None, true, "sluice");
}

/// A context with the MetricTemplate `flagger/t` of this YAML-like JSON.
fn with_template(spec: &serde_json::Value, secret: Option<&[(&str, &str)]>) -> Context {
    let template: MetricTemplate =
        serde_json::from_value(serde_json::json!({ "spec": spec })).unwrap();
    let secret: Option<BTreeMap<String, Vec<u8>>> = secret.map(|pairs| {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec()))
            .collect()
    });
    let mut context = context(Flavour::Istio, "http://prom:9090");
    let key = TemplateRef {
        namespace: "flagger".into(),
        name: "t".into(),
    };
    context
        .templates
        .insert(key, Resolved::read(&template, secret.as_ref()));
    context
}

fn template_source(name: &str) -> CheckSource {
    CheckSource::Template {
        name: name.into(),
        namespace: "flagger".into(),
    }
}

async fn check_query(text: &str, expected: Expect) {
    let provider = serde_json::json!({ "type": "prometheus", "address": "http://other:80/base" });
    let context = with_template(
        &serde_json::json!({ "provider": provider, "query": text }),
        None,
    );
    let fake = Fake::with_value(7.5);
    let sample = measure(
        &check_of("my-metric", template_source("t")),
        "k",
        &context,
        &fake,
    )
    .await;
    expected.assert_eq(&format!(
        "{}\n{}",
        told(&sample),
        fake.queries.lock().unwrap().join("\n")
    ));
}

#[tokio::test]
async fn templates_are_rendered() {
    let all = "{{ name }} {{ namespace }} {{ target }} {{ service }} {{ ingress }} {{ route }} {{ interval }}";
    check_query(
        all,
        expect![[r#"
        value 7.5
        http://other podinfo test podinfo-app podinfo-svc podinfo-ing podinfo-route 1m"#]],
    )
    .await;
    check_query(
        "up{region=\"{{ variables.region }}\"}[{{ interval }}]\n",
        expect![[r#"
            value 7.5
            http://other up{region="eu"}[1m]
        "#]],
    )
    .await;
    check_query(
        "{{ if eq variables.region \"eu\" }}a{{ end }}{{ printf \"%.2f\" 0.5 }}",
        expect![[r#"
            value 7.5
            http://other a0.50"#]],
    )
    .await;
    check_query("{{ variables.nope }}", expect![[r#"
        error: Metric template t.flagger query render error: template execution failed: template: tmpl:1:3: executing "tmpl" at <variables>: map has no entry for key "nope"
    "#]]).await;
    check_query("{{ nope }}", expect![[r#"
        error: Metric template t.flagger query render error: template parsing failed: template: tmpl:1: function "nope" not defined
    "#]]).await;
    check_query("{{ range 999999999 }}x{{ end }}", expect![[r#"
        error: Metric template t.flagger query render error: template execution failed: template: tmpl:1:21: executing "tmpl" at <x>: more than 100000 steps
    "#]]).await;
    check_query(
        &"x".repeat(70_000),
        expect![[r#"
        error: Metric template t.flagger query render error: template is longer than 65536 bytes
    "#]],
    )
    .await;
}

#[tokio::test]
async fn inline_queries_go_to_the_canarys_server() {
    let fake = Fake::with_value(2.0);
    let source = CheckSource::Query(
        "sum(x{n=\"{{ namespace }}\",r=\"{{ variables.region }}\"}[{{ interval }}])".into(),
    );
    let context = context(Flavour::Istio, "http://prom:9090");
    let sample = measure(&check_of("inline", source), "the-key", &context, &fake).await;
    assert_eq!(
        (sample.key.as_str(), sample.at, told(&sample).as_str()),
        ("the-key", context.now, "value 2")
    );
    assert_eq!(
        fake.queries.lock().unwrap().as_slice(),
        ["http://prom:9090 sum(x{n=\"test\",r=\"eu\"}[1m])"]
    );
}

#[tokio::test]
async fn unusable_templates_are_told() {
    let check =
        async |provider: serde_json::Value, secret: Option<&[(&str, &str)]>, expected: Expect| {
            let context = with_template(
                &serde_json::json!({ "provider": provider, "query": "up" }),
                secret,
            );
            let fake = Fake::with_value(1.0);
            let check = check_of("m", template_source("t"));
            let text = told(&measure(&check, "k", &context, &fake).await);
            assert!(!text.contains(SECRET), "{text}");
            let availability = available(&check, &context, &Fake::with_value(1.0)).await;
            assert_eq!(
                availability.is_ok(),
                text.starts_with("value"),
                "{availability:?}"
            );
            expected.assert_eq(&text);
        };
    let named = |extra: &str| {
        let mut provider = serde_json::json!({ "type": "prometheus", "address": "http://p", "secretRef": { "name": "s" } });
        if !extra.is_empty() {
            provider["type"] = extra.into();
        }
        provider
    };
    check(
        serde_json::json!({ "type": "prometheus" }),
        None,
        expect![[r#"error: Metric template t.flagger error: spec.provider.address must be an http or https URL, for example "http://prometheus:9090""#]],
    )
    .await;
    check(
        serde_json::json!({ "type": "prometheus", "address": "ftp://x" }),
        None,
        expect![[r#"error: Metric template t.flagger error: spec.provider.address must be an http or https URL, for example "http://prometheus:9090""#]],
    )
    .await;
    check(named("oracle"), Some(&[]), expect![[r#"error: Metric template t.flagger error: spec.provider.type "oracle" is not known; use prometheus, influxdb, datadog, externalmetrics, stackdriver, cloudwatch, newrelic, graphite, dynatrace, keptn or splunk"#]]).await;
    check(named(""), None, expect![[r#"error: Metric template t.flagger error: secret "s" of spec.provider.secretRef was not found in the template's namespace"#]]).await;
    check(named(""), Some(&[]), expect![[r#"error: Metric template t.flagger error: secret "s" of spec.provider.secretRef has no key "username"; set token, or username and password"#]]).await;
    check(named(""), Some(&[("username", "u")]), expect![[r#"error: Metric template t.flagger error: secret "s" of spec.provider.secretRef has no key "password"; set token, or username and password"#]]).await;
    check(named(""), Some(&[("password", SECRET)]), expect![[r#"error: Metric template t.flagger error: secret "s" of spec.provider.secretRef has no key "username"; set token, or username and password"#]]).await;
    check(
        named(""),
        Some(&[("username", "u"), ("password", SECRET)]),
        expect!["value 1"],
    )
    .await;
    check(named(""), Some(&[("token", SECRET)]), expect!["value 1"]).await;
    let missing = context(Flavour::Istio, "http://prom:9090");
    let sample = measure(
        &check_of("m", template_source("gone")),
        "k",
        &missing,
        &Fake::default(),
    )
    .await;
    assert_eq!(
        told(&sample),
        "error: Metric template gone.flagger error: it was not found"
    );
}

#[test]
fn a_token_wins_over_a_password() {
    let context = with_template(
        &serde_json::json!({ "provider": { "type": "prometheus", "address": "http://p", "secretRef": { "name": "s" } }, "query": "" }),
        Some(&[("token", SECRET), ("username", "u"), ("password", "p")]),
    );
    let resolved: Vec<&Result<Resolved, Unusable>> = context.templates.values().collect();
    let [Ok(resolved)] = resolved.as_slice() else {
        panic!("not usable")
    };
    assert!(
        matches!(&resolved.server, MetricServer::Prometheus(server) if matches!(&server.credentials, Some(Credentials::Bearer(token)) if token.expose() == SECRET))
    );
}
