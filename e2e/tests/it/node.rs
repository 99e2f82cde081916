//! The main job on a real node: Git, real pods, real Prometheus, our gateway, users' requests.
//!
//! The test sees only what kubectl would: objects and their status.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use kube::Client;

use crate::cluster::{apply, client, get, prepare, wait_for_phase};
use crate::podinfo;
use crate::program::{Program, prometheus, sluice};
use crate::users::Users;

const NAMESPACE: &str = "shop";
const GATEWAY: &str = "127.0.0.1:18080";
const GATEWAY_METRICS: &str = "127.0.0.1:18081";
const PROMETHEUS: &str = "127.0.0.1:18090";
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_from_commit_to_promoted_and_rolled_back() -> Result<()> {
    let Some(client) = client().await else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    prepare(&client, NAMESPACE).await?;
    let _programs = programs(folder.path())?;
    let repository = Repository::serve().await?;
    apply(&client, &cluster(&repository.url)).await?;

    repository.commit("1.0.0", "[]")?;
    wait_for_phase(&client, NAMESPACE, "podinfo", &["Initialized"], LIMIT).await?;
    let users = Users::start(GATEWAY, "podinfo.example");
    users.until_served().await?;

    repository.commit("2.0.0", "[--ui-message=two]")?;
    let told = ended(&client, "Succeeded").await?;
    assert_eq!(primary_arguments(&client).await?, "--ui-message=two");
    assert_eq!(
        users.failed(),
        0,
        "no user of a good version may notice a release"
    );
    println!("{told} ({} requests, 0 failed)", users.requests());

    users.expect_failures(true);
    repository.commit("3.0.0", "[--random-error]")?;
    wait_for_phase(&client, NAMESPACE, "podinfo", &["Progressing"], LIMIT).await?;
    println!("{}", ended(&client, "Failed").await?);
    let arguments = primary_arguments(&client).await?;
    assert_eq!(
        arguments, "--ui-message=two",
        "the primary keeps the last good version"
    );
    users.expect_failures(false);
    users.quietly_for(Duration::from_secs(3)).await?;
    assert_eq!(weights(&client).await?, [100, 0]);
    Ok(())
}

/// Prometheus, the gateway and the operator, as processes beside the cluster.
fn programs(folder: &Path) -> Result<[Program; 3]> {
    let scrapes =
        format!("{{job_name: gateway, static_configs: [{{targets: ['{GATEWAY_METRICS}']}}]}}");
    let prometheus = prometheus(folder, PROMETHEUS, &[&scrapes])?;
    let flags = ["gateway", "--listen", GATEWAY, "--metrics", GATEWAY_METRICS];
    let gateway = Program::start("gateway", folder, &sluice(), &flags);
    let storage = format!("-storage-path={}", folder.join("artifacts").display());
    let metrics_server = format!("-metrics-server=http://{PROMETHEUS}");
    let flags = [
        "operator",
        "-interval-min=1s",
        "-port=0",
        "-allow-loopback",
        &metrics_server,
        &storage,
        "-storage-addr=127.0.0.1:0",
    ];
    let operator = Program::start("operator", folder, &sluice(), &flags);
    Ok([prometheus, gateway, operator])
}

/// Waits for the end of a release, which must be this one; says how it was decided.
async fn ended(client: &Client, wanted: &str) -> Result<String> {
    let ends = ["Succeeded", "Failed"];
    let canary = wait_for_phase(client, NAMESPACE, "podinfo", &ends, LIMIT).await?;
    let status = canary.status.unwrap_or_default();
    assert_eq!(format!("{:?}", status.phase), wanted, "{status:?}");
    Ok(decision(&status))
}

/// The weights of the route, the primary's first.
async fn weights(client: &Client) -> Result<Vec<i64>> {
    let api = "gateway.networking.k8s.io/v1";
    let route = get(client, api, "HTTPRoute", NAMESPACE, "podinfo").await?;
    let backends = route["spec"]["rules"][0]["backendRefs"].as_array().cloned();
    Ok(backends
        .unwrap_or_default()
        .iter()
        .filter_map(|b| b["weight"].as_i64())
        .collect())
}

fn decision(status: &api::canary::CanaryStatus) -> String {
    status
        .analysis
        .as_ref()
        .and_then(|a| a.decision.clone())
        .unwrap_or_default()
}

async fn primary_arguments(client: &Client) -> Result<String> {
    let primary = get(
        client,
        "apps/v1",
        "Deployment",
        NAMESPACE,
        "podinfo-primary",
    )
    .await?;
    let arguments = primary["spec"]["template"]["spec"]["containers"][0]["args"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    Ok(arguments
        .iter()
        .filter_map(|a| a.as_str())
        .collect::<Vec<_>>()
        .join(" "))
}

/// A Git repository over HTTP on loopback.
struct Repository {
    git: sandbox::Repository,
    url: String,
    _server: tokio::task::JoinHandle<()>,
}

impl Repository {
    async fn serve() -> Result<Self> {
        let server = sandbox::GitServer::default();
        let git = server.create("shop");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/shop.git", listener.local_addr()?);
        Ok(Self {
            git,
            url,
            _server: server.serve(listener),
        })
    }

    fn commit(&self, version: &str, arguments: &str) -> Result<()> {
        let files = BTreeMap::from([
            (
                "deploy/deployment.yaml".to_owned(),
                deployment(version, arguments).into_bytes(),
            ),
            ("deploy/canary.yaml".to_owned(), CANARY.as_bytes().to_vec()),
        ]);
        println!("commit {version} {arguments}");
        self.git
            .commit("main", &files, &format!("podinfo {version}"))?;
        Ok(())
    }
}

fn cluster(git_url: &str) -> String {
    format!(
        "\
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{name: sluice}}
spec: {{controllerName: sluice.dev/gateway}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: web, namespace: {NAMESPACE}}}
spec:
  gatewayClassName: sluice
  listeners: [{{name: http, port: 80, protocol: HTTP}}]
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: shop, namespace: {NAMESPACE}}}
spec: {{interval: 1s, url: '{git_url}', ref: {{branch: main}}}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: shop, namespace: {NAMESPACE}}}
spec:
  interval: 10m
  path: ./deploy
  prune: true
  targetNamespace: {NAMESPACE}
  sourceRef: {{kind: GitRepository, name: shop}}
"
    )
}

fn deployment(version: &str, arguments: &str) -> String {
    let metadata = format!("labels: {{version: {version}}}");
    podinfo::deployment(&metadata, "", &podinfo::real(arguments))
}

const CANARY: &str = "\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo}
spec:
  provider: sluice
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  service:
    port: 80
    targetPort: 9898
    hosts: [podinfo.example]
    gatewayRefs: [{name: web}]
  analysis:
    interval: 4s
    threshold: 2
    stepWeight: 30
    maxWeight: 60
    metrics:
      - {name: request-success-rate, interval: 10s, thresholdRange: {min: 99}}
      - {name: request-duration, interval: 10s, thresholdRange: {max: 500}}
";
