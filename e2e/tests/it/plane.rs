//! The operator and its adapters against a real kube-apiserver and its controllers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use futures::TryStreamExt;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value;

use crate::cluster::{apply, client, get, prepare, wait_for_phase};
use crate::pods::Kubelet;
use crate::program::{Program, sluice};

const LIMIT: Duration = Duration::from_secs(90);

/// How a mesh splits traffic: where its object is, and how the canary's weight is read out of it.
struct Mesh {
    provider: &'static str,
    api_version: &'static str,
    kind: &'static str,
    /// JSON pointer to the list of destinations.
    destinations: &'static str,
    /// JSON pointer to a destination's host.
    host: &'static str,
}

#[tokio::test]
async fn plane_gateway_api() -> Result<()> {
    release(Mesh {
        provider: "gatewayapi:v1",
        api_version: "gateway.networking.k8s.io/v1",
        kind: "HTTPRoute",
        destinations: "/spec/rules/0/backendRefs",
        host: "/name",
    })
    .await
}

#[tokio::test]
async fn plane_istio() -> Result<()> {
    release(Mesh {
        provider: "istio",
        api_version: "networking.istio.io/v1beta1",
        kind: "VirtualService",
        destinations: "/spec/http/0/route",
        host: "/destination/host",
    })
    .await
}

/// A first and a second version, by real Deployments; the weights are those that an observer saw.
async fn release(mesh: Mesh) -> Result<()> {
    let Some(client) = client().await else {
        return Ok(());
    };
    let namespace = mesh.kind.to_lowercase();
    prepare(&client, &namespace).await?;
    apply(&client, include_str!("../../crds/istio.yaml")).await?;
    let folder = tempfile::tempdir()?;
    let _kubelet = Kubelet::start(client.clone());
    let flags = [
        "operator",
        "-interval-min=1s",
        "-port=0",
        "-storage-addr=127.0.0.1:0",
        "-namespace",
        &namespace,
        "-log-level=info",
    ];
    let _operator = Program::start("operator", folder.path(), &sluice(), &flags);

    apply(&client, &deployment(&namespace, "1.0.0")).await?;
    apply(&client, &canary(&namespace, mesh.provider)).await?;
    wait_for_phase(&client, &namespace, "podinfo", &["Initialized"], LIMIT).await?;
    let target = get(&client, "apps/v1", "Deployment", &namespace, "podinfo").await?;
    assert_eq!(
        target["spec"]["replicas"], 0,
        "the target rests after initialisation"
    );

    let weights = Weights::observe(&client, &namespace, &mesh);
    apply(&client, &deployment(&namespace, "2.0.0")).await?;
    let canary = wait_for_phase(
        &client,
        &namespace,
        "podinfo",
        &["Succeeded", "Failed"],
        LIMIT,
    )
    .await?;
    let status = canary.status.unwrap_or_default();
    assert_eq!(format!("{:?}", status.phase), "Succeeded", "{status:?}");
    let primary = get(
        &client,
        "apps/v1",
        "Deployment",
        &namespace,
        "podinfo-primary",
    )
    .await?;
    assert_eq!(
        primary["spec"]["template"]["spec"]["containers"][0]["image"],
        "example.test/podinfo:2.0.0"
    );
    weights.wait_for(&[0, 50, 100, 0]).await;
    Ok(())
}

fn deployment(namespace: &str, version: &str) -> String {
    format!(
        "\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: podinfo, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: podinfo}}}}
  template:
    metadata: {{labels: {{app: podinfo}}}}
    spec:
      containers: [{{name: podinfo, image: 'example.test/podinfo:{version}', ports: [{{name: http, containerPort: 9898}}]}}]
"
    )
}

fn canary(namespace: &str, provider: &str) -> String {
    format!(
        "\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {{name: podinfo, namespace: {namespace}}}
spec:
  provider: {provider}
  targetRef: {{apiVersion: apps/v1, kind: Deployment, name: podinfo}}
  service:
    port: 80
    targetPort: 9898
    hosts: [podinfo.example]
    gatewayRefs: [{{name: web, namespace: {namespace}}}]
  analysis: {{interval: 1s, threshold: 2, stepWeight: 50, maxWeight: 100}}
"
    )
}

/// Every weight of the canary that was ever seen, in order, without repeats.
#[derive(Clone)]
struct Weights(Arc<Mutex<Vec<i64>>>);

impl Weights {
    fn observe(client: &Client, namespace: &str, mesh: &Mesh) -> Self {
        let seen = Self(Arc::default());
        let (group, version) = mesh.api_version.rsplit_once('/').unwrap_or_default();
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, mesh.kind));
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let (destinations, host, all) = (mesh.destinations, mesh.host, seen.clone());
        tokio::spawn(async move {
            let mut states = Box::pin(watcher(api, watcher::Config::default()).applied_objects());
            while let Ok(Some(route)) = states.try_next().await {
                all.add(&route.data, destinations, host);
            }
        });
        seen
    }

    fn add(&self, route: &Value, destinations: &str, host: &str) {
        let list = route
            .pointer(destinations)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let weight = |end: &str| {
            let one = list.iter().find(|d| {
                d.pointer(host)
                    .and_then(Value::as_str)
                    .is_some_and(|h| h.ends_with(end))
            });
            one.and_then(|d| d["weight"].as_i64()).unwrap_or(-1)
        };
        assert_eq!(weight("-primary") + weight("-canary"), 100, "{route}");
        let mut all = self.0.lock().unwrap();
        if all.last() != Some(&weight("-canary")) {
            all.push(weight("-canary"));
        }
    }

    /// The watch may be a moment behind the status.
    async fn wait_for(&self, wanted: &[i64]) {
        for _ in 0..50 {
            if *self.0.lock().unwrap() == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(*self.0.lock().unwrap(), wanted);
    }
}
