//! Two ports of one target under release, with real requests: the operator, the gateway and pods on loopback, and
//! users of both all the while.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::header::HOST;
use kube::api::{Api, DynamicObject, GroupVersionKind};
use sandbox::{Options, Sandbox, Workloads};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cluster::{wait_for, wait_for_phase};
use crate::sessions::{Gates, load_definitions, start_gateway, start_operator};

const NAMESPACE: &str = "test";
const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(5);
const HOSTS: [&str; 2] = ["app.example", "admin.example"];

/// What users of one port were answered.
#[derive(Debug, Default)]
struct Heard {
    failed: Vec<String>,
    by_version: BTreeMap<String, usize>,
}

/// Users of one host, until told to end.
fn users(gateway: SocketAddr, host: &'static str, is_over: Arc<AtomicBool>) -> JoinHandle<Heard> {
    tokio::spawn(async move {
        let http = reqwest::Client::new();
        let mut heard = Heard::default();
        while !is_over.load(Ordering::Relaxed) {
            match ask(&http, gateway, host).await {
                Ok(version) => *heard.by_version.entry(version).or_default() += 1,
                Err(error) => heard.failed.push(format!("{error:#}")),
            }
            tokio::time::sleep(PAUSE).await;
        }
        heard
    })
}

async fn ask(http: &reqwest::Client, gateway: SocketAddr, host: &str) -> Result<String> {
    let request = http.get(format!("http://{gateway}/")).header(HOST, host);
    let answer = request.send().await?.error_for_status()?;
    let version = answer.headers().get("x-version");
    Ok(version.context("no version")?.to_str()?.to_owned())
}

#[tokio::test]
async fn users_of_both_ports_lose_nothing() -> Result<()> {
    let options = Options {
        workloads: Workloads::Real,
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await?;
    let stop = CancellationToken::new();
    let _ended = stop.clone().drop_guard();
    let gateway = start_gateway(&sandbox, stop.clone()).await?;
    start_operator(&sandbox, Arc::new(Gates::default()), stop)?;
    load_definitions(&sandbox).await?;
    sandbox.load(CLUSTER).await?;
    sandbox.load(&deployment("1.0.0")).await?;
    let client = sandbox.client();
    wait_for_phase(&client, NAMESPACE, "podinfo", &["Initialized"], LIMIT).await?;

    let is_over = Arc::new(AtomicBool::new(false));
    let users = HOSTS.map(|host| users(gateway, host, Arc::clone(&is_over)));
    sandbox.load(&deployment("2.0.0")).await?;
    wait_for(&client, NAMESPACE, "podinfo", LIMIT, |status| {
        status.canary_weight == 50
    })
    .await?;
    wait_for_phase(&client, NAMESPACE, "podinfo", &["Succeeded"], LIMIT).await?;
    is_over.store(true, Ordering::Relaxed);
    for users in users {
        let heard = users.await?;
        ensure!(heard.failed.is_empty(), "{heard:?}");
        ensure!(heard.by_version.len() == 2, "{heard:?}");
    }
    // The second port goes, and its route with it.
    sandbox.load(&CLUSTER.replace(PORTS, "[]")).await?;
    let of = GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute");
    let of = kube::api::ApiResource::from_gvk(&of);
    let routes: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &of);
    wait_for(&client, NAMESPACE, "podinfo", LIMIT, |status| {
        status.inventory.len() == 4
    })
    .await?;
    ensure!(routes.get_opt("podinfo-admin").await?.is_none());
    let http = reqwest::Client::new();
    ensure!(ask(&http, gateway, HOSTS[0]).await? == "2.0.0");
    Ok(())
}

const PORTS: &str = "[{name: admin, port: 90, targetPort: admin, hosts: [admin.example]}]";
const CLUSTER: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: test}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: sluice}
spec: {controllerName: sluice.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: test}
spec:
  gatewayClassName: sluice
  listeners: [{name: http, port: 80, protocol: HTTP}]
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo, namespace: test}
spec:
  provider: sluice
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  service:
    port: 80
    targetPort: http
    hosts: [app.example]
    gatewayRefs: [{name: web}]
    ports: [{name: admin, port: 90, targetPort: admin, hosts: [admin.example]}]
  analysis: {interval: 1s, threshold: 2, stepWeights: [20, 50]}
";

fn deployment(version: &str) -> String {
    format!(
        "\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: podinfo, namespace: {NAMESPACE}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: podinfo}}}}
  template:
    metadata: {{labels: {{app: podinfo}}}}
    spec:
      containers:
      - name: podinfo
        image: 'podinfo:{version}'
        ports: [{{name: http, containerPort: 9898}}, {{name: admin, containerPort: 9797}}]
"
    )
}
