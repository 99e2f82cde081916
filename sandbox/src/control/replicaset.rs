//! Keeps as many pods as a ReplicaSet asks for, and its status
//! (kube-controller-manager's replicaset controller). Judges availability by
//! minReadySeconds; adopts no orphans.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt};

use super::pods::sort_for_deletion;
use super::{Control, Work};
use crate::cache::Key;
use crate::clock::Clock;
use crate::objects::{controlled_by, count, is_active, is_terminating, ready_condition};

/// Pods one look at a ReplicaSet makes or ends at most (the controller's burst).
const BURST_MAX: usize = 500;

impl Control {
    pub(super) async fn replica_set(&mut self, key: &Key) -> Result<(), kube::Error> {
        let Some(rs) = self.cache().replica_sets.get(key) else {
            return Ok(());
        };
        let (Some(spec), Some(uid)) = (&rs.spec, rs.uid()) else {
            return Ok(());
        };
        let active = |pods: Vec<Arc<Pod>>| -> Vec<Arc<Pod>> {
            pods.into_iter().filter(|p| is_active(p)).collect()
        };
        let mut pods = active(self.cache().pods.owned_by(&key.namespace, &uid));
        let wanted = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0);
        if !is_terminating(&rs.metadata) {
            if let Some(template) = &spec.template {
                for _ in 0..wanted.saturating_sub(pods.len()).min(BURST_MAX) {
                    self.create_pod(key, controlled_by(rs.as_ref()), template)
                        .await?;
                }
            }
            sort_for_deletion(&mut pods);
            for pod in pods
                .iter()
                .take(pods.len().saturating_sub(wanted).min(BURST_MAX))
            {
                self.delete_pod(&Key::of(&pod.metadata), &DeleteParams::default())
                    .await?;
            }
        }
        let pods = active(self.cache().pods.owned_by(&key.namespace, &uid));
        let min_ready =
            Duration::from_secs(u64::try_from(spec.min_ready_seconds.unwrap_or(0)).unwrap_or(0));
        if let Some(after) = next_available(&self.clock, &pods, min_ready) {
            self.wake(after, Work::ReplicaSet(key.clone()));
        }
        let status = status_of(&self.clock, &rs, &pods, min_ready);
        if rs.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let mut next = (*rs).clone();
        next.status = Some(status);
        let api: Api<ReplicaSet> = Api::namespaced(self.client.clone(), &key.namespace);
        let written = api
            .replace_status(&key.name, &PostParams::default(), &next)
            .await?;
        self.saw_own_replica_set(written);
        Ok(())
    }

    pub(super) fn saw_own_replica_set(&mut self, rs: ReplicaSet) {
        let meta = rs.metadata.clone();
        if self.cache().replica_sets.put(rs) {
            self.saw_replica_set(&meta);
        }
    }
}

/// Whether a pod has been ready long enough.
pub(super) fn is_available(clock: &Clock, pod: &Pod, min_ready: Duration) -> bool {
    ready_condition(pod).is_some_and(|ready| {
        let since = ready
            .last_transition_time
            .as_ref()
            .map_or(Duration::ZERO, |time| clock.since(time));
        min_ready.is_zero() || since >= min_ready
    })
}

/// When the next ready pod becomes available by waiting alone.
pub(super) fn next_available(
    clock: &Clock,
    pods: &[Arc<Pod>],
    min_ready: Duration,
) -> Option<Duration> {
    let waits = pods
        .iter()
        .filter(|pod| !is_available(clock, pod, min_ready))
        .filter_map(|pod| {
            let since = clock.since(ready_condition(pod)?.last_transition_time.as_ref()?);
            Some(
                min_ready
                    .saturating_sub(since)
                    .max(Duration::from_millis(10)),
            )
        });
    waits.min()
}

fn status_of(
    clock: &Clock,
    rs: &ReplicaSet,
    pods: &[Arc<Pod>],
    min_ready: Duration,
) -> ReplicaSetStatus {
    let template = rs
        .spec
        .as_ref()
        .and_then(|s| s.template.as_ref())
        .and_then(|t| t.metadata.as_ref());
    let labels = template.and_then(|m| m.labels.clone()).unwrap_or_default();
    let labelled = pods
        .iter()
        .filter(|p| crate::objects::has_all(&labels, p.metadata.labels.as_ref()))
        .count();
    let some = |n: usize| (n > 0).then(|| count(n));
    ReplicaSetStatus {
        replicas: count(pods.len()),
        fully_labeled_replicas: some(labelled),
        ready_replicas: some(pods.iter().filter(|p| ready_condition(p).is_some()).count()),
        available_replicas: some(
            pods.iter()
                .filter(|p| is_available(clock, p, min_ready))
                .count(),
        ),
        observed_generation: rs.metadata.generation,
        ..rs.status.clone().unwrap_or_default()
    }
}
