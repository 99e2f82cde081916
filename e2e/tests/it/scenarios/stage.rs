//! A cluster with one target, its Canary and the operator, on which a script is played.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use apiserver::ApiServer;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use operator::metrics::Metrics;
use operator::{Args, Clock, Settings, Ways};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::answers::{Answers, EVENTS};
use super::pods::Pods;
use super::script::Script;
use super::seen::Observer;
use super::target::{Target, deployment};
use crate::cluster::{apply, apply_object};
use crate::knative::{self, Knative};

pub(super) const NAMESPACE: &str = "test";
/// A second of a script takes so many here: a round that follows from another comes a second later at times, which a
/// script's clock does not know.
const SCALE: u32 = 10;
/// How long everything that can be done at a moment may take.
const REST: Duration = Duration::from_secs(9);
/// Flagger's default of progressDeadlineSeconds.
const DEADLINE_S: u64 = 600;
/// What is answered changes so long before what falls due at a moment.
const BEFORE: Duration = Duration::from_millis(1);
/// Late in a second: what is cut off a stored time must not make a step shorter.
const EPOCH: (i64, u32) = (1_800_000_000, 900_000_000);

pub(super) struct Stage {
    pub(super) client: Client,
    pub(super) answers: Arc<Answers>,
    pub(super) pods: Arc<Pods>,
    pub(super) seen: Observer,
    pub(super) target: Target,
    is_routed: bool,
    _knative: Option<Knative>,
    server: ApiServer,
    epoch: DateTime<Utc>,
    start: Instant,
    /// Time of the script that has passed.
    passed: Duration,
    operator: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Stage {
    /// Everything but the operator, which starts with the first moment.
    pub(super) async fn set(script: &Script) -> Result<Self> {
        let epoch = DateTime::from_timestamp(EPOCH.0, EPOCH.1).context("a time")?;
        let start = Instant::now();
        let clock = Clock::starting_at(epoch);
        let server = ApiServer::new(apiserver::Options {
            clock: Arc::new(move || clock.now()),
            ..apiserver::Options::default()
        });
        let client = server.client(NAMESPACE);
        for definition in api::crd::all() {
            apply_object(&client, &definition).await?;
        }
        for definitions in [
            include_str!("../../../crds/istio.yaml"),
            include_str!("../../../crds/knative.yaml"),
        ] {
            apply(&client, definitions).await?;
        }
        apply(
            &client,
            &format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}"),
        )
        .await?;
        let answers: Arc<Answers> = Arc::default();
        let target = Target::of(&script.canary)?;
        let stage = Self {
            seen: Observer::start(client.clone(), Arc::clone(&answers)),
            is_routed: script.canary["spec"]["provider"] != "kubernetes",
            pods: Arc::new(Pods::of(target)),
            _knative: target.start(&client),
            target,
            client,
            answers,
            server,
            epoch,
            start,
            passed: Duration::ZERO,
            operator: None,
        };
        stage.configure("a").await?;
        stage.load(&script.canary).await?;
        stage.keep_pods();
        // What was there before is no news.
        sleep(REST).await;
        stage.seen.take("", None);
        Ok(Self {
            passed: REST,
            ..stage
        })
    }

    /// The Canary, its target, and what Flagger left behind if the Canary has a status.
    async fn load(&self, canary: &Value) -> Result<()> {
        let mut canary = slowed(canary.clone());
        let status = canary.as_object_mut().and_then(|it| it.remove("status"));
        apply_object(&self.client, &canary).await?;
        let phase = status.as_ref().and_then(|status| status["phase"].as_str());
        let is_settled = matches!(phase, Some("Initialized" | "Succeeded" | "Failed"));
        let replicas = if is_settled { 0 } else { 2 };
        apply_object(&self.client, &self.target.object("v1", replicas)).await?;
        if let Some(status) = status {
            apply_object(&self.client, &deployment("podinfo-primary", "v1", 2)).await?;
            self.canaries()
                .patch_status(
                    "podinfo",
                    &PatchParams::default(),
                    &Patch::Merge(json!({"status": status})),
                )
                .await?;
        }
        Ok(())
    }

    /// Pods follow their Deployments or revisions for as long as there is somebody to write to.
    fn keep_pods(&self) {
        let (client, pods) = (self.client.clone(), Arc::clone(&self.pods));
        tokio::spawn(async move {
            let followed: Api<DynamicObject> =
                Api::namespaced_with(client.clone(), NAMESPACE, &pods.followed());
            let config = watcher::Config::default();
            let mut seen = Box::pin(watcher(followed, config).applied_objects());
            while let Ok(Some(_)) = seen.try_next().await {
                if pods.follow(&client).await.is_err() {
                    return;
                }
            }
        });
    }

    /// Plays one line: time passes, its words happen, and whatever follows is waited for.
    pub(super) async fn play(&mut self, words: &str) -> Result<()> {
        let mut rest = Vec::new();
        let mut seconds = 0;
        for word in words.split_whitespace() {
            match word.strip_suffix('s').and_then(|it| it.parse::<u64>().ok()) {
                Some(passed) => seconds += passed,
                None => rest.push(word),
            }
        }
        self.passed += Duration::from_secs(seconds.max(1)) * SCALE;
        let now = self.start + self.passed;
        sleep_until(now - BEFORE).await;
        rest.retain(|word| !self.answer(word));
        sleep_until(now).await;
        // A version comes last: whoever sees it sees the rest of the moment too.
        rest.sort_by_key(|word| !word.contains('='));
        for word in rest {
            self.happen(word).await.with_context(|| word.to_owned())?;
        }
        self.pods.follow(&self.client).await?;
        if self.operator.is_none() {
            self.operator = Some(self.operate()?);
        }
        sleep(REST).await;
        Ok(())
    }

    fn operate(&self) -> Result<(CancellationToken, JoinHandle<()>)> {
        let flags = [
            "operator".to_owned(),
            "-metrics-server=http://prom:9090".to_owned(),
            format!("-event-webhook={EVENTS}"),
        ];
        let mut settings = Settings::parse(&Args::parse_go(flags)?, &|_| None)?;
        settings.admin = None;
        let now = self.epoch + chrono::TimeDelta::from_std(self.start.elapsed())?;
        let clock = Clock::starting_at(now);
        let client = self.server.client_as("sluice", NAMESPACE);
        let ways = Ways {
            outbound: Arc::clone(&self.answers) as _,
            alerts: Arc::clone(&self.answers) as _,
            metrics: Arc::new(Metrics::new("istio")),
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let _ = operator::run_through(settings, client, clock, ways, stopped).await;
        });
        Ok((stop, task))
    }

    /// Weights of the routes, as a script has them.
    pub(super) async fn route(&self) -> Result<Option<String>> {
        if !self.is_routed {
            return Ok(None);
        }
        let Some(found) = self.routes().get_opt("podinfo").await? else {
            return Ok(None);
        };
        if self.target == Target::Knative {
            return Ok(Some(traffic(&found.data["spec"]["traffic"])));
        }
        // Rules for cookies come before the one with the weights.
        let rules = found.data.pointer("/spec/http").and_then(Value::as_array);
        let is_weighted = |rule: &&Value| !rule["match"].to_string().contains("Cookie");
        let first = rules
            .into_iter()
            .flatten()
            .find(is_weighted)
            .context("no rule")?;
        let weight = |name: &str| {
            let routes = first["route"].as_array().into_iter().flatten();
            let mut weights = routes
                .filter(|it| it["destination"]["host"] == name)
                .map(|it| it["weight"].as_i64());
            weights.next().flatten().unwrap_or(0)
        };
        let mirrored = if first["mirror"].is_null() {
            ""
        } else {
            " mirrored"
        };
        let (primary, canary) = (weight("podinfo-primary"), weight("podinfo-canary"));
        Ok(Some(format!("{primary}/{canary}{mirrored}")))
    }

    pub(super) fn routes(&self) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk("networking.istio.io", "v1beta1", "VirtualService");
        let resource = match self.target {
            Target::Knative => knative::resource("Service"),
            Target::Deployment | Target::Service => ApiResource::from_gvk(&gvk),
        };
        Api::namespaced_with(self.client.clone(), NAMESPACE, &resource)
    }

    pub(super) fn canaries(&self) -> Api<api::Canary> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// The ConfigMap that the target needs.
    pub(super) async fn configure(&self, checksum: &str) -> Result<()> {
        let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": NAMESPACE},
            "data": {"checksum": checksum}});
        apply_object(&self.client, &config).await
    }

    /// Stops the operator, which must still run.
    pub(super) async fn end(mut self) -> Result<()> {
        let (stop, task) = self.operator.take().context("it never started")?;
        anyhow::ensure!(!task.is_finished(), "before the script did");
        stop.cancel();
        task.await.context("it panicked")
    }
}

/// Weights of a Knative Service: the latest revision is the canary.
fn traffic(entries: &Value) -> String {
    let percent = |is_canary: bool| {
        let is_it = |one: &&Value| (one["latestRevision"] == true) == is_canary;
        let found = entries.as_array().into_iter().flatten().find(is_it);
        found.and_then(|one| one["percent"].as_i64()).unwrap_or(0)
    };
    format!("{}/{}", percent(false), percent(true))
}

/// A Canary all of whose times are longer by `SCALE`.
fn slowed(mut canary: Value) -> Value {
    let spec = &mut canary["spec"];
    let gates = spec["analysis"]["webhooks"].as_array().map_or(0, Vec::len);
    let mut paths: Vec<String> = (0..gates)
        .map(|place| format!("/analysis/webhooks/{place}/deadline"))
        .collect();
    paths.extend(["/analysis/interval", "/analysis/onUnknown/deadline"].map(str::to_owned));
    for path in paths {
        if let Some(time) = spec.pointer_mut(&path) {
            let given = time.as_str().and_then(|text| text.strip_suffix('s'));
            let seconds: u32 = given.and_then(|it| it.parse().ok()).expect("seconds");
            *time = json!(format!("{}s", seconds * SCALE));
        }
    }
    let deadline = spec["progressDeadlineSeconds"]
        .as_u64()
        .unwrap_or(DEADLINE_S);
    spec["progressDeadlineSeconds"] = json!(deadline * u64::from(SCALE));
    canary
}
