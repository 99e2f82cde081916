//! Canaries deleted in every phase, and on meshes that are not there or cannot be read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api::Canary;
use api::canary::CanaryPhase;
use apiserver::{Fault, Faults, RequestInfo, Verb};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, ApiResource, DynamicObject};
use operator::world::kind;
use serde_json::{Value, json};

use crate::cluster::{Cluster, OPERATOR, canary, deployment, http_route};
use crate::meshes::{Kind, definition};

const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOOKS_MAX: usize = 1200;

/// Deletes the Canary and waits until it is gone.
async fn delete(cluster: &Cluster) {
    let canaries: Api<Canary> = Api::namespaced(cluster.client.clone(), "test");
    canaries
        .delete("podinfo", &Default::default())
        .await
        .unwrap();
    gone(cluster).await;
}

async fn gone(cluster: &Cluster) {
    let canaries: Api<Canary> = Api::namespaced(cluster.client.clone(), "test");
    for _ in 0..LOOKS_MAX {
        if canaries.get_opt("podinfo").await.unwrap().is_none() {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    panic!("not deleted: {:#?}", cluster.events().await);
}

/// Gates that answer 403 keep it in the phases that wait for them.
fn analysis(phase: CanaryPhase) -> Value {
    let gate =
        |kind: &str| json!({"webhooks": [{"name": "qa", "type": kind, "url": "http://gate"}]});
    match phase {
        CanaryPhase::Waiting => gate("confirm-rollout"),
        CanaryPhase::WaitingPromotion => gate("confirm-promotion"),
        CanaryPhase::Promoting => json!({"stepWeightPromotion": 10}),
        CanaryPhase::Unset
        | CanaryPhase::Initializing
        | CanaryPhase::Initialized
        | CanaryPhase::Progressing
        | CanaryPhase::Finalising
        | CanaryPhase::Succeeded
        | CanaryPhase::Failed
        | CanaryPhase::Terminating
        | CanaryPhase::Terminated => json!({}),
    }
}

async fn check(phase: CanaryPhase, is_reverted: bool) {
    let spec = json!({"revertOnDeletion": is_reverted});
    let cluster = Cluster::with_podinfo(&analysis(phase), &spec).await;
    if phase != CanaryPhase::Initializing {
        cluster.until_phase(CanaryPhase::Initialized).await;
    }
    let is_settled = matches!(phase, CanaryPhase::Initializing | CanaryPhase::Initialized);
    if !is_settled {
        cluster.outbound.set_status(403);
        cluster.release("2.0.0").await;
    }
    if phase == CanaryPhase::Failed {
        cluster.outbound.set_success_rate(Some(50.0));
    }
    if phase == CanaryPhase::Finalising {
        cluster.until_phase(CanaryPhase::Promoting).await;
        cluster.set_gateway(false);
    }
    cluster.until_phase(phase).await;
    if is_reverted {
        let is_finalized = |found: &Canary| found.metadata.finalizers.is_some();
        cluster.until("podinfo", "finalized", is_finalized).await;
    }
    let before = cluster.replicas("podinfo").await;
    delete(&cluster).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let what = format!("{phase:?}, reverted: {is_reverted}");
    let replicas = cluster.replicas("podinfo").await;
    assert_eq!(replicas, if is_reverted { 2 } else { before }, "{what}");
    assert_eq!(
        names(&cluster, &kind::deployment()).await,
        ["podinfo"],
        "{what}"
    );
    assert_eq!(names(&cluster, &kind::service()).await, [""; 0], "{what}");
    assert_eq!(names(&cluster, &http_route()).await, [""; 0], "{what}");
    let requests = cluster.requests().len();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(cluster.requests().len(), requests, "{what}: it rests");
}

async fn names(cluster: &Cluster, kind: &ApiResource) -> Vec<String> {
    let objects: Api<DynamicObject> = Api::namespaced_with(cluster.client.clone(), "test", kind);
    let found = objects.list(&Default::default()).await.unwrap().items;
    found
        .into_iter()
        .filter_map(|one| one.metadata.name)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn in_every_phase_nothing_of_ours_stays_behind() {
    in_every_phase(true).await;
}

#[tokio::test(start_paused = true)]
async fn in_every_phase_nothing_stays_behind_where_nothing_is_reverted() {
    in_every_phase(false).await;
}

async fn in_every_phase(is_reverted: bool) {
    for phase in [
        CanaryPhase::Initializing,
        CanaryPhase::Initialized,
        CanaryPhase::Waiting,
        CanaryPhase::Progressing,
        CanaryPhase::WaitingPromotion,
        CanaryPhase::Promoting,
        CanaryPhase::Finalising,
        CanaryPhase::Succeeded,
        CanaryPhase::Failed,
    ] {
        check(phase, is_reverted).await;
    }
}

const VIRTUAL_SERVICE: Kind = (
    "networking.istio.io/v1beta1",
    "VirtualService",
    "virtualservices",
    "Namespaced",
);
const DESTINATION_RULE: Kind = (
    "networking.istio.io/v1beta1",
    "DestinationRule",
    "destinationrules",
    "Namespaced",
);

/// An operator with a Canary on Istio; with its definitions, or without.
async fn on_istio(kinds: &[Kind]) -> Cluster {
    let mut cluster = Cluster::new().await;
    for kind in kinds {
        cluster.load(&definition(*kind)).await;
    }
    cluster
        .load(&deployment("podinfo", "1.0.0", &json!({})))
        .await;
    let spec = json!({"provider": "istio", "revertOnDeletion": true});
    cluster.load(&canary("podinfo", &json!({}), &spec)).await;
    cluster.start("");
    cluster
}

fn is_stalled(found: &Canary, words: &str) -> bool {
    let conditions = found.status.as_ref().map(|status| &status.conditions);
    let told = conditions.and_then(|all| api::condition::get(all, "Stalled"));
    told.is_some_and(|told| told.message.contains(words))
}

#[tokio::test(start_paused = true)]
async fn a_mesh_that_is_not_there_is_told_and_not_waited_for() {
    let cluster = on_istio(&[]).await;
    let words = "failed to watch networking.istio.io/v1beta1 DestinationRule: \
                 the API server has no such kind; install its definition";
    cluster
        .until("podinfo", "told", |found| is_stalled(found, words))
        .await;
    delete(&cluster).await;
    assert_eq!(cluster.replicas("podinfo").await, 2);
}

/// The operator may not read VirtualServices one by one.
#[derive(Default)]
struct Forbidden(AtomicBool);

impl Faults for Forbidden {
    fn on(&self, request: &RequestInfo) -> Option<Fault> {
        let is_read = request.verb == Verb::Get && request.resource == "virtualservices";
        (is_read && request.user == OPERATOR && self.0.load(Ordering::Relaxed)).then_some(
            Fault::Answer {
                code: 403,
                retry_after_s: None,
            },
        )
    }
}

#[tokio::test(start_paused = true)]
async fn routes_that_cannot_be_read_are_named_and_put_back_when_they_can() {
    let cluster = on_istio(&[VIRTUAL_SERVICE, DESTINATION_RULE]).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    let faults = Arc::new(Forbidden::default());
    faults.0.store(true, Ordering::Relaxed);
    cluster.server.set_faults(Arc::clone(&faults) as _);
    let canaries: Api<Canary> = Api::namespaced(cluster.client.clone(), "test");
    canaries
        .delete("podinfo", &Default::default())
        .await
        .unwrap();
    let words = "failed to read VirtualService test/podinfo";
    cluster
        .until("podinfo", "told", |found| is_stalled(found, words))
        .await;
    faults.0.store(false, Ordering::Relaxed);
    gone(&cluster).await;
    assert_eq!(cluster.replicas("podinfo").await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_goes_is_not_held() {
    let cluster = Cluster::with_podinfo(&json!({}), &json!({"revertOnDeletion": true})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    let is_finalized = |found: &Canary| found.metadata.finalizers.is_some();
    cluster.until("podinfo", "finalized", is_finalized).await;
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    namespaces
        .delete("test", &Default::default())
        .await
        .unwrap();
    for _ in 0..LOOKS_MAX {
        if namespaces.get_opt("test").await.unwrap().is_none() {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    panic!("held: {:#?}", namespaces.get("test").await.unwrap());
}

/// Nothing is left to render the route from, and still users are put on the target before the primary goes.
#[tokio::test(start_paused = true)]
async fn an_ingress_that_goes_first_changes_no_order() {
    for provider in ["nginx", "skipper"] {
        let mut cluster = Cluster::new().await;
        let backend = json!({"service": {"name": "podinfo", "port": {"number": 80}}});
        let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web", "namespace": "test"},
            "spec": {"rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]}});
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "podinfo", "namespace": "test"},
            "spec": {"selector": {"app": "podinfo"}, "ports": [{"name": "http", "port": 80, "targetPort": 9898}]}});
        cluster.load(&ingress.to_string()).await;
        cluster.load(&service.to_string()).await;
        let reference =
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "web"});
        let spec = json!({"provider": provider, "ingressRef": reference, "revertOnDeletion": true});
        cluster.load_podinfo(&json!({}), &spec).await;
        cluster.start("");
        cluster.until_phase(CanaryPhase::Initialized).await;
        let selected = async || {
            cluster
                .service("podinfo")
                .await
                .spec
                .unwrap()
                .selector
                .unwrap()
        };
        assert_eq!(selected().await["app"], "podinfo-primary", "{provider}");
        let ingresses: Api<Ingress> = Api::namespaced(cluster.client.clone(), "test");
        ingresses.delete("web", &Default::default()).await.unwrap();
        delete(&cluster).await;
        assert_eq!(selected().await["app"], "podinfo", "{provider}");
        let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), "test");
        let target = deployments.get("podinfo").await.unwrap();
        let ready = target.status.unwrap().available_replicas;
        assert_eq!(
            ready,
            Some(2),
            "{provider}: users come to pods that are there"
        );
    }
}
