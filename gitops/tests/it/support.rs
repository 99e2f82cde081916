//! A cluster, a Git server and the controllers, in one process.

use std::sync::Arc;
use std::time::Duration;

use apiserver::{ApiServer, Options, Verb};
use chrono::{DateTime, Utc};
use gitops::Settings;
use kube::Client;
use kube::api::{
    Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
};
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};

use crate::bridge::{Bridge, Repository};

const LIMIT: Duration = Duration::from_secs(3600);
pub(crate) const NAMESPACE: &str = "flux-system";

pub(crate) struct World {
    pub(crate) server: ApiServer,
    pub(crate) bridge: Arc<Bridge>,
    pub(crate) repository: Repository,
    pub(crate) storage: tempfile::TempDir,
    pub(crate) started: tokio::time::Instant,
    settings: Settings,
    running: Option<tokio::task::JoinHandle<()>>,
}

impl World {
    /// A cluster with our kinds, a repository `r`, and running controllers.
    pub(crate) async fn start() -> Self {
        let mut world = Self::idle().await;
        world.run();
        world
    }

    /// The same, its controllers not started.
    pub(crate) async fn idle() -> Self {
        let started = tokio::time::Instant::now();
        let server = ApiServer::new(Options {
            clock: clock(started),
            ..Options::default()
        });
        let bridge = Bridge::new(true);
        let repository = bridge.repository("r");
        let storage = tempfile::tempdir().unwrap();
        let settings = Settings::new(storage.path(), "artifacts.test");
        let world = Self {
            server,
            bridge,
            repository,
            storage,
            started,
            settings,
            running: None,
        };
        for definition in api::crd::all() {
            world.apply(definition).await;
        }
        for namespace in [NAMESPACE, "apps", "other"] {
            world.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})).await;
        }
        world
    }

    pub(crate) fn run(&mut self) {
        let client = self.server.client_as("sluice", "default");
        let bridge = Arc::clone(&self.bridge);
        let run = gitops::run(self.settings.clone(), client, clock(self.started), bridge);
        self.running = Some(tokio::spawn(async move {
            let Err(error) = run.await;
            panic!("{error}");
        }));
    }

    /// Ends the controllers wherever they are, as a crash does.
    pub(crate) fn crash(&mut self) {
        self.running.take().unwrap().abort();
    }

    pub(crate) fn client(&self) -> Client {
        self.server.client_as("kubectl", NAMESPACE)
    }

    pub(crate) fn api(&self, api_version: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        if kind == "GitRepository" {
            resource.plural = "gitrepositories".to_owned();
        }
        match kind {
            "Namespace" | "CustomResourceDefinition" | "ClusterRole" => {
                Api::all_with(self.client(), &resource)
            }
            _ => Api::namespaced_with(self.client(), namespace, &resource),
        }
    }

    pub(crate) fn sources(&self) -> Api<DynamicObject> {
        self.api("source.toolkit.fluxcd.io/v1", "GitRepository", NAMESPACE)
    }

    pub(crate) fn kustomizations(&self) -> Api<DynamicObject> {
        self.api("kustomize.toolkit.fluxcd.io/v1", "Kustomization", NAMESPACE)
    }

    pub(crate) fn maps(&self) -> Api<DynamicObject> {
        self.api("v1", "ConfigMap", "apps")
    }

    /// Writes an object as `kubectl apply` would.
    pub(crate) async fn apply(&self, object: Value) {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let namespace = Some(text("/metadata/namespace"))
            .filter(|n| !n.is_empty())
            .unwrap_or(NAMESPACE.to_owned());
        let api = self.api(&text("/apiVersion"), &text("/kind"), &namespace);
        api.patch(
            &text("/metadata/name"),
            &PatchParams::apply("kubectl").force(),
            &Patch::Apply(&object),
        )
        .await
        .unwrap();
    }

    pub(crate) async fn patch(&self, api: &Api<DynamicObject>, name: &str, patch: Value) {
        api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
    }

    pub(crate) async fn create(&self, api: &Api<DynamicObject>, object: Value) {
        api.create(
            &PostParams::default(),
            &serde_json::from_value(object).unwrap(),
        )
        .await
        .unwrap();
    }

    /// A GitRepository `r` with more fields.
    pub(crate) async fn source(&self, fields: Value) {
        let mut spec =
            json!({"url": "http://git.test/r", "interval": "1m", "ref": {"branch": "main"}});
        spec.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let object = json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
            "metadata": {"name": "r", "namespace": NAMESPACE}, "spec": spec,
        });
        self.apply(object).await;
    }

    /// A Kustomization of `r` with more fields.
    pub(crate) async fn kustomization(&self, name: &str, fields: Value) {
        let mut spec = json!({"interval": "10m", "retryInterval": "1m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "r"}});
        spec.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let object = json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec,
        });
        self.apply(object).await;
    }

    /// Takes a file out of the repository's tree.
    pub(crate) fn remove(&self, path: &str) {
        std::fs::remove_file(self.repository.path().join(path)).unwrap();
    }

    /// Waits until an object looks so; fails with what it looks like instead.
    pub(crate) async fn until(
        &self,
        api: &Api<DynamicObject>,
        name: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let matches = |object: Option<&DynamicObject>| {
            object.is_some_and(|object| is_so(&serde_json::to_value(object).unwrap()))
        };
        let found = tokio::time::timeout(LIMIT, await_condition(api.clone(), name, matches)).await;
        match found {
            Ok(found) => serde_json::to_value(found.unwrap()).unwrap(),
            Err(_) => panic!(
                "{name} never came to be so: {:#}",
                self.show(api, name).await
            ),
        }
    }

    pub(crate) async fn until_gone(&self, api: &Api<DynamicObject>, name: &str) {
        let matches = |object: Option<&DynamicObject>| object.is_none();
        let waited = tokio::time::timeout(LIMIT, await_condition(api.clone(), name, matches)).await;
        assert!(
            waited.is_ok(),
            "{name} never went: {:#}",
            self.show(api, name).await
        );
    }

    async fn show(&self, api: &Api<DynamicObject>, name: &str) -> Value {
        serde_json::to_value(api.get_opt(name).await.unwrap()).unwrap()
    }

    /// Waits until Ready has this reason.
    pub(crate) async fn until_ready_says(
        &self,
        api: &Api<DynamicObject>,
        name: &str,
        reason: &str,
    ) -> Value {
        self.until(api, name, |object| {
            condition(object, "Ready")["reason"] == reason
        })
        .await
    }

    /// Reasons and messages of the events about an object, oldest first.
    pub(crate) async fn events(&self, name: &str) -> Vec<String> {
        let all = self
            .api("v1", "Event", NAMESPACE)
            .list(&ListParams::default())
            .await
            .unwrap();
        let mut all: Vec<DynamicObject> = all
            .items
            .into_iter()
            .filter(|e| e.data["involvedObject"]["name"] == name)
            .collect();
        all.sort_by_key(|event| {
            event
                .metadata
                .resource_version
                .as_ref()
                .and_then(|v| v.parse::<u64>().ok())
        });
        let text = |event: &DynamicObject, key: &str| {
            event.data[key].as_str().unwrap_or_default().to_owned()
        };
        all.iter()
            .map(|event| {
                format!(
                    "{} {}: {}",
                    text(event, "type"),
                    text(event, "reason"),
                    text(event, "message")
                )
            })
            .collect()
    }

    /// Requests of the controllers so far, the renewal of open watches aside.
    pub(crate) fn requests(&self) -> u64 {
        self.server
            .requests(|log| log.count_of("sluice") - log.count_of_verb("sluice", Verb::Watch))
    }

    /// Lets virtual time pass.
    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::advance(Duration::ZERO).await;
        tokio::time::sleep(time).await;
    }
}

fn clock(started: tokio::time::Instant) -> Arc<dyn Fn() -> DateTime<Utc> + Send + Sync> {
    let epoch = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    Arc::new(move || epoch + started.elapsed())
}

/// A condition of an object; null when it is not there.
pub(crate) fn condition(object: &Value, type_: &str) -> Value {
    let all = object["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    all.into_iter()
        .find(|c| c["type"] == type_)
        .unwrap_or_default()
}

/// `True Reason message` of a condition.
pub(crate) fn words(object: &Value, type_: &str) -> String {
    let found = condition(object, type_);
    let text = |key: &str| found[key].as_str().unwrap_or("-").to_owned();
    format!("{} {} {}", text("status"), text("reason"), text("message"))
}

/// A ConfigMap in namespace `apps`.
pub(crate) fn map(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: apps\ndata:\n  k: {value}\n"
    )
}

/// A world whose repository has maps `a` and `b` in `deploy/`.
pub(crate) async fn with_two_maps() -> World {
    let world = World::start().await;
    world.repository.write("deploy/a.yaml", &map("a", "one"));
    world.repository.write("deploy/b.yaml", &map("b", "one"));
    world.repository.commit("two maps");
    world.source(json!({})).await;
    world
}

/// Whether a commit of `main` is applied and found well.
pub(crate) fn is_applied(object: &Value, commit: &str) -> bool {
    object["status"]["lastAppliedRevision"] == format!("main@sha1:{commit}")
        && condition(object, "Ready")["status"] == "True"
}
