//! Runs pods on the one node: gives them an address, starts the workload,
//! makes them ready in time or never, and ends them after they left the
//! endpoints. Pulls no images and runs no containers.
//!
//! ```text
//!  Pending ─start─▶ Running, not ready ─ready─▶ Ready ─deletion─▶ draining ─▶ stopped ─▶ gone
//! ```

mod status;

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Binding, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Status};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt};
use rand::Rng;
use tokio::time::Instant;

use super::{Control, Work};
use crate::behaviour::{Behaviour, Readiness};
use crate::cache::Key;
use crate::objects::{is_active, is_terminating};
use crate::prometheus::{Prometheus, Target};
use crate::workload::{Network, Place};

/// The name of the one node.
pub(crate) const NODE: &str = "sandbox";
/// How long a container takes to start, in milliseconds, drawn from the seed.
const START_MS: std::ops::Range<u64> = 100..400;
/// How long a started container takes to be ready, in milliseconds.
const READY_MS: std::ops::Range<u64> = 300..1_200;
/// How long a pod that is to end goes on serving, so that it leaves the endpoints first.
const DRAIN: Duration = Duration::from_secs(1);
/// A pod that could not get an address is tried again after this long.
const PLACE_RETRY: Duration = Duration::from_secs(1);

/// The labels of the one node, which node selectors are held against.
pub(crate) fn node_labels() -> BTreeMap<String, String> {
    let labels = [
        ("kubernetes.io/hostname", NODE),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", "amd64"),
    ];
    labels
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

pub(super) struct Kubelet {
    running: BTreeMap<Key, Running>,
    prometheus: Prometheus,
    network: Network,
}

/// A pod that has an address.
struct Running {
    uid: String,
    place: Place,
    started: Instant,
    /// From the start to readiness, when nothing else is said.
    ready_after: Duration,
    ending: Option<Instant>,
}

impl Kubelet {
    pub(super) fn new(prometheus: Prometheus, network: Network) -> Self {
        Self {
            running: BTreeMap::new(),
            prometheus,
            network,
        }
    }

    fn stop(&mut self, key: &Key) {
        if let Some(running) = self.running.remove(key) {
            self.prometheus.remove_target(&target_name(key));
            running.place.stop();
        }
    }
}

fn target_name(key: &Key) -> String {
    format!("pod/{}/{}", key.namespace, key.name)
}

impl Control {
    pub(super) async fn pod(&mut self, key: &Key) -> Result<(), kube::Error> {
        let Some(pod) = self.cache().pods.get(key) else {
            self.kubelet.stop(key);
            return Ok(());
        };
        let uid = pod.uid().unwrap_or_default();
        if self
            .kubelet
            .running
            .get(key)
            .is_some_and(|running| running.uid != uid)
        {
            self.kubelet.stop(key);
        }
        match pod.spec.as_ref().and_then(|s| s.node_name.as_deref()) {
            Some(NODE) => {}
            None | Some("") if is_active(&pod) => return self.schedule(key).await,
            None | Some(_) => return Ok(()),
        }
        if is_terminating(&pod.metadata) {
            return self.end_pod(key, &pod).await;
        }
        if !is_active(&pod) {
            self.kubelet.stop(key);
            return Ok(());
        }
        let behaviour = Behaviour::of(&pod);
        if !self.kubelet.running.contains_key(key) && !self.start_pod(key, &pod, &behaviour).await {
            self.wake(PLACE_RETRY, Work::Pod(key.clone()));
            return Ok(());
        }
        self.report_pod(key, &pod, &behaviour).await
    }

    /// Binds a pod that somebody made by hand to the one node, as the scheduler would.
    async fn schedule(&mut self, key: &Key) -> Result<(), kube::Error> {
        let binding = Binding {
            metadata: ObjectMeta {
                name: Some(key.name.clone()),
                ..ObjectMeta::default()
            },
            target: ObjectReference {
                kind: Some("Node".to_owned()),
                name: Some(NODE.to_owned()),
                ..ObjectReference::default()
            },
        };
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &key.namespace);
        let _: Status = api
            .create_subresource("binding", &key.name, &PostParams::default(), &binding)
            .await?;
        Ok(())
    }

    /// Leaves the pod serving for a moment, then stops it and lets it go.
    async fn end_pod(&mut self, key: &Key, pod: &Pod) -> Result<(), kube::Error> {
        if let Some(running) = self.kubelet.running.get_mut(key) {
            let grace = u64::try_from(pod.metadata.deletion_grace_period_seconds.unwrap_or(30))
                .unwrap_or(0);
            let drain = DRAIN.min(Duration::from_secs(grace));
            let since = *running.ending.get_or_insert_with(Instant::now);
            let left = drain.saturating_sub(since.elapsed());
            if !left.is_zero() {
                self.wake(left, Work::Pod(key.clone()));
                return Ok(());
            }
        }
        self.kubelet.stop(key);
        self.delete_pod(key, &DeleteParams::default().grace_period(0))
            .await
    }

    /// Gives the pod an address and starts its workload; false when there was no address.
    async fn start_pod(&mut self, key: &Key, pod: &Pod, behaviour: &Behaviour) -> bool {
        let start = Duration::from_millis(self.rng.random_range(START_MS));
        let ready = Duration::from_millis(self.rng.random_range(READY_MS));
        let seed = self.rng.random();
        let serves = !matches!(
            behaviour.readiness,
            Readiness::CrashLoop | Readiness::ImagePullFails
        );
        let ports = status::container_ports(pod);
        let place = match self
            .kubelet
            .network
            .place(&key.name, &ports, behaviour, serves, seed)
            .await
        {
            Ok(place) => place,
            Err(error) => {
                tracing::warn!(pod = %key.name, %error, "Pod got no address.");
                return false;
            }
        };
        if let Some(address) = place.metrics_address() {
            let mut labels = promql::Labels::new()
                .with("kubernetes_namespace", &key.namespace)
                .with("kubernetes_pod_name", &key.name)
                .with("instance", &address.to_string());
            for name in ["app", "app.kubernetes.io/name"] {
                if let Some(value) = pod.labels().get(name) {
                    labels.set(&name.replace(['.', '/'], "_"), value);
                }
            }
            let target = Target {
                address,
                path: "/metrics".to_owned(),
                labels,
            };
            self.kubelet
                .prometheus
                .add_target(&target_name(key), target);
        }
        let running = Running {
            uid: pod.uid().unwrap_or_default(),
            place,
            started: Instant::now() + start,
            ready_after: ready,
            ending: None,
        };
        self.kubelet.running.insert(key.clone(), running);
        true
    }

    async fn report_pod(
        &mut self,
        key: &Key,
        pod: &Pod,
        behaviour: &Behaviour,
    ) -> Result<(), kube::Error> {
        let Some(running) = self.kubelet.running.get(key) else {
            return Ok(());
        };
        let moment = status::moment(running.started, running.ready_after, behaviour.readiness);
        let status = status::pod_status(&self.clock, pod, &running.place.ip().to_string(), &moment);
        if let Some(after) = moment.next {
            self.wake(after, Work::Pod(key.clone()));
        }
        if pod.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let mut next = pod.clone();
        next.status = Some(status);
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &key.namespace);
        let written = api
            .replace_status(&key.name, &PostParams::default(), &next)
            .await?;
        self.saw_own_pod(written);
        Ok(())
    }
}
