//! Others at work on the same objects: targets edited while they are copied, weights, replicas and selectors reset,
//! workloads scaled and deleted, configs changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api::Canary;
use api::canary::CanaryPhase;
use apiserver::{Fault, Faults, RequestInfo, Verb};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};

use crate::cluster::{Cluster, OPERATOR, canary, deployment, http_route};

fn at(weight: i64) -> impl Fn(&Canary) -> bool {
    move |found| {
        let status = found.status.as_ref();
        status.is_some_and(|status| status.canary_weight == weight)
    }
}

async fn scale(cluster: &Cluster, name: &str, replicas: i32) {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), "test");
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    deployments
        .patch(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

async fn restarts(cluster: &Cluster) -> usize {
    let events = cluster.events().await;
    let is_restart = |text: &&String| text.starts_with("New revision detected! Restarting");
    events.iter().filter(is_restart).count()
}

/// The weights that a release visited.
async fn visited(cluster: &Cluster) -> Vec<u8> {
    let done = cluster.until_phase(CanaryPhase::Succeeded).await;
    done.status.unwrap().analysis.unwrap().weights
}

const ALL: [u8; 5] = [10, 20, 30, 40, 50];

/// Holds back all that the first watch of a resource tells.
struct LateWatch {
    resource: &'static str,
    is_open: AtomicBool,
}

impl LateWatch {
    /// In force from here on.
    fn of(resource: &'static str, cluster: &Cluster) -> Arc<Self> {
        let is_open = AtomicBool::default();
        let late = Arc::new(Self { resource, is_open });
        cluster.server.set_faults(Arc::clone(&late) as _);
        late
    }

    async fn opened(&self) {
        while !self.is_open.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Faults for LateWatch {
    fn on(&self, request: &RequestInfo) -> Option<Fault> {
        let is_it = request.user == OPERATOR
            && request.verb == Verb::Watch
            && request.resource == self.resource;
        (is_it && !self.is_open.swap(true, Ordering::Relaxed))
            .then_some(Fault::StallWatch(Duration::ZERO))
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_is_found_before_its_watch_tells_of_it() {
    let mut cluster = Cluster::new().await;
    let late = LateWatch::of("deployments", &cluster);
    cluster.start("");
    late.opened().await;
    cluster.load_podinfo(&json!({}), &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    let events = cluster.events().await;
    let is_false = |text: &String| text.contains("podinfo does not exist");
    assert!(!events.iter().any(is_false), "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_autoscaler_is_found_before_its_watch_tells_of_it() {
    let mut cluster = Cluster::new().await;
    let late = LateWatch::of("horizontalpodautoscalers", &cluster);
    cluster.start("");
    // The watch begins with the first that asks.
    let scaled = |name: &str| json!({"autoscalerRef": {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": name}});
    cluster
        .load(&deployment("first", "1.0.0", &json!({})))
        .await;
    cluster
        .load(&canary("first", &json!({}), &scaled("none")))
        .await;
    late.opened().await;
    cluster
        .load(&json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "podinfo", "namespace": "test"},
            "spec": {"minReplicas": 2, "maxReplicas": 4, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"}}}).to_string())
        .await;
    cluster.load_podinfo(&json!({}), &scaled("podinfo")).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    let events = cluster.events().await;
    let told = |name: &str| {
        events
            .iter()
            .any(|text| text.contains(&format!("spec.autoscalerRef.name is {name:?}")))
    };
    assert!(told("none") && !told("podinfo"), "{events:#?}");
}

/// Holds the next read of the target up, and says so.
#[derive(Default)]
struct SlowRead {
    is_armed: AtomicBool,
    is_reading: AtomicBool,
}

impl Faults for SlowRead {
    fn on(&self, request: &RequestInfo) -> Option<Fault> {
        let is_read = request.user == OPERATOR
            && request.verb == Verb::Get
            && (request.resource.as_str(), request.name.as_str()) == ("deployments", "podinfo");
        (is_read && self.is_armed.swap(false, Ordering::Relaxed)).then(|| {
            self.is_reading.store(true, Ordering::Relaxed);
            Fault::Delay(Duration::from_secs(2))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_edited_between_the_last_check_and_the_copy_is_judged_anew() {
    let cluster = Cluster::with_podinfo(&json!({}), &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.release("2.0.0").await;
    cluster.until("podinfo", "at 50 %", at(50)).await;
    let faults = Arc::new(SlowRead::default());
    faults.is_armed.store(true, Ordering::Relaxed);
    cluster.server.set_faults(Arc::clone(&faults) as _);
    while !faults.is_reading.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    cluster.release("3.0.0").await;
    cluster.until("podinfo", "at 10 % again", at(10)).await;
    assert_eq!(cluster.image("podinfo-primary").await, "podinfo:1.0.0");
    assert_eq!(visited(&cluster).await, ALL);
    assert_eq!(cluster.image("podinfo-primary").await, "podinfo:3.0.0");
    assert_eq!(restarts(&cluster).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_tracked_config_changed_in_any_phase_starts_over() {
    let volume = json!({"name": "env", "configMap": {"name": "env"}});
    configs_changed("ConfigMap", &volume).await;
    let volume = json!({"name": "env", "secret": {"secretName": "env"}});
    configs_changed("Secret", &volume).await;
}

/// Values have four letters, so that they can also be those of a Secret.
#[tokio::test(start_paused = true)]
async fn turning_config_tracking_off_starts_nothing() {
    let volume = json!({"name": "env", "configMap": {"name": "env"}});
    let mut cluster = Cluster::new().await;
    cluster
        .load(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "env", "namespace": "test"}, "data": {"color": "pink"}}).to_string())
        .await;
    cluster
        .load(&deployment(
            "podinfo",
            "1.0.0",
            &json!({"volumes": [volume]}),
        ))
        .await;
    cluster
        .load(&canary("podinfo", &json!({}), &json!({})))
        .await;
    cluster.start("");
    let done = cluster.until_phase(CanaryPhase::Initialized).await;
    assert!(done.status.unwrap().tracked_configs.is_some());
    cluster.crash();
    cluster.start("-enable-config-tracking=false");
    cluster.release("2.0.0").await;
    cluster.until_phase(CanaryPhase::Succeeded).await;
    let events = cluster.events().await;
    let begun = events.iter().filter(|text| text.contains("New revision"));
    assert_eq!(begun.count(), 1, "{events:#?}");
}

async fn configs_changed(kind: &str, volume: &Value) {
    let mut cluster = Cluster::new().await;
    let config = |color: &str| {
        json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "env", "namespace": "test"}, "data": {"color": color}})
            .to_string()
    };
    cluster.load(&config("pink")).await;
    let pod = json!({"volumes": [volume]});
    cluster.load(&deployment("podinfo", "1.0.0", &pod)).await;
    let gates = json!({"stepWeightPromotion": 25, "webhooks": [
        {"name": "leave", "type": "confirm-rollout", "url": "http://gate"},
        {"name": "qa", "type": "confirm-promotion", "url": "http://gate"}]});
    cluster.load(&canary("podinfo", &gates, &json!({}))).await;
    cluster.start("");
    cluster.until_phase(CanaryPhase::Initialized).await;

    cluster.outbound.set_status(403);
    cluster.load(&config("lime")).await;
    cluster.until_phase(CanaryPhase::Waiting).await;
    cluster.load(&config("blue")).await;
    cluster.outbound.set_status(200);
    cluster.until("podinfo", "at 20 %", at(20)).await;
    assert_eq!(restarts(&cluster).await, 0);
    cluster.load(&config("gray")).await;
    cluster.until("podinfo", "at 10 %", at(10)).await;
    cluster.outbound.set_status(403);
    cluster.until_phase(CanaryPhase::WaitingPromotion).await;
    cluster.load(&config("teal")).await;
    cluster.until("podinfo", "at 10 %", at(10)).await;
    cluster.until_phase(CanaryPhase::WaitingPromotion).await;
    cluster.outbound.set_status(200);
    cluster.until_phase(CanaryPhase::Promoting).await;
    cluster.load(&config("gold")).await;
    cluster.until("podinfo", "at 0 %", at(0)).await;
    let done = cluster
        .until("podinfo", "promoted with the last", |found| {
            let status = found.status.as_ref().unwrap();
            status.phase == CanaryPhase::Succeeded
        })
        .await;
    assert!(done.status.unwrap().tracked_configs.is_some());
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", kind));
    let configs: Api<DynamicObject> =
        Api::namespaced_with(cluster.client.clone(), "test", &resource);
    let copy = configs.get("env-primary").await.unwrap();
    assert_eq!(copy.data["data"]["color"], "gold", "{kind}");
}

/// Sets the canary's weight, as somebody else would.
async fn route(cluster: &Cluster, canary: i64) {
    let client = cluster.server.client_as("rival", "test");
    let routes: Api<DynamicObject> = Api::namespaced_with(client, "test", &http_route());
    let mut found = routes.get("podinfo").await.unwrap();
    let backends = found.data["spec"]["rules"][0]["backendRefs"]
        .as_array_mut()
        .unwrap();
    for backend in backends {
        let weight = if backend["name"] == "podinfo-canary" {
            canary
        } else {
            100 - canary
        };
        backend["weight"] = json!(weight);
    }
    // Ours may have been faster; then it is tried again the next second.
    let _ = routes.replace("podinfo", &Default::default(), &found).await;
}

#[tokio::test(start_paused = true)]
async fn what_others_reset_each_second_is_put_right_and_the_release_goes_on() {
    let cluster = Cluster::with_podinfo(&json!({}), &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.release("2.0.0").await;
    cluster.until("podinfo", "at 20 %", at(20)).await;
    let services: Api<Service> = Api::namespaced(cluster.server.client_as("rival", "test"), "test");
    let selector = Patch::Merge(json!({"spec": {"selector": {"app": "somewhere"}}}));
    for second in 0..40 {
        route(&cluster, if second % 2 == 0 { 0 } else { 90 }).await;
        for name in ["podinfo", "podinfo-canary"] {
            services
                .patch(name, &PatchParams::default(), &selector)
                .await
                .unwrap();
        }
        scale(&cluster, "podinfo-primary", 1 + second % 2).await;
        cluster.until("podinfo", "there", |_| true).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let canary = cluster.until("podinfo", "there", |_| true).await;
        let wanted = canary.status.unwrap().canary_weight;
        let weights = cluster.weights().await;
        assert_eq!(weights.values().sum::<i64>(), 100);
        assert_eq!(weights["podinfo-canary"], wanted, "after a second");
        for (name, pods) in [
            ("podinfo", "podinfo-primary"),
            ("podinfo-canary", "podinfo"),
        ] {
            let found = cluster.service(name).await.spec.unwrap();
            assert_eq!(found.selector.unwrap()["app"], pods);
        }
    }
    assert_eq!(visited(&cluster).await, ALL);
    assert_eq!(restarts(&cluster).await, 0);
    let mut told = cluster.events().await;
    told.retain(|text| text.contains("was changed by"));
    told.sort();
    told.dedup();
    let expected = [
        "HTTPRoute test/podinfo was changed by \"rival\"; putting it back",
        "Service test/podinfo was changed by \"rival\"; putting it back",
        "Service test/podinfo-canary was changed by \"rival\"; putting it back",
    ];
    assert!(!told.is_empty(), "{:?}", cluster.events().await);
    assert!(
        told.iter().all(|text| expected.contains(&text.as_str())),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn scaling_restarts_nothing() {
    let cluster = Cluster::with_podinfo(&json!({}), &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.release("2.0.0").await;
    for (weight, name, replicas) in [
        (10, "podinfo", 5),
        (20, "podinfo-primary", 4),
        (30, "podinfo", 1),
        (40, "podinfo-primary", 1),
    ] {
        cluster.until("podinfo", "at its weight", at(weight)).await;
        scale(&cluster, name, replicas).await;
    }
    assert_eq!(visited(&cluster).await, ALL);
    assert_eq!(restarts(&cluster).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_is_deleted_comes_back() {
    let cluster = Cluster::with_podinfo(&json!({}), &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), "test");
    deployments
        .delete("podinfo-primary", &Default::default())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(cluster.image("podinfo-primary").await, "podinfo:1.0.0");
    assert!(cluster.replicas("podinfo-primary").await > 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_sent_to_a_primary_without_pods() {
    let cluster = Cluster::with_podinfo(&json!({}), &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.release("2.0.0").await;
    cluster.until("podinfo", "at 30 %", at(30)).await;
    scale(&cluster, "podinfo-primary", 0).await;
    cluster.outbound.set_success_rate(Some(50.0));
    for _ in 0..60 {
        cluster.until("podinfo", "there", |_| true).await;
        assert_eq!(cluster.weights().await["podinfo-canary"], 30);
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    let found = cluster.until("podinfo", "there", |_| true).await;
    let waits = found.status.unwrap().analysis.unwrap().waiting_on;
    assert!(waits.is_some_and(|waits| waits.contains("podinfo-primary")));
    scale(&cluster, "podinfo-primary", 2).await;
    cluster.until_phase(CanaryPhase::Failed).await;
    assert_eq!(cluster.weights().await["podinfo-canary"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_missing_target_is_told_and_nothing_is_made() {
    let mut cluster = Cluster::new().await;
    // As long as a name can be: what is derived from it must not be longer.
    let name = "a".repeat(253);
    let target =
        json!({"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"}});
    cluster.load(&canary(&name, &json!({}), &target)).await;
    cluster.start("");
    let waits = |found: &Canary| {
        let analysis = found
            .status
            .as_ref()
            .and_then(|status| status.analysis.as_ref());
        let waits: Option<&str> = analysis.and_then(|analysis| analysis.waiting_on.as_deref());
        waits == Some("waiting for Deployment podinfo: it does not exist")
    };
    cluster.until(&name, "told", waits).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let made: Vec<Value> = cluster
        .requests()
        .iter()
        .filter(|r| r.info.verb.is_write())
        .map(|r| json!(r.info.resource))
        .filter(|kind| kind != "canaries" && kind != "events")
        .collect();
    assert_eq!(made, [Value::Null; 0]);
    let events = cluster.events().await;
    assert!(
        events.contains(&"Deployment podinfo does not exist".to_owned()),
        "{events:?}"
    );

    cluster
        .load(&deployment("podinfo", "1.0.0", &json!({})))
        .await;
    let is_initialized = |found: &Canary| {
        let status = found.status.as_ref();
        status.is_some_and(|status| status.phase == CanaryPhase::Initialized)
    };
    cluster.until(&name, "initialized", is_initialized).await;
}
