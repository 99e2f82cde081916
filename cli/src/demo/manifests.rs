//! What is in the demo's Git repository, and what the cluster has before the first commit.

use std::collections::BTreeMap;

/// The application that is released.
pub(crate) const APPLICATION: &str = "podinfo";

/// Namespace of the application and of its gateway.
pub(crate) const NAMESPACE: &str = "test";

/// Host name that users ask for.
pub(crate) const HOST: &str = "podinfo.example";

/// A version, and what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Tag of the image.
    pub(crate) tag: &'static str,
    /// Arguments of the container.
    arguments: &'static str,
    /// What the commit says.
    pub(crate) message: &'static str,
    /// Whether its own failures are its fault, not the rollout's.
    pub(crate) is_bad: bool,
}

/// The releases, in order.
pub(crate) const VERSIONS: [Version; 4] = [
    Version {
        tag: "1.0.0",
        arguments: "[]",
        message: "the first version",
        is_bad: false,
    },
    Version {
        tag: "2.0.0",
        arguments: "[]",
        message: "a good version",
        is_bad: false,
    },
    Version {
        tag: "3.0.0",
        arguments: "[--random-error]",
        message: "a version that fails a third of its requests",
        is_bad: true,
    },
    Version {
        tag: "4.0.0",
        arguments: "[--delay=900ms]",
        message: "a version that takes its time",
        is_bad: true,
    },
];

/// The CustomResourceDefinitions of the Gateway API, as far as the gateway reads them.
pub(crate) const GATEWAY_DEFINITIONS: &str = include_str!("gateway-api.yaml");

/// The cluster before the first commit: namespaces, a Gateway, and where to sync from.
pub(crate) fn cluster(git_url: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Namespace
metadata: {{name: {NAMESPACE}}}
---
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
metadata: {{name: {APPLICATION}, namespace: {NAMESPACE}}}
spec:
  interval: 1s
  url: {git_url}
  ref: {{branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {APPLICATION}, namespace: {NAMESPACE}}}
spec:
  interval: 10m
  path: ./deploy
  prune: true
  sourceRef: {{kind: GitRepository, name: {APPLICATION}}}
"
    )
}

/// Addresses that the application's manifests name.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// Base URL of Prometheus.
    pub(crate) prometheus: String,
    /// Base URL of the load tester.
    pub(crate) loadtester: String,
}

/// The files of a commit.
pub(crate) fn files(version: Version, addresses: &Addresses) -> BTreeMap<String, Vec<u8>> {
    let kustomization = format!(
        "\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: {NAMESPACE}
resources: [deployment.yaml, canary.yaml]
images: [{{name: {APPLICATION}, newTag: {}}}]
",
        version.tag
    );
    [
        ("kustomization.yaml", kustomization),
        ("deployment.yaml", deployment(version)),
        ("canary.yaml", canary(addresses)),
    ]
    .into_iter()
    .map(|(name, text)| (format!("deploy/{name}"), text.into_bytes()))
    .collect()
}

fn deployment(version: Version) -> String {
    format!(
        "\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {APPLICATION}}}
spec:
  selector: {{matchLabels: {{app: {APPLICATION}}}}}
  template:
    metadata: {{labels: {{app: {APPLICATION}}}}}
    spec:
      containers:
        - name: {APPLICATION}
          image: {APPLICATION}
          args: {}
          ports: [{{name: http, containerPort: 9898}}]
",
        version.arguments
    )
}

fn canary(addresses: &Addresses) -> String {
    let Addresses {
        prometheus,
        loadtester,
    } = addresses;
    format!(
        "\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {{name: {APPLICATION}}}
spec:
  provider: sluice
  metricsServer: {prometheus}
  targetRef: {{apiVersion: apps/v1, kind: Deployment, name: {APPLICATION}}}
  progressDeadlineSeconds: 60
  service:
    port: 80
    targetPort: 9898
    hosts: [{HOST}]
    gatewayRefs: [{{name: web}}]
  analysis:
    interval: 2s
    threshold: 3
    stepWeight: 20
    maxWeight: 100
    metrics:
      - {{name: request-success-rate, interval: 5s, thresholdRange: {{min: 99}}}}
      - {{name: request-duration, interval: 5s, thresholdRange: {{max: 500}}}}
    webhooks:
      - {{name: may-go-live, type: confirm-promotion, url: {loadtester}/gate/approve}}
"
    )
}
