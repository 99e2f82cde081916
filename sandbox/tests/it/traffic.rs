//! Simulated traffic: shares, failures, latencies, and the mesh's metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use sandbox::{Mesh, Sandbox, TrafficOptions, Users};

use crate::support::{podinfo, simulated, until};

const CRD: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: PLURAL.GROUP}
spec:
  group: GROUP
  scope: Namespaced
  names: {plural: PLURAL, singular: SINGULAR, kind: KIND}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

fn crd(group: &str, plural: &str, kind: &str) -> String {
    let named = CRD
        .replace("GROUP", group)
        .replace("PLURAL", plural)
        .replace("KIND", kind);
    named.replace("SINGULAR", &kind.to_lowercase())
}

/// A good primary and a canary that fails half of its requests and is slow.
async fn two_versions(seed: u64) -> Sandbox {
    let sandbox = simulated(seed).await;
    sandbox
        .load(&podinfo("podinfo-primary", 2, "1.0.0", ""))
        .await
        .unwrap();
    let bad = format!(
        "{}: '0.5', {}: 900ms",
        sandbox::ERROR_RATE,
        sandbox::LATENCY
    );
    sandbox
        .load(&podinfo("podinfo-canary", 1, "2.0.0", &bad))
        .await
        .unwrap();
    for name in ["podinfo-primary", "podinfo-canary"] {
        until::<Deployment>(&sandbox, name, |d| {
            d.status
                .as_ref()
                .is_some_and(|s| s.available_replicas.is_some() && s.unavailable_replicas.is_none())
        })
        .await;
    }
    sandbox
}

fn share(counts: &BTreeMap<String, u64>, name: &str) -> f64 {
    let all: u64 = counts.values().sum();
    counts.get(name).copied().unwrap_or(0) as f64 / all as f64
}

fn value(sandbox: &Sandbox, query: &str) -> f64 {
    let answer = sandbox.prometheus().query_now(query).unwrap();
    answer
        .single()
        .unwrap_or_else(|| panic!("{query} gave {answer:?}"))
}

#[tokio::test(start_paused = true)]
async fn istio_weights_become_shares_and_metrics() {
    let sandbox = two_versions(4).await;
    sandbox
        .load(&crd(
            "networking.istio.io",
            "virtualservices",
            "VirtualService",
        ))
        .await
        .unwrap();
    sandbox
        .load(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: podinfo}\nspec:\n  http:\n  - \
             match: [{headers: {x-canary: {exact: insider}}}]\n    route: [{destination: {host: podinfo-canary}}]\n  - \
             route: [{destination: {host: podinfo-primary}, weight: 80}, {destination: {host: podinfo-canary}, weight: 20}]\n",
        )
        .await
        .unwrap();
    let options = TrafficOptions {
        requests_per_s: 50.0,
        ..TrafficOptions::new(Mesh::Istio, "default", "podinfo")
    };
    let traffic = sandbox.traffic(options.clone());
    tokio::time::sleep(Duration::from_secs(90)).await;
    let counts = traffic.counts();
    assert!((4_000..4_700).contains(&counts.requests), "{counts:?}");
    assert_eq!(counts.unserved, 0);
    assert!(
        (share(&counts.by_service, "podinfo-canary") - 0.2).abs() < 0.03,
        "{counts:?}"
    );
    assert!(
        (share(&counts.by_version, "2.0.0") - 0.2).abs() < 0.03,
        "{counts:?}"
    );
    let matchers = r#"reporter="destination",destination_workload_namespace="default",destination_workload=~"podinfo-canary""#;
    let success = format!(
        "sum(rate(istio_requests_total{{{matchers},response_code!~\"5.*\"}}[1m]))/sum(rate(istio_requests_total{{{matchers}}}[1m]))*100"
    );
    assert!((value(&sandbox, &success) - 50.0).abs() < 10.0);
    let p99 = format!(
        "histogram_quantile(0.99,sum(rate(istio_request_duration_milliseconds_bucket{{{matchers}}}[1m])) by (le))"
    );
    assert!(
        (900.0..1_000.0).contains(&value(&sandbox, &p99)),
        "{}",
        value(&sandbox, &p99)
    );
    drop(traffic);

    let insiders = Users {
        share: 1,
        headers: BTreeMap::from([("X-Canary".to_owned(), "insider".to_owned())]),
    };
    let traffic = sandbox.traffic(TrafficOptions {
        users: vec![insiders],
        ..options
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    let counts = traffic.counts();
    assert_eq!(
        counts.by_service.get("podinfo-canary"),
        Some(&counts.requests)
    );
}

#[tokio::test(start_paused = true)]
async fn gateway_api_weights_and_both_metric_families() {
    let sandbox = two_versions(9).await;
    sandbox
        .load(&crd("gateway.networking.k8s.io", "httproutes", "HTTPRoute"))
        .await
        .unwrap();
    let route = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: podinfo}\nspec:\n  rules:\n  - \
        backendRefs: [{name: podinfo-primary, port: 80, weight: 70}, {name: podinfo-canary, port: 80, weight: 30}]\n";
    sandbox.load(route).await.unwrap();
    let pods = sandbox.traffic(TrafficOptions::new(Mesh::GatewayApi, "default", "podinfo"));
    let gateway = sandbox.traffic(TrafficOptions {
        seed: 2,
        ..TrafficOptions::new(Mesh::Sluice, "default", "podinfo")
    });
    tokio::time::sleep(Duration::from_secs(120)).await;
    for counts in [pods.counts(), gateway.counts()] {
        assert!(
            (share(&counts.by_service, "podinfo-canary") - 0.3).abs() < 0.06,
            "{counts:?}"
        );
    }
    let own = r#"kubernetes_namespace="default",kubernetes_pod_name=~"podinfo-canary-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)""#;
    let success = format!(
        "sum(rate(http_request_duration_seconds_count{{{own},status!~\"5.*\"}}[1m]))/sum(rate(http_request_duration_seconds_count{{{own}}}[1m]))"
    );
    assert!((value(&sandbox, &success) - 0.5).abs() < 0.15);
    let gateway_good = r#"sum(increase(sluice_gateway_requests_total{namespace="default",service="podinfo-primary",code="200"}[1m]))"#;
    assert!(value(&sandbox, gateway_good) > 300.0);
    let p99 = r#"histogram_quantile(0.99,sum(rate(sluice_gateway_request_duration_seconds_bucket{namespace="default",service="podinfo-primary"}[1m])) by (le))"#;
    assert!(value(&sandbox, p99) < 0.05);
}

#[tokio::test(start_paused = true)]
async fn requests_without_a_ready_endpoint_are_counted() {
    let sandbox = simulated(1).await;
    let never = format!("{}: never", sandbox::READY);
    sandbox
        .load(&podinfo("podinfo", 1, "1.0.0", &never))
        .await
        .unwrap();
    let traffic = sandbox.traffic(TrafficOptions::new(Mesh::Sluice, "default", "podinfo"));
    tokio::time::sleep(Duration::from_secs(10)).await;
    let counts = traffic.counts();
    assert!(counts.requests >= 100, "{counts:?}");
    assert_eq!((counts.unserved, counts.failed), (counts.requests, 0));
    assert!(value(&sandbox, r#"sluice_gateway_requests_total{code="503"}"#) >= 100.0);
}
