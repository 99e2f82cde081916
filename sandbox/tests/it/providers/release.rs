//! One cluster with a Canary, the operator and users in it; what the users were answered is held against the weight.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::Canary;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use sandbox::{Counts, Mesh, Sandbox, Traffic, TrafficOptions, Users};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::outbound::InProcess;
use super::{Kind, Provider, knative};
use crate::support::simulated;

const STEPS: [i64; 3] = [10, 30, 60];
const INTERVAL: &str = "10s";
const REQUESTS_PER_S: f64 = 60.0;
/// Requests at one weight below which a share says little.
const REQUESTS_MIN: u64 = 350;
/// Four standard deviations of a share of one half.
const SHARE_ERROR_MAX: f64 = 0.1;
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOKS_MAX: usize = 900;
/// Time after a change of route until all of it is in the counts.
const SETTLED: Duration = Duration::from_secs(5);

pub(super) struct Release {
    name: &'static str,
    has_weights: bool,
    sandbox: Sandbox,
    users: Traffic,
    testers: Option<Traffic>,
    /// Where all users switch at once, somebody has to try the canary.
    _load: Option<Traffic>,
    at_rest: Counts,
    operator: JoinHandle<()>,
}

/// Whoever asked, and how many of the answers came from which version.
type Answers = BTreeMap<String, u64>;

struct Look {
    phase: String,
    weight: i64,
    users: Answers,
    testers: Option<Answers>,
}

impl Release {
    pub(super) async fn start(provider: &Provider, testers: Option<Value>) -> Self {
        let sandbox = simulated(7).await;
        for definition in api::crd::all() {
            load(&sandbox, &definition).await;
        }
        for kind in provider.kinds {
            load(&sandbox, &definition(*kind)).await;
        }
        load(
            &sandbox,
            &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "test"}}),
        )
        .await;
        for object in (provider.objects)() {
            load(&sandbox, &object).await;
        }
        if provider.name == "knative" {
            knative::start(&sandbox.client());
        }
        let mesh = Mesh::of(provider.name).unwrap();
        let has_testers = testers.is_some();
        let users = |service: &str, header: Option<(&str, &str)>| {
            let headers = header.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let headers = headers.into_iter().collect();
            sandbox.traffic(TrafficOptions {
                requests_per_s: REQUESTS_PER_S,
                users: vec![Users { share: 1, headers }],
                ..TrafficOptions::new(mesh, "test", service)
            })
        };
        let new = Self {
            name: provider.name,
            has_weights: provider.has_weights,
            users: users("podinfo", Some(("x-tester", "no"))),
            testers: has_testers.then(|| users("podinfo", Some(("Cookie", "a=b; tester=always")))),
            _load: (!provider.has_weights).then(|| users("podinfo-canary", None)),
            at_rest: Counts::default(),
            operator: operator(&sandbox),
            sandbox,
        };
        new.run("1.0.0", "0").await;
        load(&new.sandbox, &canary(provider, testers)).await;
        new
    }

    /// Runs a version that fails this share of its requests.
    async fn run(&self, version: &str, error_rate: &str) {
        let annotations = json!({sandbox::ERROR_RATE: error_rate});
        if self.name == "knative" {
            load(&self.sandbox, &knative::service(version, &annotations)).await;
            return;
        }
        load(&self.sandbox, &deployment("podinfo", version, &annotations)).await;
    }

    /// Releases the version; what users were answered at each weight agrees with it.
    pub(super) async fn roll_out(&mut self, version: &str, error_rate: &str, end: &str) {
        self.run(version, error_rate).await;
        let mut looks = Vec::new();
        for _ in 0..LOOKS_MAX {
            let look = self.look().await;
            let (phase, is_begun) = (look.phase.clone(), looks.len() > 10);
            looks.push(look);
            if phase == end && is_begun {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let seen: Vec<i64> = STEPS
            .into_iter()
            .filter(|weight| self.agrees(&looks, *weight, version))
            .collect();
        let wanted: &[i64] = match (self.has_weights, end) {
            (false, _) => &[],
            (true, "Succeeded") => &STEPS,
            (true, _) => &STEPS[..1],
        };
        let phases: Vec<&str> = looks.iter().map(|look| look.phase.as_str()).collect();
        assert_eq!(seen, wanted, "{} {version}: {phases:?}", self.name);
    }

    /// Whether enough was asked at this weight; panics if the answers do not agree with it.
    fn agrees(&self, looks: &[Look], weight: i64, version: &str) -> bool {
        let mut users = Answers::new();
        let mut testers = Answers::new();
        for three in looks.windows(3) {
            let [before, from, to] = three else { continue };
            let is_steady = three
                .iter()
                .all(|look| look.weight == weight && look.phase == "Progressing");
            if !is_steady || before.weight != weight {
                continue;
            }
            add(&mut users, &from.users, &to.users);
            if let (Some(from), Some(to)) = (&from.testers, &to.testers) {
                add(&mut testers, from, to);
            }
        }
        let all: u64 = users.values().sum();
        if all < REQUESTS_MIN {
            return false;
        }
        let share = |answers: &Answers| {
            let all: u64 = answers.values().sum();
            answers.get(version).copied().unwrap_or(0) as f64 / all as f64
        };
        let wanted = weight as f64 / 100.0;
        let at = format!(
            "{} {version} at {weight}: {users:?}, testers {testers:?}",
            self.name
        );
        assert!((share(&users) - wanted).abs() < SHARE_ERROR_MAX, "{at}");
        if self.testers.is_some() {
            assert_eq!(testers.keys().collect::<Vec<_>>(), [version], "{at}");
        }
        true
    }

    /// Waits for the phase; from a moment later all users and testers are answered by this version alone, and none by
    /// the canary's Service.
    pub(super) async fn until_rests(&mut self, phase: &str, version: &str) {
        for _ in 0..LOOKS_MAX {
            let look = self.look().await;
            if look.phase == phase && look.weight == 0 {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        assert_eq!(self.look().await.phase, phase, "{}", self.name);
        tokio::time::sleep(SETTLED).await;
        for traffic in std::iter::once(&self.users).chain(&self.testers) {
            let before = traffic.counts();
            tokio::time::sleep(SETTLED).await;
            let after = traffic.counts();
            let mut answers = Answers::new();
            add(&mut answers, &before.by_version, &after.by_version);
            let versions: Vec<&String> = answers.keys().collect();
            assert_eq!(versions, [version], "{} after {phase}", self.name);
            let canary = |counts: &Counts| counts.by_service.get("podinfo-canary").copied();
            assert_eq!(
                canary(&after),
                canary(&before),
                "{} after {phase}",
                self.name
            );
        }
        if phase == "Initialized" {
            self.at_rest = self.users.counts();
        }
    }

    /// From the first rest on.
    pub(super) fn everybody_was_served(&self) {
        let counts = self.users.counts();
        assert_eq!(
            counts.unserved, self.at_rest.unserved,
            "{}: {counts:?}",
            self.name
        );
    }

    async fn look(&self) -> Look {
        let canaries: Api<Canary> = Api::namespaced(self.sandbox.client(), "test");
        let status = canaries
            .get("podinfo")
            .await
            .unwrap()
            .status
            .unwrap_or_default();
        Look {
            phase: format!("{:?}", status.phase),
            weight: status.canary_weight,
            users: self.users.counts().by_version,
            testers: self
                .testers
                .as_ref()
                .map(|testers| testers.counts().by_version),
        }
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        self.operator.abort();
    }
}

fn add(sum: &mut Answers, from: &Answers, to: &Answers) {
    for (version, count) in to {
        let more = count - from.get(version).copied().unwrap_or(0);
        if more > 0 {
            *sum.entry(version.clone()).or_default() += more;
        }
    }
}

fn operator(sandbox: &Sandbox) -> JoinHandle<()> {
    let flags = [
        "operator",
        "-metrics-server=http://prometheus.test",
        "-port=0",
        "-storage-addr=127.0.0.1:0",
    ];
    let args = operator::Args::parse_go(flags.map(str::to_owned)).unwrap();
    let mut settings = operator::Settings::parse(&args, &|_| None).unwrap();
    settings.admin = None;
    let clock = operator::Clock::starting_at(sandbox.clock().now());
    let outbound = Arc::new(InProcess(sandbox.prometheus().clone()));
    let client = sandbox.api().client_as("operator", "default");
    let run = operator::run(settings, client, clock, outbound, CancellationToken::new());
    tokio::spawn(async move {
        run.await.unwrap();
    })
}

async fn load(sandbox: &Sandbox, object: &Value) {
    sandbox.load(&object.to_string()).await.unwrap();
}

/// A definition that takes any field.
fn definition((api_version, kind, is_cluster_scoped): Kind) -> Value {
    let (group, version) = api_version.split_once('/').unwrap();
    let singular = kind.to_lowercase();
    let plural = singular
        .strip_suffix('y')
        .map_or_else(|| format!("{singular}s"), |stem| format!("{stem}ies"));
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": if is_cluster_scoped { "Cluster" } else { "Namespaced" },
            "names": {"plural": plural, "singular": singular, "kind": kind, "listKind": format!("{kind}List")},
            "versions": [{"name": version, "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
}

/// A Deployment of two pods.
pub(super) fn deployment(name: &str, version: &str, annotations: &Value) -> Value {
    let container = json!({"name": "podinfod", "image": format!("podinfo:{version}"), "ports": [{"name": "http", "containerPort": 9898}]});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "test"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}, "annotations": annotations},
            "spec": {"containers": [container]}}}})
}

fn canary(provider: &Provider, testers: Option<Value>) -> Value {
    let metrics =
        json!([{"name": "request-success-rate", "interval": "1m", "thresholdRange": {"min": 95}}]);
    let mut analysis = json!({"interval": INTERVAL, "threshold": 2, "metrics": metrics});
    if provider.has_weights {
        analysis["stepWeights"] = json!(STEPS);
    } else {
        analysis["iterations"] = json!(3);
    }
    if let Some(testers) = testers {
        analysis["testers"] = testers;
    }
    let mut spec = json!({
        "provider": provider.name,
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
        "service": {"port": 80, "targetPort": 9898},
        "analysis": analysis,
    });
    for (key, value) in (provider.spec)().as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({"apiVersion": "flagger.app/v1beta1", "kind": "Canary",
        "metadata": {"name": "podinfo", "namespace": "test"}, "spec": spec})
}

/// Writes the status of an object.
pub(super) async fn report(objects: &Api<DynamicObject>, name: &str, status: &Value) {
    let patch = Patch::Merge(json!({"status": status}));
    objects
        .patch_status(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}
