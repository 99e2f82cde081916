//! Canaries that cannot be followed: told, and alone in it.

use std::time::Duration;

use api::canary::CanaryPhase;
use api::condition;
use serde_json::{Value, json};

use crate::cluster::{Cluster, canary, deployment, told};

fn stalled(found: &api::Canary) -> Option<String> {
    let status = found.status.as_ref()?;
    condition::get(&status.conditions, "Stalled").map(|found| found.message.clone())
}

async fn check(analysis: Value, spec: Value, words: &[&str]) {
    let mut cluster = Cluster::new().await;
    for name in ["podinfo", "other"] {
        cluster.load(&deployment(name, "1.0.0", &json!({}))).await;
    }
    cluster.load(&canary("podinfo", &analysis, &spec)).await;
    cluster.load(&canary("other", &json!({}), &json!({}))).await;
    cluster.start("");
    let is_initialized = |found: &api::Canary| {
        found
            .status
            .as_ref()
            .is_some_and(|s| s.phase == CanaryPhase::Initialized)
    };
    cluster.until("other", "initialized", is_initialized).await;
    let found = cluster
        .until("podinfo", "stalled", |found| stalled(found).is_some())
        .await;
    let message = stalled(&found).unwrap();
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
    let before = cluster.requests().len();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(
        cluster.requests().len(),
        before,
        "a stalled canary is told once"
    );
    cluster
        .load(&canary(
            "podinfo",
            &json!({"stepWeights": null}),
            &json!({"autoscalerRef": null, "provider": "gatewayapi:v1",
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"}}),
        ))
        .await;
    let cured = cluster
        .until("podinfo", "initialized", is_initialized)
        .await;
    assert_eq!(stalled(&cured), None);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_spec_stalls_alone() {
    check(
        json!({"stepWeight": null, "stepWeights": [20, 10]}),
        json!({}),
        &["canary test/podinfo", "stepWeights[1]", "10"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_not_supported_stalls() {
    check(
        json!({}),
        json!({"provider": "knative"}),
        &["spec.provider", "knative"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_second_canary_of_a_target_stalls_until_the_first_goes() {
    let cluster = Cluster::with_podinfo(&json!({}), &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    let target =
        json!({"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"}});
    cluster.load(&canary("second", &json!({}), &target)).await;
    let found = cluster
        .until("second", "stalled", |found| stalled(found).is_some())
        .await;
    assert!(
        stalled(&found).unwrap().contains("test/podinfo"),
        "{:?}",
        stalled(&found)
    );
    let canaries: kube::Api<api::Canary> = kube::Api::namespaced(cluster.client.clone(), "test");
    canaries
        .delete("podinfo", &Default::default())
        .await
        .unwrap();
    cluster
        .until("second", "free", |found| stalled(found).is_none())
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_invalid_canary_can_still_be_deleted() {
    let cluster = Cluster::with_podinfo(&json!({}), &json!({"revertOnDeletion": true})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster
        .until("podinfo", "finalized", |found| {
            found.metadata.finalizers.is_some()
        })
        .await;
    cluster
        .load(&canary(
            "podinfo",
            &json!({}),
            &json!({"provider": "knative", "revertOnDeletion": true}),
        ))
        .await;
    cluster
        .until("podinfo", "stalled", |found| stalled(found).is_some())
        .await;
    let canaries: kube::Api<api::Canary> = kube::Api::namespaced(cluster.client.clone(), "test");
    canaries
        .delete("podinfo", &Default::default())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(canaries.get_opt("podinfo").await.unwrap().is_none());
    assert_eq!(cluster.replicas("podinfo").await, 2);
}

/// The second Canary has our finalizer, as one has that followed the target before the first was there.
#[tokio::test(start_paused = true)]
async fn the_second_canary_of_a_target_goes_without_touching_it() {
    let cluster = Cluster::with_podinfo(&json!({}), &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    let target = json!({"revertOnDeletion": true,
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"}});
    let second = canary("second", &json!({}), &target);
    let finalized = r#""name":"second","finalizers":["finalizer.flagger.app"]"#;
    cluster
        .load(&second.replace(r#""name":"second""#, finalized))
        .await;
    cluster
        .until("second", "stalled", |found| stalled(found).is_some())
        .await;
    let canaries: kube::Api<api::Canary> = kube::Api::namespaced(cluster.client.clone(), "test");
    let before = cluster.requests().len();
    canaries
        .delete("second", &Default::default())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(canaries.get_opt("second").await.unwrap().is_none());
    let since = told(&cluster.requests()[before..]);
    assert_eq!(since, "patch canaries/second 200\n");
}

async fn check_label(deployment: &str, words: &str) {
    let mut cluster = Cluster::new().await;
    cluster.load(deployment).await;
    cluster
        .load(&canary("podinfo", &json!({}), &json!({})))
        .await;
    cluster.start("");
    let waits = |found: &api::Canary| {
        let analysis = found
            .status
            .as_ref()
            .and_then(|status| status.analysis.as_ref());
        analysis
            .and_then(|analysis| analysis.waiting_on.as_deref())
            .is_some_and(|waits| waits.contains(words))
    };
    cluster.until("podinfo", words, waits).await;
}

#[tokio::test(start_paused = true)]
async fn a_target_whose_label_will_not_do_is_told() {
    let podinfo = deployment("podinfo", "1.0.0", &json!({}));
    check_label(
        &podinfo.replace("\"app\"", "\"component\""),
        "Deployment podinfo: spec.selector.matchLabels must contain one of",
    )
    .await;
    let long = format!("\"app\":\"{}\"", "a".repeat(56));
    check_label(
        &podinfo.replace("\"app\":\"podinfo\"", &long),
        "aaa\": with \"-primary\" it has more than the 63 characters of a label; shorten it",
    )
    .await;
}
