//! Keeps one pod of a DaemonSet on the one node, replaces it when the template
//! changes (RollingUpdate) or only after it is deleted (OnDelete), and writes
//! the status. Keeps no ControllerRevisions.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetSpec, DaemonSetStatus};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt};

use super::kubelet::node_labels;
use super::replicaset::{is_available, next_available};
use super::{Control, Work};
use crate::cache::Key;
use crate::objects::{
    controlled_by, count, has_all, hash, is_active, is_terminating, ready_condition,
};

/// The label that tells pods of different templates apart.
const REVISION_LABEL: &str = "controller-revision-hash";

impl Control {
    pub(super) async fn daemon_set(&mut self, key: &Key) -> Result<(), kube::Error> {
        let Some(ds) = self.cache().daemon_sets.get(key) else {
            return Ok(());
        };
        let (Some(spec), Some(uid)) = (ds.spec.clone(), ds.uid()) else {
            return Ok(());
        };
        let revision = hash(&spec.template);
        if !is_terminating(&ds.metadata) {
            let pods = self.cache().pods.owned_by(&key.namespace, &uid);
            self.keep_pod(key, &ds, &spec, &revision, &pods).await?;
        }
        let pods: Vec<Arc<Pod>> = self.cache().pods.owned_by(&key.namespace, &uid);
        let pods: Vec<Arc<Pod>> = pods.into_iter().filter(|p| is_active(p)).collect();
        let min_ready =
            Duration::from_secs(u64::try_from(spec.min_ready_seconds.unwrap_or(0)).unwrap_or(0));
        if let Some(after) = next_available(&self.clock, &pods, min_ready) {
            self.wake(after, Work::DaemonSet(key.clone()));
        }
        let status = self.daemon_set_status(&ds, &spec, &revision, &pods, min_ready);
        if ds.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let mut next = (*ds).clone();
        next.status = Some(status);
        let api: Api<DaemonSet> = Api::namespaced(self.client.clone(), &key.namespace);
        let written = api
            .replace_status(&key.name, &PostParams::default(), &next)
            .await?;
        if self.cache().daemon_sets.put(written) {
            self.work.insert(Work::DaemonSet(key.clone()));
        }
        Ok(())
    }

    async fn keep_pod(
        &mut self,
        key: &Key,
        ds: &DaemonSet,
        spec: &DaemonSetSpec,
        revision: &str,
        pods: &[Arc<Pod>],
    ) -> Result<(), kube::Error> {
        let is_scheduled = fits(&spec.template);
        let is_on_delete = spec
            .update_strategy
            .as_ref()
            .and_then(|s| s.type_.as_deref())
            == Some("OnDelete");
        let mut has_pod = false;
        for pod in pods {
            let is_current = pod.labels().get(REVISION_LABEL).map(String::as_str) == Some(revision);
            let is_kept = is_scheduled && !has_pod && (is_current || is_on_delete);
            if is_active(pod) && !is_kept {
                self.delete_pod(&Key::of(&pod.metadata), &DeleteParams::default())
                    .await?;
            }
            // A pod that is still ending keeps its place on the node, as maxSurge 0 asks.
            has_pod =
                has_pod || is_kept || self.cache().pods.get(&Key::of(&pod.metadata)).is_some();
        }
        if is_scheduled && !has_pod {
            let mut template = spec.template.clone();
            let labels = template
                .metadata
                .get_or_insert_default()
                .labels
                .get_or_insert_default();
            labels.insert(REVISION_LABEL.to_owned(), revision.to_owned());
            self.create_pod(key, controlled_by(ds), &template).await?;
        }
        Ok(())
    }

    fn daemon_set_status(
        &self,
        ds: &DaemonSet,
        spec: &DaemonSetSpec,
        revision: &str,
        pods: &[Arc<Pod>],
        min_ready: Duration,
    ) -> DaemonSetStatus {
        let desired = i32::from(fits(&spec.template));
        let ready = count(pods.iter().filter(|p| ready_condition(p).is_some()).count());
        let available = count(
            pods.iter()
                .filter(|p| is_available(&self.clock, p, min_ready))
                .count(),
        );
        let is_current =
            |p: &&Arc<Pod>| p.labels().get(REVISION_LABEL).map(String::as_str) == Some(revision);
        let updated = count(pods.iter().filter(is_current).count());
        let some = |n: i32| (n > 0).then_some(n);
        DaemonSetStatus {
            current_number_scheduled: count(pods.len()).min(desired),
            desired_number_scheduled: desired,
            number_ready: ready.min(desired),
            number_available: some(available.min(desired)),
            number_unavailable: some(desired - available),
            number_misscheduled: if desired == 0 { count(pods.len()) } else { 0 },
            updated_number_scheduled: some(updated.min(desired)),
            observed_generation: ds.metadata.generation,
            ..ds.status.clone().unwrap_or_default()
        }
    }
}

/// Whether the node has the labels that the template's nodeSelector asks for.
fn fits(template: &PodTemplateSpec) -> bool {
    let selector = template
        .spec
        .as_ref()
        .and_then(|s| s.node_selector.as_ref());
    selector.is_none_or(|wanted| has_all(wanted, Some(&node_labels())))
}
