//! What the tests share: a small Deployment, and waiting on a condition.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Resource};
use sandbox::{Options, Sandbox, Workloads};
use serde::de::DeserializeOwned;

/// Virtual or real time a test waits for a condition at most.
const WAIT_MAX: Duration = Duration::from_secs(900);
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(crate) async fn simulated(seed: u64) -> Sandbox {
    Sandbox::start(Options {
        seed,
        ..Options::default()
    })
    .await
    .unwrap()
}

pub(crate) async fn real() -> Sandbox {
    let options = Options {
        workloads: Workloads::Real,
        scrape_interval: Duration::from_millis(200),
        ..Options::default()
    };
    Sandbox::start(options).await.unwrap()
}

/// A Deployment and its Service; `more` goes into the pod template's annotations.
pub(crate) fn podinfo(name: &str, replicas: u32, version: &str, annotations: &str) -> String {
    format!(
        r"
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: default}}
spec:
  replicas: {replicas}
  progressDeadlineSeconds: 60
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}, annotations: {{{annotations}}}}}
    spec:
      containers:
      - {{name: podinfod, image: 'podinfo:{version}', ports: [{{name: http, containerPort: 9898}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: default}}
spec:
  selector: {{app: {name}}}
  ports: [{{name: http, port: 80, targetPort: http}}]
"
    )
}

/// The object once `is_there` holds of it; fails with the last one seen.
pub(crate) async fn until<K>(sandbox: &Sandbox, name: &str, is_there: impl Fn(&K) -> bool) -> K
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Debug,
{
    let api: Api<K> = Api::default_namespaced(sandbox.client());
    let until = tokio::time::Instant::now() + WAIT_MAX;
    let mut last = None;
    while tokio::time::Instant::now() < until {
        match api.get_opt(name).await.unwrap() {
            Some(object) if is_there(&object) => return object,
            other => last = other,
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    panic!("{name} did not come to what was waited for: {last:#?}");
}
