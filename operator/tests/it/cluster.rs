//! A cluster with a Deployment `podinfo` and the operator in it, and waiting on conditions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::Canary;
use api::canary::CanaryPhase;
use apiserver::{ApiServer, LoggedRequest, Verb};
use chrono::TimeDelta;
use futures::TryStreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, Service};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use operator::metrics::Metrics;
use operator::{Args, Clock, Clusters, RunError, Settings, Ways};
use sandbox::Sandbox;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::outbound::{Chat, Scripted};

/// The user under which the operator's requests are logged.
pub(crate) const OPERATOR: &str = "operator";
const WAIT_MAX: Duration = Duration::from_secs(1200);

pub(crate) struct Cluster {
    pub(crate) server: ApiServer,
    pub(crate) client: kube::Client,
    pub(crate) outbound: Arc<Scripted>,
    pub(crate) chat: Arc<Chat>,
    pub(crate) metrics: Arc<Metrics>,
    /// Where the objects of the mesh are, if elsewhere.
    pub(crate) mesh: Option<operator::Mesh>,
    /// How far the clock of the operator's node is ahead.
    pub(crate) ahead: TimeDelta,
    clock: sandbox::Clock,
    gateway: watch::Sender<bool>,
    running: Option<(CancellationToken, JoinHandle<Result<(), RunError>>)>,
    sandbox: Sandbox,
}

/// A definition of routes without the Gateway API's own checks.
const HTTP_ROUTES: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: httproutes.gateway.networking.k8s.io}
spec:
  group: gateway.networking.k8s.io
  names: {plural: httproutes, singular: httproute, kind: HTTPRoute, listKind: HTTPRouteList}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

/// A Deployment; `pod` is put into its pod spec.
pub(crate) fn deployment(name: &str, version: &str, pod: &Value) -> String {
    let mut template = json!({
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "podinfod", "image": format!("podinfo:{version}"), "ports": [{"name": "http", "containerPort": 9898}]}]},
    });
    for (key, value) in pod.as_object().into_iter().flatten() {
        template["spec"][key] = value.clone();
    }
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "test"},
        "spec": {"replicas": 2, "progressDeadlineSeconds": 60, "selector": {"matchLabels": {"app": name}}, "template": template},
    })
    .to_string()
}

/// A Canary of the Deployment of its name; `analysis` and `spec` override.
pub(crate) fn canary(name: &str, analysis: &Value, spec: &Value) -> String {
    let mut whole = json!({
        "provider": "gatewayapi:v1",
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "service": {"port": 80, "targetPort": 9898, "gatewayRefs": [{"name": "gate", "namespace": "test"}]},
        "progressDeadlineSeconds": 120,
        "analysis": {"interval": "10s", "threshold": 2, "maxWeight": 50, "stepWeight": 10,
            "metrics": [{"name": "request-success-rate", "interval": "1m", "thresholdRange": {"min": 99}}]},
    });
    for (key, value) in analysis.as_object().into_iter().flatten() {
        whole["analysis"][key] = value.clone();
    }
    for (key, value) in spec.as_object().into_iter().flatten() {
        whole[key] = value.clone();
    }
    json!({"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": name, "namespace": "test"}, "spec": whole})
        .to_string()
}

impl Cluster {
    /// A cluster with the definitions and namespace `test`; nothing runs in it yet.
    pub(crate) async fn new() -> Self {
        Self::under(&api::crd::all()).await
    }

    /// The same with other definitions.
    pub(crate) async fn under(definitions: &[Value]) -> Self {
        let sandbox = Sandbox::start(sandbox::Options::default()).await.unwrap();
        let server = sandbox.api().clone();
        let new = Self {
            client: server.client("test"),
            clock: sandbox.clock(),
            server,
            outbound: Arc::default(),
            chat: Arc::default(),
            metrics: Arc::new(Metrics::new("istio")),
            mesh: None,
            ahead: TimeDelta::zero(),
            gateway: watch::Sender::new(true),
            running: None,
            sandbox,
        };
        for definition in definitions {
            new.load(&definition.to_string()).await;
        }
        new.load(HTTP_ROUTES).await;
        new.load("{apiVersion: v1, kind: Namespace, metadata: {name: test}}")
            .await;
        new.keep_gateway();
        new
    }

    /// The same with `podinfo:1.0.0`, its Canary, and the operator started.
    pub(crate) async fn with_podinfo(analysis: &Value, spec: &Value) -> Self {
        let mut new = Self::new().await;
        new.load_podinfo(analysis, spec).await;
        new.start("");
        new
    }

    /// The Deployment `podinfo` and a Canary of it.
    pub(crate) async fn load_podinfo(&self, analysis: &Value, spec: &Value) {
        self.load(&deployment("podinfo", "1.0.0", &json!({}))).await;
        self.load(&canary("podinfo", analysis, spec)).await;
    }

    pub(crate) async fn load(&self, yaml: &str) {
        self.sandbox.load(yaml).await.unwrap();
    }

    /// Starts the operator with these flags.
    pub(crate) fn start(&mut self, flags: &str) {
        self.running = Some(self.operator(flags));
    }

    pub(crate) fn operator(
        &self,
        flags: &str,
    ) -> (CancellationToken, JoinHandle<Result<(), RunError>>) {
        let argv = std::iter::once("operator")
            .chain(flags.split_whitespace())
            .map(str::to_owned);
        let mut settings = Settings::parse(&Args::parse_go(argv).unwrap(), &|_| None).unwrap();
        settings.admin = None;
        let stop = CancellationToken::new();
        let clock = Clock::starting_at(self.clock.now() + self.ahead);
        let clusters = Clusters {
            own: self.server.client_as(OPERATOR, "test"),
            mesh: self.mesh.clone(),
        };
        let ways = Ways {
            outbound: Arc::clone(&self.outbound) as _,
            alerts: Arc::clone(&self.chat) as _,
            metrics: Arc::clone(&self.metrics),
        };
        let run = operator::run_through(settings, clusters, clock, ways, stop.clone());
        (stop, tokio::spawn(run))
    }

    /// Ends the operator without a goodbye, as a crash does.
    pub(crate) fn crash(&mut self) {
        if let Some((_, task)) = self.running.take() {
            task.abort();
        }
    }

    /// Runs a new version in `podinfo`'s Deployment.
    pub(crate) async fn release(&self, version: &str) {
        let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "podinfod", "image": format!("podinfo:{version}")}]}}}});
        self.change_deployment(&patch).await;
    }

    /// Merges a patch into `podinfo`'s Deployment.
    pub(crate) async fn change_deployment(&self, patch: &Value) {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), "test");
        deployments
            .patch("podinfo", &PatchParams::default(), &Patch::Strategic(patch))
            .await
            .unwrap();
    }

    /// The Canary once `is_there` holds of it.
    pub(crate) async fn until(
        &self,
        name: &str,
        what: &str,
        is_there: impl Fn(&Canary) -> bool,
    ) -> Canary {
        let canaries: Api<Canary> = Api::namespaced(self.client.clone(), "test");
        let named = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut seen = Box::pin(watcher(canaries.clone(), named).applied_objects());
        let found = async {
            loop {
                let found = seen.try_next().await.unwrap().unwrap();
                if is_there(&found) {
                    return found;
                }
            }
        };
        if let Ok(found) = tokio::time::timeout(WAIT_MAX, found).await {
            return found;
        }
        panic!(
            "{name} did not become {what}: {:#?}\n{}",
            canaries.get(name).await.unwrap().status,
            self.events().await.join("\n")
        );
    }

    pub(crate) async fn until_phase(&self, phase: CanaryPhase) -> Canary {
        self.until("podinfo", &format!("{phase:?}"), |found| {
            found.status.as_ref().is_some_and(|s| s.phase == phase)
        })
        .await
    }

    /// Lets the gateway take routes up, as it does at once, or not.
    pub(crate) fn set_gateway(&self, takes: bool) {
        self.gateway.send_replace(takes);
    }

    /// Says of every route that its gateway takes it, while it does.
    fn keep_gateway(&self) {
        let client = self.client.clone();
        let mut takes = self.gateway.subscribe();
        tokio::spawn(async move {
            let routes: Api<DynamicObject> = Api::namespaced_with(client, "test", &http_route());
            let mut seen =
                Box::pin(watcher(routes.clone(), watcher::Config::default()).applied_objects());
            while let Ok(Some(route)) = seen.try_next().await {
                let Ok(_) = takes.wait_for(|takes| *takes).await else {
                    return;
                };
                accept(&routes, &route).await;
            }
        });
    }

    /// Weights of the route by backend.
    pub(crate) async fn weights(&self) -> BTreeMap<String, i64> {
        let routes: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), "test", &http_route());
        let route = routes.get("podinfo").await.unwrap();
        let refs = route
            .data
            .pointer("/spec/rules/0/backendRefs")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        refs.iter()
            .map(|r| {
                (
                    r["name"].as_str().unwrap().to_owned(),
                    r["weight"].as_i64().unwrap_or(1),
                )
            })
            .collect()
    }

    pub(crate) async fn image(&self, deployment: &str) -> String {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), "test");
        let found = deployments.get(deployment).await.unwrap();
        found.spec.unwrap().template.spec.unwrap().containers[0]
            .image
            .clone()
            .unwrap()
    }

    pub(crate) async fn replicas(&self, deployment: &str) -> i32 {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), "test");
        deployments
            .get(deployment)
            .await
            .unwrap()
            .spec
            .unwrap()
            .replicas
            .unwrap_or(1)
    }

    pub(crate) async fn service(&self, name: &str) -> Service {
        Api::namespaced(self.client.clone(), "test")
            .get(name)
            .await
            .unwrap()
    }

    /// Texts of all events on Canaries, in the order of their making.
    pub(crate) async fn events(&self) -> Vec<String> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), "test");
        let mut found = events.list(&Default::default()).await.unwrap().items;
        found.retain(|event| event.involved_object.kind.as_deref() == Some("Canary"));
        found.sort_by_key(|event| {
            event
                .metadata
                .resource_version
                .clone()
                .unwrap_or_default()
                .parse::<u64>()
                .unwrap_or(0)
        });
        found
            .into_iter()
            .map(|event| event.message.unwrap_or_default())
            .collect()
    }

    /// The operator's requests of objects so far, watches left out.
    pub(crate) fn requests(&self) -> Vec<LoggedRequest> {
        self.server.requests(|log| {
            let is_ours = |r: &&LoggedRequest| {
                r.info.user == OPERATOR
                    && !r.info.resource.is_empty()
                    && !matches!(r.info.verb, Verb::Watch | Verb::List)
            };
            log.entries().filter(is_ours).cloned().collect()
        })
    }
}

/// Says of a route that it is accepted as it is. One that is gone, or newer, is somebody else's or comes again.
async fn accept(routes: &Api<DynamicObject>, route: &DynamicObject) {
    let generation = route.metadata.generation;
    let seen = route
        .data
        .pointer("/status/parents/0/conditions/0/observedGeneration")
        .and_then(Value::as_i64);
    if seen == generation {
        return;
    }
    let condition = |type_: &str| {
        json!({"type": type_, "status": "True", "reason": type_, "message": "",
        "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    let patch = json!({"status": {"parents": [{"controllerName": "test/gate", "parentRef": {"name": "gate", "namespace": "test"},
        "conditions": [condition("Accepted"), condition("ResolvedRefs")]}]}});
    let name = route.metadata.name.as_deref().unwrap();
    let _ = routes
        .patch_status(name, &PatchParams::default(), &Patch::Merge(patch))
        .await;
}

pub(crate) fn http_route() -> kube::api::ApiResource {
    kube::api::ApiResource {
        group: "gateway.networking.k8s.io".into(),
        version: "v1".into(),
        api_version: "gateway.networking.k8s.io/v1".into(),
        kind: "HTTPRoute".into(),
        plural: "httproutes".into(),
    }
}

/// Requests in words, one a line.
pub(crate) fn told(requests: &[LoggedRequest]) -> String {
    requests
        .iter()
        .map(|r| {
            format!(
                "{} {}/{}{}{} {}\n",
                r.info.verb.as_str(),
                r.info.resource,
                r.info.name,
                if r.info.subresource.is_empty() {
                    ""
                } else {
                    "/"
                },
                r.info.subresource,
                r.code
            )
        })
        .collect()
}
