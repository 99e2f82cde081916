//! Knative in a few lines: a revision for each new template, and traffic as the spec says.

use std::pin::pin;

use anyhow::Result;
use futures::TryStreamExt;
use kube::Client;
use kube::api::{
    Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams,
};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};

/// Until it is dropped, Knative Services of this namespace are carried out.
pub(crate) struct Knative(tokio::task::JoinHandle<()>);

/// A kind of Knative's, such as `Revision`.
pub(crate) fn resource(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("serving.knative.dev", "v1", kind))
}

/// The condition Ready: true, or unknown for as long as its pods start.
pub(crate) fn ready(is_ready: bool) -> Value {
    let (status, reason) = if is_ready {
        ("True", "")
    } else {
        ("Unknown", "Deploying")
    };
    json!({"type": "Ready", "status": status, "reason": reason, "lastTransitionTime": "2026-01-01T00:00:00Z"})
}

impl Knative {
    /// Revisions are ready at once, or whenever somebody else says so.
    pub(crate) fn start(client: Client, namespace: String, is_ready: bool) -> Self {
        Self(tokio::spawn(async move {
            let api = |kind: &str| -> Api<DynamicObject> {
                Api::namespaced_with(client.clone(), &namespace, &resource(kind))
            };
            let (services, revisions) = (api("Service"), api("Revision"));
            let seen = watcher(services.clone(), watcher::Config::default()).applied_objects();
            let mut seen = pin!(seen);
            while let Ok(Some(service)) = seen.try_next().await {
                // A conflict comes with a newer object.
                let _ = carry_out(&service, &services, &revisions, is_ready).await;
            }
        }))
    }
}

impl Drop for Knative {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn carry_out(
    service: &DynamicObject,
    services: &Api<DynamicObject>,
    revisions: &Api<DynamicObject>,
    is_ready: bool,
) -> Result<()> {
    let generation = service.metadata.generation;
    if service.data["status"]["observedGeneration"].as_i64() == generation {
        return Ok(());
    }
    let template = &service.data["spec"]["template"]["spec"];
    let latest = latest(template, revisions, is_ready).await?;
    let all = json!([{"latestRevision": true, "percent": 100}]);
    let mut traffic = service.data["spec"].get("traffic").unwrap_or(&all).clone();
    for entry in traffic.as_array_mut().into_iter().flatten() {
        if entry["latestRevision"] == true {
            entry["revisionName"] = json!(latest);
        }
    }
    let conditions = json!([ready(true)]);
    let status = json!({"status": {"observedGeneration": generation, "conditions": conditions,
        "latestCreatedRevisionName": latest, "latestReadyRevisionName": latest, "traffic": traffic}});
    let parameters = PatchParams::default();
    services
        .patch_status("podinfo", &parameters, &Patch::Merge(status))
        .await?;
    Ok(())
}

/// The revision of this template, made if it is new.
async fn latest(
    template: &Value,
    revisions: &Api<DynamicObject>,
    is_ready: bool,
) -> Result<String> {
    let known = revisions.list(&Default::default()).await?.items;
    let image = |spec: &Value| spec["containers"][0]["image"].clone();
    if let Some(last) = known.last()
        && image(&last.data["spec"]) == image(template)
    {
        return Ok(last.metadata.name.clone().unwrap_or_default());
    }
    let name = format!("podinfo-{:05}", known.len() + 1);
    let revision = json!({"apiVersion": "serving.knative.dev/v1", "kind": "Revision",
        "metadata": {"name": name}, "spec": template});
    revisions
        .create(&PostParams::default(), &serde_json::from_value(revision)?)
        .await?;
    let status = json!({"status": {"conditions": [ready(is_ready)]}});
    let parameters = PatchParams::default();
    revisions
        .patch_status(&name, &parameters, &Patch::Merge(status))
        .await?;
    Ok(name)
}
