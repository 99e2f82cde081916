//! Tells Prometheus of podinfo's pods by a file, with the two labels that the built-in checks of Gateway API ask for.
//!
//! Debian's Prometheus is built without the discovery of Kubernetes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

const PODINFO_PORT: u16 = 9898;

/// Keeps the file in step with the pods until it is dropped.
pub(crate) struct Targets {
    path: PathBuf,
    task: tokio::task::JoinHandle<Result<()>>,
}

impl Targets {
    pub(crate) fn start(client: Client, folder: &Path) -> Result<Self> {
        let path = folder.join("pods.json");
        write(&path, &BTreeMap::<(), Value>::new())?;
        let task = tokio::spawn(follow(client, path.clone()));
        Ok(Self { path, task })
    }

    /// The job that reads the file.
    pub(crate) fn job(&self) -> String {
        let path = self.path.display();
        format!("{{job_name: pods, file_sd_configs: [{{files: [{path}], refresh_interval: 1s}}]}}")
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(client: Client, path: PathBuf) -> Result<()> {
    let pods: Api<Pod> = Api::all(client);
    let mut events = Box::pin(watcher(pods, Config::default()));
    let mut known = BTreeMap::new();
    while let Some(event) = events.try_next().await? {
        match event {
            Event::Apply(pod) | Event::InitApply(pod) => {
                let key = (pod.namespace(), pod.name_any());
                match target(&pod) {
                    Some(target) => known.insert(key, target),
                    None => known.remove(&key),
                };
            }
            Event::Delete(pod) => {
                known.remove(&(pod.namespace(), pod.name_any()));
            }
            Event::Init | Event::InitDone => {}
        }
        write(&path, &known)?;
    }
    Ok(())
}

/// A pod of podinfo with an address.
fn target(pod: &Pod) -> Option<Value> {
    let (namespace, name) = (pod.namespace()?, pod.name_any());
    let address = pod.status.as_ref()?.pod_ip.as_deref()?;
    let is_ours = name.starts_with("podinfo-") && pod.metadata.deletion_timestamp.is_none();
    is_ours.then(|| {
        json!({
            "targets": [format!("{address}:{PODINFO_PORT}")],
            "labels": {"kubernetes_namespace": namespace, "kubernetes_pod_name": name},
        })
    })
}

/// Whole or not at all: Prometheus may read at any time.
fn write<K>(path: &Path, known: &BTreeMap<K, Value>) -> Result<()> {
    let all: Vec<&Value> = known.values().collect();
    let part = path.with_extension("part");
    std::fs::write(&part, serde_json::to_vec(&all)?)?;
    std::fs::rename(&part, path)?;
    Ok(())
}
