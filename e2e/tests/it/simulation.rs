//! Seeds: random releases, faults and crashes on virtual time.
//!
//! Safety is checked all the while: weights sum to 100, and no user is left without an answer.
//! At the end the faults stop, and every release must have come to its right end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use apiserver::{NoFaults, RandomFaults};
use futures::TryStreamExt;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::{WatchStreamExt, watcher};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sandbox::{Mesh, Options, Sandbox, TrafficOptions, Workloads};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::cluster::{get, wait_for_phase};
use crate::outbound::InProcess;
use crate::podinfo;
use shape::{Judged, Shape};

mod shape;

const NAMESPACE: &str = "test";
const OPERATOR: &str = "sluice";

/// Longest virtual time from the end of faults to the end of a release.
const LIVENESS: Duration = Duration::from_secs(30 * 60);
/// Longest virtual time in which a release stays as it is and does not say why: several intervals.
const SILENCE: Duration = Duration::from_secs(60);

#[test]
fn simulation() {
    let number = |name: &str, default: u64| {
        std::env::var(name)
            .ok()
            .and_then(|n| n.parse().ok())
            .unwrap_or(default)
    };
    let first = number("SLUICE_SEED", 1);
    let end = first + number("SLUICE_SEEDS", 8);
    let next = AtomicU64::new(first);
    let failures = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    if let Err(error) = run(seed) {
                        failures.lock().unwrap().push(format!(
                            "seed {seed}: {error:#}\nrun it again with: cargo x simulate --seed {seed}"
                        ));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// One seed, on a clock of its own.
fn run(seed: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()?;
    runtime.block_on(Run::of(seed))
}

/// What a version does, and so how its release must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Good,
    Failing,
    Slow,
    NeverReady,
}

impl Version {
    fn any(rng: &mut StdRng) -> Self {
        [
            Self::Good,
            Self::Good,
            Self::Failing,
            Self::Slow,
            Self::NeverReady,
        ][rng.random_range(0..5)]
    }

    fn annotation(self) -> &'static str {
        match self {
            Self::Good => "sandbox.sluice.dev/error-rate: '0'",
            Self::Failing => "sandbox.sluice.dev/error-rate: '0.5'",
            Self::Slow => "sandbox.sluice.dev/latency: 900ms",
            Self::NeverReady => "sandbox.sluice.dev/ready: never",
        }
    }
}

/// One seed's cluster.
struct Run {
    rng: StdRng,
    sandbox: Sandbox,
    client: Client,
    shape: Shape,
    outbound: Arc<InProcess>,
    operator: Option<Operator>,
    broken: Arc<Mutex<Vec<String>>>,
    _observer: Option<JoinHandle<()>>,
}

/// A running operator.
struct Operator {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Run {
    async fn of(seed: u64) -> Result<()> {
        let mut run = Self::start(seed).await?;
        run.release(1, Version::Good).await?;
        wait_for_phase(
            &run.client,
            NAMESPACE,
            "podinfo",
            &["Initialized"],
            LIVENESS,
        )
        .await?;
        let mesh = Mesh::of(run.shape.provider).context("a mesh")?;
        let mut options = TrafficOptions::new(mesh, NAMESPACE, "podinfo");
        options.seed = seed;
        options.users.clone_from(&run.shape.users);
        let traffic = run.sandbox.traffic(options);
        let has_load = run.shape.judged == Judged::ByLoad;
        let _load = has_load.then(|| {
            let options = TrafficOptions::new(mesh, NAMESPACE, "podinfo-canary");
            run.sandbox.traffic(options)
        });
        let mut last_promoted = 1;
        for number in 2..=run.rng.random_range(3..=4) {
            let version = Version::any(&mut run.rng);
            run.sandbox.api().set_faults(Arc::new(RandomFaults::new(
                seed ^ number,
                60,
                Some(OPERATOR),
            )));
            run.outbound.refuse(run.shape.refusals);
            run.release(number, version).await?;
            run.trouble().await;
            run.sandbox.api().set_faults(Arc::new(NoFaults));
            run.settle(number, version).await?;
            if run.shape.phase(version) == "Succeeded" {
                last_promoted = number;
            }
            let primary = get(
                &run.client,
                "apps/v1",
                "Deployment",
                NAMESPACE,
                "podinfo-primary",
            )
            .await?;
            let image = primary
                .pointer("/spec/template/spec/containers/0/image")
                .and_then(Value::as_str);
            ensure!(
                image == Some(&format!("example.test/podinfo:{last_promoted}")),
                "after {number} ({version:?}) the primary runs {image:?}"
            );
        }
        let counts = traffic.counts();
        ensure!(
            counts.unserved == 0,
            "{} users got no answer: {counts:?}",
            counts.unserved
        );
        ensure!(counts.requests > 0, "no user came");
        let broken = run.broken.lock().unwrap();
        ensure!(broken.is_empty(), "{}", broken.join("; "));
        Ok(())
    }

    async fn start(seed: u64) -> Result<Self> {
        let mut rng = StdRng::seed_from_u64(seed);
        let options = Options {
            seed,
            workloads: Workloads::Simulated,
            ..Options::default()
        };
        let sandbox = Sandbox::start(options).await?;
        for definition in api::crd::all() {
            sandbox.load(&definition.to_string()).await?;
        }
        sandbox
            .load(include_str!("../../../cli/src/demo/gateway-api.yaml"))
            .await?;
        sandbox.load(include_str!("../../crds/istio.yaml")).await?;
        sandbox
            .load(&format!(
                "{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}"
            ))
            .await?;
        let shape = Shape::any(&mut rng);
        sandbox.load(&canary(&shape)).await?;
        let outbound = Arc::new(InProcess::new(sandbox.prometheus().clone()));
        let broken = Arc::new(Mutex::new(Vec::new()));
        let observer = observe(sandbox.client(), shape.provider, Arc::clone(&broken));
        let client = sandbox.client();
        let mut run = Self {
            rng,
            sandbox,
            client,
            shape,
            outbound,
            operator: None,
            broken,
            _observer: observer,
        };
        run.start_operator()?;
        Ok(run)
    }

    fn start_operator(&mut self) -> Result<()> {
        let flags = [
            "operator",
            "-metrics-server=http://prometheus.test",
            "-port=0",
            "-storage-addr=127.0.0.1:0",
        ];
        let settings = operator::Settings::parse(
            &operator::Args::parse_go(flags.map(str::to_owned))?,
            &|_| None,
        )?;
        let settings = operator::Settings {
            admin: None,
            ..settings
        };
        let clock = operator::Clock::starting_at(self.sandbox.clock().now());
        let outbound = Arc::clone(&self.outbound);
        let client = self.sandbox.api().client_as(OPERATOR, "default");
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let _ = operator::run(settings, client, clock, outbound, stopped).await;
        });
        self.operator = Some(Operator { stop, task });
        Ok(())
    }

    async fn release(&self, number: u64, version: Version) -> Result<()> {
        self.sandbox
            .load(&deployment(number, version))
            .await
            .map(|_| ())
            .context("failed to release")
    }

    /// Some virtual minutes with faults, in which the operator may crash and start again.
    async fn trouble(&mut self) {
        for _ in 0..self.rng.random_range(0..4) {
            sleep(Duration::from_millis(self.rng.random_range(0..40_000))).await;
            if self.rng.random_bool(0.5) {
                if let Some(operator) = self.operator.take() {
                    // A crash: nothing is tidied up.
                    operator.task.abort();
                    operator.stop.cancel();
                }
                sleep(Duration::from_millis(self.rng.random_range(0..20_000))).await;
                self.start_operator().unwrap();
            }
        }
    }

    /// Waits until the release has ended, and as it should.
    async fn settle(&self, number: u64, version: Version) -> Result<()> {
        let until = Instant::now() + LIVENESS;
        let image = format!("example.test/podinfo:{number}");
        let mut last = String::new();
        let (mut known, mut since) = (Value::Null, Instant::now());
        while Instant::now() < until {
            let target = get(&self.client, "apps/v1", "Deployment", NAMESPACE, "podinfo").await?;
            let canary = get(
                &self.client,
                "flagger.app/v1beta1",
                "Canary",
                NAMESPACE,
                "podinfo",
            )
            .await?;
            let phase = canary
                .pointer("/status/phase")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if canary["status"] != known {
                (known, since) = (canary["status"].clone(), Instant::now());
            }
            let is_over = matches!(phase, "Initialized" | "Succeeded" | "Failed");
            let waits = &known["analysis"]["waitingOn"];
            ensure!(
                is_over || waits.is_string() || since.elapsed() < SILENCE,
                "release {number} ({version:?}, {}) waits for nothing: {known}\n{}",
                self.shape.provider,
                self.shape.analysis
            );
            let replicas = target.pointer("/spec/replicas").and_then(Value::as_i64);
            last = format!(
                "phase {phase}, target at {replicas:?}, status {}",
                canary["status"]
            );
            let is_seen = target
                .pointer("/spec/template/spec/containers/0/image")
                .and_then(Value::as_str)
                == Some(&image);
            if is_seen && phase == self.shape.phase(version) && replicas == Some(0) {
                return Ok(());
            }
            sleep(Duration::from_secs(5)).await;
        }
        bail!(
            "release {number} ({version:?}, {}) did not end: {last}\n{}",
            self.shape.provider,
            self.shape.analysis
        )
    }
}

/// Watches the routing objects, if the provider has any: weights of primary and canary sum to 100, always.
fn observe(
    client: Client,
    provider: &str,
    broken: Arc<Mutex<Vec<String>>>,
) -> Option<JoinHandle<()>> {
    let (gvk, rules, backends) = match provider {
        "kubernetes" => return None,
        "istio" => (
            GroupVersionKind::gvk("networking.istio.io", "v1beta1", "VirtualService"),
            "http",
            "route",
        ),
        _ => (
            GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute"),
            "rules",
            "backendRefs",
        ),
    };
    let routes: Api<DynamicObject> =
        Api::namespaced_with(client, NAMESPACE, &ApiResource::from_gvk(&gvk));
    Some(tokio::spawn(async move {
        let mut seen = Box::pin(watcher(routes, watcher::Config::default()).applied_objects());
        while let Ok(Some(route)) = seen.try_next().await {
            let rules = route.data["spec"][rules].as_array().into_iter().flatten();
            // A rule for some users may lead to the primary alone.
            let splits: Vec<Vec<i64>> = rules
                .filter_map(|rule| rule[backends].as_array())
                .map(|all| all.iter().filter_map(|b| b["weight"].as_i64()).collect())
                .filter(|weights: &Vec<i64>| weights.len() > 1)
                .collect();
            let is_whole = |weights: &Vec<i64>| weights.iter().sum::<i64>() == 100;
            if splits.is_empty() || !splits.iter().all(is_whole) {
                broken.lock().unwrap().push(format!("weights {splits:?}"));
            }
        }
    }))
}

fn deployment(number: u64, version: Version) -> String {
    let container = format!("image: 'example.test/podinfo:{number}'");
    let annotations = version.annotation();
    podinfo::deployment(&format!("namespace: {NAMESPACE}"), annotations, &container)
}

fn canary(shape: &Shape) -> String {
    let Shape { provider, spec, .. } = shape;
    let analysis = shape.indented(4);
    format!(
        "\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {{name: podinfo, namespace: {NAMESPACE}}}
spec:
  provider: {provider}
  targetRef: {{apiVersion: apps/v1, kind: Deployment, name: podinfo}}
  progressDeadlineSeconds: 120
  {spec}
  service:
    port: 80
    targetPort: 9898
    hosts: [podinfo.example]
    gatewayRefs: [{{name: web, namespace: {NAMESPACE}}}]
  analysis:
    interval: 10s
    threshold: 3
{analysis}"
    )
}
