//! Runs the controllers: one task that watches, keeps what it saw, and
//! reconciles what changed, one object at a time, in a fixed order. One task
//! makes the order of writes depend only on the seed.
//!
//! ```text
//!  watches ─▶ cache ─▶ work ─▶ deployment │ replica set │ daemon set │ endpoints │ kubelet ─▶ API
//!                        ▲                                                            │
//!                        └── own writes go into the cache at once; timers ◀───────────┘
//! ```

mod daemonset;
mod deployment;
mod endpoints;
mod intake;
mod kubelet;
mod pods;
mod replicaset;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use kube::Client;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::time::Instant;

use crate::cache::{Cache, Key};
use crate::clock::Clock;
use crate::prometheus::Prometheus;
use crate::workload::Network;

pub(crate) use endpoints::SERVICE_LABEL;
pub(crate) use kubelet::{NODE, node_labels};

/// After a failed write the object is looked at again this much later.
const RETRY: Duration = Duration::from_millis(500);

/// An object to look at. The order is the order of work in one round:
/// endpoints before the kubelet, so that a pod leaves them before it stops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    Deployment(Key),
    ReplicaSet(Key),
    DaemonSet(Key),
    Endpoints(Key),
    Pod(Key),
}

/// What the controllers need from the sandbox.
pub(crate) struct Wiring {
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) cache: Arc<Mutex<Cache>>,
    pub(crate) prometheus: Prometheus,
    pub(crate) network: Network,
    pub(crate) seed: u64,
}

/// The controllers' state.
pub(crate) struct Control {
    client: Client,
    clock: Clock,
    cache: Arc<Mutex<Cache>>,
    rng: StdRng,
    work: BTreeSet<Work>,
    timers: BTreeSet<(Instant, Work)>,
    kubelet: kubelet::Kubelet,
}

impl Control {
    pub(crate) fn new(wiring: Wiring) -> Self {
        let Wiring {
            client,
            clock,
            cache,
            prometheus,
            network,
            seed,
        } = wiring;
        Self {
            client,
            clock,
            cache,
            rng: StdRng::seed_from_u64(seed),
            work: BTreeSet::new(),
            timers: BTreeSet::new(),
            kubelet: kubelet::Kubelet::new(prometheus, network),
        }
    }

    /// Watches and reconciles until dropped.
    pub(crate) async fn run(mut self) {
        let mut events = intake::watches(&self.client);
        loop {
            let next = self.timers.first().map(|(at, _)| *at);
            let timer = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.take_in(event),
                    None => return,
                },
                () = timer => {}
            }
            // What has already arrived is taken in together: fewer rounds, same end.
            while let Some(Some(event)) = events.next().now_or_never() {
                self.take_in(event);
            }
            self.due();
            self.reconcile_all().await;
        }
    }

    fn due(&mut self) {
        let now = Instant::now();
        while self.timers.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, work)) = self.timers.pop_first() {
                self.work.insert(work);
            }
        }
    }

    async fn reconcile_all(&mut self) {
        while let Some(work) = self.work.pop_first() {
            let outcome = match &work {
                Work::Deployment(key) => self.deployment(key).await,
                Work::ReplicaSet(key) => self.replica_set(key).await,
                Work::DaemonSet(key) => self.daemon_set(key).await,
                Work::Endpoints(key) => self.endpoints(key).await,
                Work::Pod(key) => self.pod(key).await,
            };
            if let Err(error) = outcome {
                tracing::debug!(?work, %error, "Write refused, trying again.");
                self.wake(RETRY, work);
            }
        }
    }

    fn wake(&mut self, after: Duration, work: Work) {
        self.timers.insert((Instant::now() + after, work));
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
