//! What a script releases, and how it changes.

use anyhow::{Result, bail};
use kube::Client;
use serde_json::{Value, json};

use super::stage::NAMESPACE;
use crate::knative::Knative;

/// The kind of a target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Deployment,
    /// A core Service, which selects pods of a version.
    Service,
    /// A Knative Service, each of whose versions is a revision.
    Knative,
}

impl Target {
    /// The target of a Canary.
    pub(super) fn of(canary: &Value) -> Result<Self> {
        let reference = &canary["spec"]["targetRef"];
        let field = |name: &str| reference[name].as_str().unwrap_or_default();
        Ok(match (field("apiVersion"), field("kind")) {
            ("apps/v1", "Deployment") => Self::Deployment,
            ("v1", "Service") => Self::Service,
            ("serving.knative.dev/v1", "Service") => Self::Knative,
            (version, kind) => bail!("the stage has no {version} {kind}"),
        })
    }

    /// What carries the target out, where the API server alone does not.
    pub(super) fn start(self, client: &Client) -> Option<Knative> {
        let is_knative = self == Self::Knative;
        is_knative.then(|| Knative::start(client.clone(), NAMESPACE.to_owned(), false))
    }

    /// The target with this version. Only a Deployment has replicas.
    pub(super) fn object(self, version: &str, replicas: u32) -> Value {
        match self {
            Self::Deployment => deployment("podinfo", version, replicas),
            Self::Service => json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "podinfo", "namespace": NAMESPACE},
                "spec": {"selector": {"app": "podinfo", "version": version},
                    "ports": [{"name": "http", "port": 9898}]},
            }),
            Self::Knative => json!({
                "apiVersion": "serving.knative.dev/v1", "kind": "Service",
                "metadata": {"name": "podinfo", "namespace": NAMESPACE},
                "spec": {"template": {"spec": {"containers": [{"image": image(version)}]}}},
            }),
        }
    }
}

/// A Deployment that runs a version.
pub(super) fn deployment(name: &str, version: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "podinfo", "image": image(version),
                "ports": [{"name": "http", "containerPort": 9898}],
                "envFrom": [{"configMapRef": {"name": "a"}}]}]},
        }},
    })
}

fn image(version: &str) -> String {
    format!("example.test/podinfo:{version}")
}
