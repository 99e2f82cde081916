//! Simulates the requests of users under virtual time: splits them as the
//! routing object says, lets a ready pod of the chosen Service answer, and
//! records the mesh's metrics. Sends nothing over a network.
//!
//! It reads the routing objects by its own code, never through the adapters
//! that write them: a mistake there must show here.
//!
//! ```text
//!  a mesh's routing objects ─▶ rule ─▶ backend by weight ─▶ ready pod ─▶ answer, latency ─▶ metrics
//! ```

mod mesh;
mod read;
mod recorder;
mod route;
mod series;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{Client, ResourceExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinHandle;

use crate::behaviour::Behaviour;
use crate::cache::{Cache, Key, controller};
use crate::control::SERVICE_LABEL;
use crate::prometheus::Prometheus;
pub use mesh::Mesh;
use recorder::{Answer, Recorder};

/// The counters of each mesh: all traffic of a sandbox adds to the same ones, as through one data plane.
pub(crate) type Recorders = Arc<Mutex<BTreeMap<Mesh, Recorder>>>;
use route::Route;

/// Requests of one tick at most.
const REQUESTS_PER_TICK_MAX: u32 = 100_000;

/// Users who send the same headers.
#[derive(Clone, Debug)]
pub struct Users {
    /// How many of all requests, relative to the other groups.
    pub share: u32,
    /// Request headers, names in any case.
    pub headers: BTreeMap<String, String>,
}

/// What traffic to simulate.
#[derive(Clone, Debug)]
pub struct TrafficOptions {
    /// Namespace of the routing object and the Services.
    pub namespace: String,
    /// Name of the routing object, and of the Service without one.
    pub service: String,
    /// The mesh.
    pub mesh: Mesh,
    /// Requests per second of virtual time.
    pub requests_per_s: f64,
    /// How often requests are made and metrics recorded.
    pub tick: Duration,
    /// Groups of users; empty means one without headers.
    pub users: Vec<Users>,
    /// Seed of the choices.
    pub seed: u64,
}

impl TrafficOptions {
    /// Ten requests per second from users without headers, recorded each second.
    #[must_use]
    pub fn new(mesh: Mesh, namespace: &str, service: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            service: service.to_owned(),
            mesh,
            requests_per_s: 10.0,
            tick: Duration::from_secs(1),
            users: Vec::new(),
            seed: 1,
        }
    }
}

/// What became of the users' requests so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All requests of users; mirrored copies are not theirs.
    pub requests: u64,
    /// Answered with 5xx by a pod.
    pub failed: u64,
    /// Not answered at all: no backend had weight, or its Service no ready pod.
    pub unserved: u64,
    /// Answered, by the Service chosen.
    pub by_service: BTreeMap<String, u64>,
    /// Answered, by the version of the pod.
    pub by_version: BTreeMap<String, u64>,
}

/// Running traffic; it ends when this is dropped.
#[derive(Debug)]
pub struct Traffic {
    counts: Arc<Mutex<Counts>>,
    task: JoinHandle<()>,
}

impl Traffic {
    /// What became of the requests so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn start(
    client: Client,
    cache: Arc<Mutex<Cache>>,
    prometheus: Prometheus,
    recorders: Recorders,
    options: TrafficOptions,
) -> Traffic {
    let counts = Arc::new(Mutex::new(Counts::default()));
    let source = Source {
        rng: StdRng::seed_from_u64(options.seed),
        recorders,
        counts: Arc::clone(&counts),
        client,
        cache,
        prometheus,
        options,
        owed: 0.0,
    };
    Traffic {
        counts,
        task: tokio::spawn(source.run()),
    }
}

struct Source {
    client: Client,
    cache: Arc<Mutex<Cache>>,
    prometheus: Prometheus,
    options: TrafficOptions,
    rng: StdRng,
    recorders: Recorders,
    counts: Arc<Mutex<Counts>>,
    /// Fraction of a request left over from the last tick.
    owed: f64,
}

/// A pod that can answer.
struct Answering {
    pod: Arc<Pod>,
    behaviour: Behaviour,
    workload: String,
}

impl Source {
    async fn run(mut self) {
        let mut ticks = tokio::time::interval(self.options.tick);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut known = None;
        loop {
            ticks.tick().await;
            match read::read(&self.client, &self.options).await {
                Ok(route) => known = Some(route),
                // A data plane goes on with what it knows while the API server is away.
                Err(error) => tracing::debug!(%error, "Routing object not read."),
            }
            if let Some(route) = &known {
                self.tick(route);
            }
            self.record();
        }
    }

    fn recorded<T>(&self, change: impl FnOnce(&mut Recorder) -> T) -> T {
        let mut recorders = self
            .recorders
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mesh = self.options.mesh;
        change(recorders.entry(mesh).or_insert_with(|| Recorder::new(mesh)))
    }

    /// Writes the counters down; those of pods that are gone end.
    fn record(&self) {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let is_there =
            |namespace: &str, pod: &str| cache.pods.get(&Key::new(namespace, pod)).is_some();
        self.recorded(|recorder| recorder.record(&self.prometheus, is_there));
    }

    fn tick(&mut self, route: &Route) {
        self.owed += self.options.requests_per_s * self.options.tick.as_secs_f64();
        let mut pods: BTreeMap<String, Vec<Answering>> = BTreeMap::new();
        for service in route.services() {
            let answering = self.answering(&service);
            pods.insert(service, answering);
        }
        for _ in 0..REQUESTS_PER_TICK_MAX {
            if self.owed < 1.0 {
                break;
            }
            self.owed -= 1.0;
            self.request(route, &pods);
        }
    }

    fn request(&mut self, route: &Route, pods: &BTreeMap<String, Vec<Answering>>) {
        let headers = self.headers();
        let rule = route.rule(&headers);
        let draw = self.rng.random();
        let chosen = rule.and_then(|rule| rule.backend(draw)).map(str::to_owned);
        let answer = chosen
            .as_ref()
            .and_then(|service| self.ask(service, &route.object, pods));
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.requests += 1;
        match (&chosen, &answer) {
            (Some(service), Some(answer)) => {
                *counts.by_service.entry(service.clone()).or_default() += 1;
                *counts.by_version.entry(answer.version.clone()).or_default() += 1;
                counts.failed += u64::from(answer.code >= 500);
            }
            (Some(_) | None, Some(_) | None) => counts.unserved += 1,
        }
        drop(counts);
        if let (Some(service), None) = (&chosen, &answer) {
            self.recorded(|recorder| recorder.unserved(&self.options.namespace, service));
        }
        for mirror in rule.map(|rule| rule.mirrors.clone()).unwrap_or_default() {
            let _copy = self.ask(&mirror, &route.object, pods);
        }
    }

    fn headers(&mut self) -> BTreeMap<String, String> {
        let all: u32 = self.options.users.iter().map(|users| users.share).sum();
        let mut at = if all == 0 {
            0
        } else {
            self.rng.random_range(0..all)
        };
        for users in &self.options.users {
            if at < users.share {
                return users
                    .headers
                    .iter()
                    .map(|(n, v)| (n.to_ascii_lowercase(), v.clone()))
                    .collect();
            }
            at -= users.share;
        }
        BTreeMap::new()
    }

    /// Lets one of the Service's pods answer, and records it.
    fn ask(
        &mut self,
        service: &str,
        object: &str,
        pods: &BTreeMap<String, Vec<Answering>>,
    ) -> Option<Answer> {
        let ready = pods.get(service).filter(|ready| !ready.is_empty())?;
        let chosen = ready.get(self.rng.random_range(0..ready.len()))?;
        let behaviour = &chosen.behaviour;
        let fails = self.rng.random::<f64>() < behaviour.error_share;
        let spread = behaviour.delay_max.saturating_sub(behaviour.delay_min);
        // A workload without a delay of its own still takes a few milliseconds.
        let own = Duration::from_micros(self.rng.random_range(2_000..20_000));
        let answer = Answer {
            namespace: self.options.namespace.clone(),
            service: service.to_owned(),
            workload: chosen.workload.clone(),
            pod: chosen.pod.name_any(),
            version: behaviour.version.clone(),
            object: object.to_owned(),
            code: if fails { 500 } else { 200 },
            took: behaviour.delay_min + spread.mul_f64(self.rng.random()) + own,
        };
        self.recorded(|recorder| recorder.answered(&answer));
        Some(answer)
    }

    fn answering(&self, service: &str) -> Vec<Answering> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let namespace = &self.options.namespace;
        let slices = cache.slices.in_namespace(namespace);
        let own =
            slices.filter(|s| s.labels().get(SERVICE_LABEL).map(String::as_str) == Some(service));
        let ready = own
            .flat_map(|s| &s.endpoints)
            .filter(|e| e.conditions.as_ref().and_then(|c| c.ready) == Some(true));
        let pods = ready.filter_map(|e| {
            let name = e.target_ref.as_ref()?.name.as_deref()?;
            let pod = cache.pods.get(&Key::new(namespace, name))?;
            let workload = workload(&cache, namespace, &pod);
            Some(Answering {
                behaviour: Behaviour::of(&pod),
                workload,
                pod,
            })
        });
        pods.collect()
    }
}

/// The Deployment or DaemonSet of a pod, as a mesh names its workload.
fn workload(cache: &Cache, namespace: &str, pod: &Pod) -> String {
    let owner = pod
        .owner_references()
        .iter()
        .find(|owner| owner.controller == Some(true));
    let Some(owner) = owner else {
        return pod.name_any();
    };
    let set = cache.replica_sets.get(&Key::new(namespace, &owner.name));
    let above = set
        .as_ref()
        .filter(|set| controller(&set.metadata).is_some());
    let top = above.and_then(|set| {
        set.owner_references()
            .iter()
            .find(|o| o.controller == Some(true))
    });
    top.map_or_else(|| owner.name.clone(), |top| top.name.clone())
}
