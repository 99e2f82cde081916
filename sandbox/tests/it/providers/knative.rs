//! As much of Knative as a release needs: each new template becomes a revision with pods and a Service of its name,
//! and traffic goes as the spec says.

use std::time::Duration;

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams};
use serde_json::{Value, json};

use super::release::{deployment, report};

const API_VERSION: &str = "serving.knative.dev/v1";
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The user's Service.
pub(super) fn service(version: &str, annotations: &Value) -> Value {
    let spec = json!({"containers": [{"image": format!("podinfo:{version}")}]});
    json!({"apiVersion": API_VERSION, "kind": "Service", "metadata": {"name": "podinfo", "namespace": "test"},
        "spec": {"template": {"metadata": {"annotations": annotations}, "spec": spec}}})
}

/// Starts Knative.
pub(super) fn start(client: &Client) {
    let knative = Knative {
        services: api(client, API_VERSION, "Service"),
        revisions: api(client, API_VERSION, "Revision"),
        deployments: api(client, "apps/v1", "Deployment"),
        addresses: api(client, "v1", "Service"),
    };
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            knative.look().await;
        }
    });
}

fn api(client: &Client, api_version: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::namespaced_with(client.clone(), "test", &resource)
}

async fn create(objects: &Api<DynamicObject>, object: Value) {
    let object = serde_json::from_value(object).unwrap();
    objects
        .create(&PostParams::default(), &object)
        .await
        .unwrap();
}

struct Knative {
    services: Api<DynamicObject>,
    revisions: Api<DynamicObject>,
    deployments: Api<DynamicObject>,
    /// Kubernetes' own Services.
    addresses: Api<DynamicObject>,
}

impl Knative {
    async fn look(&self) {
        let Some(service) = self.services.get_opt("podinfo").await.unwrap() else {
            return;
        };
        let spec = &service.data["spec"];
        let known = self
            .revisions
            .list(&ListParams::default())
            .await
            .unwrap()
            .items;
        if known
            .last()
            .is_none_or(|last| last.data["spec"] != spec["template"])
        {
            self.make(
                &format!("podinfo-{:05}", known.len() + 1),
                &spec["template"],
            )
            .await;
            return;
        }
        let (mut latest, mut ready) = (String::new(), String::new());
        for revision in known {
            latest = revision.metadata.name.unwrap();
            if self.is_ready(&latest).await {
                ready.clone_from(&latest);
            }
        }
        let all = json!([{"latestRevision": true, "percent": 100}]);
        let mut traffic = spec.get("traffic").unwrap_or(&all).clone();
        for entry in traffic.as_array_mut().unwrap() {
            if entry["latestRevision"] == true {
                entry["revisionName"] = json!(ready);
            }
        }
        let status = json!({"latestCreatedRevisionName": latest, "latestReadyRevisionName": ready, "traffic": traffic});
        report(&self.services, "podinfo", &status).await;
    }

    async fn make(&self, name: &str, template: &Value) {
        let image = template["spec"]["containers"][0]["image"].as_str().unwrap();
        let version = image.split_once(':').unwrap().1;
        create(
            &self.deployments,
            deployment(name, version, &template["metadata"]["annotations"]),
        )
        .await;
        create(
            &self.addresses,
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "test"},
                "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 9898}]}}),
        )
        .await;
        create(
            &self.revisions,
            json!({"apiVersion": API_VERSION, "kind": "Revision",
                "metadata": {"name": name, "namespace": "test"}, "spec": template}),
        )
        .await;
    }

    /// Tells of the revision's pods.
    async fn is_ready(&self, name: &str) -> bool {
        let deployment = self.deployments.get(name).await.unwrap();
        let is_ready = deployment.data["status"]["availableReplicas"] == 2;
        let ready = if is_ready { "True" } else { "Unknown" };
        let condition = json!({"type": "Ready", "status": ready, "reason": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        report(&self.revisions, name, &json!({"conditions": [condition]})).await;
        is_ready
    }
}
