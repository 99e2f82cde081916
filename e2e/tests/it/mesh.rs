//! Real data planes on the real node: Contour and Envoy obey what our adapters write, and podinfo tells who answered.
//!
//! Each provider releases a good version, whose share of requests is counted at each weight, and a slow one, which is
//! rolled back by real metrics. A gate of our load tester holds a weight for as long as is counted.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::Canary;
use api::canary::CanaryStatus;
use kube::Client;
use serde_json::json;

use crate::cluster::{apply, client, prepare, wait_for, wait_for_phase};
use crate::definitions::apply_definitions;
use crate::envoy::{Envoy, GATEWAY, HTTP, STATS};
use crate::podinfo;
use crate::program::{Program, prometheus, sluice};
use crate::scrape::Targets;
use crate::share::{Answers, DEVIATION_MAX_POINTS};
use crate::users::Users;

const PROMETHEUS: &str = "127.0.0.1:18190";
const GATES: &str = "127.0.0.1:18191";
const GATES_PORT: &str = "18191";
const LIMIT: Duration = Duration::from_secs(120);
/// The steps of a release.
const WEIGHTS: [u32; 3] = [10, 30, 50];

/// A provider, and what leads its users to it.
struct Plane {
    provider: &'static str,
    namespace: &'static str,
    host: &'static str,
    /// Fields of `spec.service`.
    service: &'static str,
    /// The user's own object that leads to ours.
    entrance: &'static str,
}

/// The check's built-in metrics are Envoy's own.
const CONTOUR: Plane = Plane {
    provider: "contour",
    namespace: "mesh-contour",
    host: "podinfo.contour.example",
    service: "",
    entrance: "\
apiVersion: projectcontour.io/v1
kind: HTTPProxy
metadata: {name: root, namespace: mesh-contour}
spec: {virtualhost: {fqdn: podinfo.contour.example}, includes: [{name: podinfo}]}
",
};

/// The check's built-in metrics are podinfo's own.
const GATEWAY_API: Plane = Plane {
    provider: "gatewayapi:v1",
    namespace: GATEWAY.1,
    host: "podinfo.gateway.example",
    service: ", hosts: [podinfo.gateway.example], gatewayRefs: [{name: web}]",
    entrance: "\
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: contour}
spec: {controllerName: projectcontour.io/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: mesh-gatewayapi}
spec: {gatewayClassName: contour, listeners: [{name: http, port: 80, protocol: HTTP}]}
",
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_envoy_splits_by_the_weights_of_contour_and_of_gateway_api() -> Result<()> {
    let Some(client) = client().await else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    apply_definitions(&client, "contour").await?;
    for plane in [&CONTOUR, &GATEWAY_API] {
        prepare(&client, plane.namespace).await?;
        apply(&client, plane.entrance).await?;
    }
    let world = World::start(client, folder.path())?;
    let done = tokio::join!(world.release(&CONTOUR), world.release(&GATEWAY_API));
    // A panic shows what the programs said.
    done.0.unwrap();
    done.1.unwrap();
    Ok(())
}

/// What both providers share.
struct World {
    client: Client,
    envoy: Envoy,
    gates: reqwest::Client,
    _targets: Targets,
    _programs: [Program; 3],
}

impl World {
    fn start(client: Client, folder: &Path) -> Result<Self> {
        let envoy = Envoy::start(folder)?;
        let targets = Targets::start(client.clone(), folder)?;
        let envoys = format!(
            "{{job_name: envoy, metrics_path: /stats/prometheus, static_configs: [{{targets: ['{STATS}']}}]}}"
        );
        let scrapes = [envoys.as_str(), &targets.job()];
        let metrics_server = format!("-metrics-server=http://{PROMETHEUS}");
        let operator = [
            "operator",
            "-interval-min=1s",
            "-port=0",
            "-allow-loopback",
            &metrics_server,
        ];
        let gates = ["loadtester", "-port", GATES_PORT];
        let programs = [
            prometheus(folder, PROMETHEUS, &scrapes)?,
            Program::start("loadtester", folder, &sluice(), &gates),
            Program::start("operator", folder, &sluice(), &operator),
        ];
        Ok(Self {
            client,
            envoy,
            gates: reqwest::Client::builder().no_proxy().build()?,
            _targets: targets,
            _programs: programs,
        })
    }

    /// A first version, a good one and a slow one.
    async fn release(&self, plane: &Plane) -> Result<()> {
        self.deploy(plane, "one", "").await?;
        apply(&self.client, &canary(plane)).await?;
        self.phase(plane, &["Initialized"]).await?;
        let users = Users::start(HTTP, plane.host);
        users.until_served().await?;

        self.deploy(plane, "two", "").await?;
        for weight in WEIGHTS {
            self.step(plane, weight).await?;
            self.count(plane, weight, &[(false, "one"), (true, "two")])
                .await?;
        }
        self.gate(plane, "open").await?;
        self.phase(plane, &["Succeeded"]).await?;
        self.gate(plane, "close").await?;
        self.count(plane, 0, &[(false, "two")]).await?;

        self.deploy(plane, "three", SLOW).await?;
        self.step(plane, WEIGHTS[0]).await?;
        self.phase(plane, &["Failed"]).await?;
        self.count(plane, 0, &[(false, "two")]).await?;

        let (provider, requests, failed) = (plane.provider, users.requests(), users.failed());
        println!(
            "{provider}: promoted and rolled back; users sent {requests} requests, {failed} failed"
        );
        ensure!(failed == 0, "{failed} requests of users failed");
        Ok(())
    }

    async fn deploy(&self, plane: &Plane, message: &str, flags: &str) -> Result<()> {
        let container = podinfo::real(&format!("[--ui-message={message}{flags}]"));
        let metadata = format!("namespace: {}", plane.namespace);
        let text = podinfo::deployment(&metadata, "", &container);
        apply(&self.client, &text).await
    }

    /// Waits for one of these phases.
    async fn phase(&self, plane: &Plane, wanted: &[&str]) -> Result<Canary> {
        wait_for_phase(&self.client, plane.namespace, "podinfo", wanted, LIMIT).await
    }

    /// Opens the gate until the weight is the next one.
    async fn step(&self, plane: &Plane, weight: u32) -> Result<()> {
        self.gate(plane, "open").await?;
        let is_there = |status: &CanaryStatus| status.canary_weight == i64::from(weight);
        let reached = wait_for(&self.client, plane.namespace, "podinfo", LIMIT, is_there).await;
        reached.with_context(|| format!("weight {weight} of {}", plane.provider))?;
        self.gate(plane, "close").await
    }

    /// Asks our load tester to open or close the gate of this Canary.
    async fn gate(&self, plane: &Plane, verb: &str) -> Result<()> {
        let canary = json!({"name": "podinfo", "namespace": plane.namespace});
        let url = format!("http://{GATES}/gate/{verb}");
        let answer = self.gates.post(url).body(canary.to_string()).send().await?;
        answer.error_for_status()?;
        Ok(())
    }

    /// Once Envoy has the weight, the canary's share is that weight and each side is of its version.
    async fn count(&self, plane: &Plane, weight: u32, messages: &[(bool, &str)]) -> Result<()> {
        self.envoy.until_told(plane.namespace, weight).await?;
        let answers = Answers::ask(HTTP, plane.host, weight).await?;
        let (provider, share) = (plane.provider, answers.canary_percent());
        let requests = answers.requests();
        println!(
            "{provider}: weight {weight} %, canary answered {share:.1} % of {requests} requests"
        );
        ensure!(
            (share - f64::from(weight)).abs() <= DEVIATION_MAX_POINTS,
            "{provider}: the canary answered {share:.1} % at weight {weight} %"
        );
        ensure!(answers.messages() == messages, "{answers:?}");
        Ok(())
    }
}

/// Flags of a version whose every answer takes more than half a second.
const SLOW: &str =
    ", --random-delay, --random-delay-unit=ms, --random-delay-min=600, --random-delay-max=900";

/// The Canary, and a template that asks for podinfo's own count of errors.
fn canary(plane: &Plane) -> String {
    let Plane {
        provider,
        namespace,
        service,
        ..
    } = plane;
    let weights = json!(WEIGHTS);
    let pods = r#"kubernetes_namespace="{{ namespace }}",kubernetes_pod_name=~"{{ target }}-[0-9a-z]+-[0-9a-z]+""#;
    format!(
        "\
apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {{name: errors, namespace: {namespace}}}
spec:
  provider: {{type: prometheus, address: 'http://{PROMETHEUS}'}}
  query: |
    100 * (sum(rate(http_requests_total{{{pods},status=~\"5..\"}}[{{{{ interval }}}}])) or vector(0))
      / sum(rate(http_requests_total{{{pods}}}[{{{{ interval }}}}]))
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {{name: podinfo, namespace: {namespace}}}
spec:
  provider: {provider}
  targetRef: {{apiVersion: apps/v1, kind: Deployment, name: podinfo}}
  service: {{port: 80, targetPort: 9898{service}}}
  analysis:
    interval: 2s
    threshold: 2
    stepWeights: {weights}
    metrics:
      - {{name: request-success-rate, interval: 10s, thresholdRange: {{min: 99}}}}
      - {{name: request-duration, interval: 10s, thresholdRange: {{max: 500}}}}
      - {{name: errors, interval: 10s, thresholdRange: {{max: 1}}, templateRef: {{name: errors}}}}
    webhooks:
      - {{name: weight-held, type: confirm-traffic-increase, url: 'http://{GATES}/gate/check'}}
"
    )
}
