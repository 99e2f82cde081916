//! Marks pods ready where a control plane runs without a kubelet.

use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde_json::json;

/// Until it is dropped, every pending pod becomes running and ready.
pub(crate) struct Kubelet(tokio::task::JoinHandle<()>);

impl Kubelet {
    pub(crate) fn start(client: Client) -> Self {
        Self(tokio::spawn(async move {
            let pods: Api<Pod> = Api::all(client.clone());
            let mut seen = Box::pin(watcher(pods, watcher::Config::default()).applied_objects());
            let mut number = 0_u32;
            loop {
                match seen.try_next().await {
                    Ok(Some(pod)) if is_pending(&pod) => {
                        number += 1;
                        mark_ready(&client, &pod, number).await;
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => return,
                    Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
                }
            }
        }))
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn is_pending(pod: &Pod) -> bool {
    pod.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Pending")
        && pod.metadata.deletion_timestamp.is_none()
}

async fn mark_ready(client: &Client, pod: &Pod, number: u32) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let conditions: Vec<_> = ["Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .map(|type_| json!({"type": type_, "status": "True", "lastTransitionTime": now}))
        .into();
    let status = json!({"status": {
        "phase": "Running", "podIP": format!("127.77.{}.{}", number / 250, 1 + number % 250), "startTime": now,
        "conditions": conditions,
    }});
    // A pod that went away meanwhile needs no mark.
    let _ = pods
        .patch_status(
            &pod.name_any(),
            &PatchParams::default(),
            &Patch::Merge(status),
        )
        .await;
}
