//! The paths that releases take, and what they cost.

use std::time::Duration;

use api::canary::CanaryPhase;
use serde_json::json;

use crate::cluster::{Cluster, told};

/// What the design allows (docs/performance.md).
const REQUESTS_INITIALISE_MAX: usize = 15;
const REQUESTS_ROLLOUT_MAX: usize = 40;

#[tokio::test(start_paused = true)]
async fn a_good_release_is_promoted() {
    let cluster = Cluster::with_podinfo(&json!({}), &json!({})).await;
    let done = cluster.until_phase(CanaryPhase::Initialized).await;
    let first = cluster.requests();
    assert!(
        first.len() <= REQUESTS_INITIALISE_MAX,
        "{} requests:\n{}",
        first.len(),
        told(&first)
    );
    assert_eq!(
        (
            cluster.replicas("podinfo").await,
            cluster.replicas("podinfo-primary").await
        ),
        (0, 2)
    );
    assert_eq!(cluster.image("podinfo-primary").await, "podinfo:1.0.0");
    let apex = cluster.service("podinfo").await.spec.unwrap();
    assert_eq!(apex.selector.unwrap()["app"], "podinfo-primary");
    assert_eq!(
        done.status
            .unwrap()
            .conditions
            .iter()
            .filter(|c| c.type_ == "Promoted")
            .count(),
        1
    );

    cluster.release("2.0.0").await;
    let done = cluster
        .until_phase(CanaryPhase::Succeeded)
        .await
        .status
        .unwrap();
    assert_eq!(
        done.analysis.as_ref().unwrap().weights,
        [10, 20, 30, 40, 50]
    );
    assert_eq!(cluster.image("podinfo-primary").await, "podinfo:2.0.0");
    assert_eq!(cluster.replicas("podinfo").await, 0);
    let weights = cluster.weights().await;
    assert_eq!(
        (weights["podinfo-primary"], weights["podinfo-canary"]),
        (100, 0)
    );
    let all = cluster.requests();
    let rollout = &all[first.len()..];
    assert!(
        rollout.len() <= REQUESTS_ROLLOUT_MAX,
        "{} requests:\n{}",
        rollout.len(),
        told(rollout)
    );
    let events = cluster.events().await;
    for text in [
        "Initialization done! podinfo.test",
        "New revision detected! Scaling up podinfo.test",
        "Advance podinfo.test canary weight 30",
        "Copying podinfo.test template spec to podinfo-primary.test",
        "Promotion completed! Scaling down podinfo.test",
    ] {
        assert!(
            events.iter().any(|event| event == text),
            "{text} not in {events:#?}"
        );
    }

    tokio::time::sleep(Duration::from_secs(3600)).await;
    let idle = &cluster.requests()[all.len()..];
    assert!(idle.is_empty(), "idle for an hour:\n{}", told(idle));
}

#[tokio::test(start_paused = true)]
async fn a_bad_metric_rolls_back() {
    let cluster = Cluster::with_podinfo(&json!({}), &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.outbound.set_success_rate(Some(66.7));
    cluster.release("3.0.0").await;
    cluster.until_phase(CanaryPhase::Failed).await;
    assert_eq!(cluster.image("podinfo-primary").await, "podinfo:1.0.0");
    assert_eq!(
        (
            cluster.replicas("podinfo").await,
            cluster.replicas("podinfo-primary").await
        ),
        (0, 2)
    );
    assert_eq!(cluster.weights().await["podinfo-canary"], 0);
    let events = cluster.events().await;
    assert!(
        events
            .iter()
            .any(|event| event == "Canary failed! Scaling down podinfo.test"),
        "{events:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn no_metrics_hold_and_do_not_judge() {
    let cluster = Cluster::with_podinfo(&json!({}), &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.outbound.set_success_rate(None);
    cluster.release("2.0.0").await;
    cluster.until_phase(CanaryPhase::Progressing).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let held = cluster
        .until_phase(CanaryPhase::Progressing)
        .await
        .status
        .unwrap();
    assert_eq!(held.failed_checks, 0);
    let waits = held.analysis.unwrap().waiting_on.unwrap_or_default();
    assert!(waits.contains("refused the connection"), "{waits}");
    cluster.outbound.set_success_rate(Some(100.0));
    cluster.until_phase(CanaryPhase::Succeeded).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_revision_starts_the_run_anew() {
    let cluster = Cluster::with_podinfo(&json!({}), &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.release("2.0.0").await;
    let at = |weight: i64| {
        move |found: &api::Canary| {
            found
                .status
                .as_ref()
                .is_some_and(|s| s.canary_weight == weight)
        }
    };
    cluster.until("podinfo", "at 30 %", at(30)).await;
    cluster.release("2.0.1").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(
        cluster.weights().await["podinfo-canary"],
        0,
        "50 ms after the change"
    );
    cluster.until_phase(CanaryPhase::Succeeded).await;
    assert_eq!(cluster.image("podinfo-primary").await, "podinfo:2.0.1");
}

#[tokio::test(start_paused = true)]
async fn tracked_configs_are_copied_and_watched() {
    let mut cluster = Cluster::new().await;
    let config = |color: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "env", "namespace": "test"}, "data": {"color": color}}).to_string()
    };
    cluster.load(&config("red")).await;
    let pod = json!({"volumes": [{"name": "env", "configMap": {"name": "env"}}]});
    cluster
        .load(&crate::cluster::deployment("podinfo", "1.0.0", &pod))
        .await;
    cluster
        .load(&crate::cluster::canary(
            "podinfo",
            &json!({"maxWeight": 10}),
            &json!({}),
        ))
        .await;
    cluster.start("");
    let done = cluster
        .until_phase(CanaryPhase::Initialized)
        .await
        .status
        .unwrap();
    assert_eq!(
        done.tracked_configs.unwrap()["configmap/env"],
        "241889ca0604e333"
    );
    let copies: kube::Api<k8s_openapi::api::core::v1::ConfigMap> =
        kube::Api::namespaced(cluster.client.clone(), "test");
    assert_eq!(
        copies.get("env-primary").await.unwrap().data.unwrap()["color"],
        "red"
    );
    cluster.load(&config("blue")).await;
    cluster.until_phase(CanaryPhase::Progressing).await;
    assert_eq!(
        copies.get("env-primary").await.unwrap().data.unwrap()["color"],
        "red"
    );
    cluster.until_phase(CanaryPhase::Succeeded).await;
    assert_eq!(
        copies.get("env-primary").await.unwrap().data.unwrap()["color"],
        "blue"
    );
}

#[tokio::test(start_paused = true)]
async fn gates_and_event_hooks_are_called() {
    let hook = |name: &str, type_: &str| json!({"name": name, "type": type_, "url": "http://hooks.test/gate"});
    let webhooks = json!({"webhooks": [hook("qa", "confirm-rollout"), hook("told", "event"), hook("after", "post-rollout")], "maxWeight": 10});
    let cluster = Cluster::with_podinfo(&webhooks, &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.outbound.set_status(403);
    cluster.release("2.0.0").await;
    let waiting = cluster
        .until_phase(CanaryPhase::Waiting)
        .await
        .status
        .unwrap();
    let waits = waiting.analysis.unwrap().waiting_on.unwrap_or_default();
    assert!(waits.contains("\"qa\"") && waits.contains("403"), "{waits}");
    assert_eq!(
        cluster.replicas("podinfo").await,
        0,
        "no pods before the gate opens"
    );
    cluster.outbound.set_status(200);
    cluster.until_phase(CanaryPhase::Succeeded).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let events = cluster.events().await;
    assert!(
        events
            .iter()
            .any(|event| event == "Post-rollout check after passed"),
        "{events:#?}"
    );
    let posts = cluster.outbound.posts.lock().unwrap().clone();
    assert!(
        posts
            .iter()
            .any(|post| post.contains("\"eventMessage\":\"Promotion completed!")),
        "{posts:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_autoscaler_is_copied_and_its_least_replicas_hold() {
    let mut cluster = Cluster::new().await;
    let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "podinfo", "namespace": "test"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"}, "minReplicas": 3, "maxReplicas": 5}});
    cluster
        .load(&crate::cluster::deployment("podinfo", "1.0.0", &json!({})))
        .await;
    let reference = json!({"autoscalerRef": {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "podinfo",
        "primaryScalerReplicas": {"maxReplicas": 9}}});
    cluster
        .load(&crate::cluster::canary("podinfo", &json!({}), &reference))
        .await;
    cluster.start("");
    let told = |found: &api::Canary| {
        let analysis = found
            .status
            .as_ref()
            .and_then(|status| status.analysis.as_ref());
        analysis
            .and_then(|analysis| analysis.waiting_on.as_deref())
            .is_some_and(|waits| waits.contains("no such HorizontalPodAutoscaler"))
    };
    cluster
        .until("podinfo", "waiting for its autoscaler", told)
        .await;
    cluster.load(&scaler.to_string()).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    let scalers: kube::Api<k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler> =
        kube::Api::namespaced(cluster.client.clone(), "test");
    let own = scalers.get("podinfo-primary").await.unwrap().spec.unwrap();
    assert_eq!(
        (
            own.scale_target_ref.name.as_str(),
            own.min_replicas,
            own.max_replicas
        ),
        ("podinfo-primary", Some(3), 9)
    );
    cluster.release("2.0.0").await;
    cluster
        .until("podinfo", "at 10 %", |found| {
            found.status.as_ref().is_some_and(|s| s.canary_weight == 10)
        })
        .await;
    assert_eq!(cluster.replicas("podinfo").await, 3);
    cluster.until_phase(CanaryPhase::Succeeded).await;
}
