//! Real workloads on loopback: they answer, fail and slow down as told, and
//! Prometheus scrapes them. Time is real here.

use axum::body::{Body, to_bytes};
use http::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use sandbox::Sandbox;

use crate::support::{podinfo, real, until};

async fn get(uri: &str) -> (u16, String, String) {
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    let response = client
        .request(Request::get(uri).body(Body::empty()).unwrap())
        .await
        .unwrap();
    let version = response
        .headers()
        .get("x-version")
        .map(|v| v.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let body = to_bytes(Body::new(response.into_body()), 1 << 20)
        .await
        .unwrap();
    (
        status,
        version.unwrap_or_default(),
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

async fn pod_address(sandbox: &Sandbox) -> String {
    let pods: Api<Pod> = Api::default_namespaced(sandbox.client());
    let pod = pods
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
        .remove(0);
    format!("http://{}:9898", pod.status.unwrap().pod_ip.unwrap())
}

#[tokio::test]
async fn a_pod_serves_and_is_scraped() {
    let sandbox = real().await;
    let flags = podinfo("podinfo", 1, "6.1.0", "")
        .replace("image:", "command: [./podinfo, --random-error=0.5], image:");
    sandbox.load(&flags).await.unwrap();
    until::<Deployment>(&sandbox, "podinfo", |d| {
        d.status
            .as_ref()
            .is_some_and(|s| s.available_replicas == Some(1))
    })
    .await;
    let address = pod_address(&sandbox).await;
    let mut codes = Vec::new();
    for _ in 0..60 {
        let (code, version, body) = get(&format!("{address}/")).await;
        assert_eq!(version, "6.1.0");
        assert!(
            code != 200 || body.contains("\"version\":\"6.1.0\""),
            "{body}"
        );
        codes.push(code);
    }
    let failed = codes.iter().filter(|code| **code == 500).count();
    assert!((10..50).contains(&failed), "{failed} of 60 failed");
    assert_eq!(get(&format!("{address}/healthz")).await.0, 200);
    assert!(matches!(
        get(&format!("{address}/status/404")).await.0,
        404 | 500
    ));
    assert!(
        get(&format!("{address}/metrics"))
            .await
            .2
            .contains("http_request_duration_seconds_bucket{method=\"GET\"")
    );

    sandbox.prometheus().scrape().await;
    let count =
        r#"sum(http_request_duration_seconds_count{kubernetes_namespace="default",path="/"})"#;
    let counted = sandbox.prometheus().query_now(count).unwrap().single();
    assert_eq!(counted, Some(60.0));
}
