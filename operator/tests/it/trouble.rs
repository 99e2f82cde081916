//! Conflicts, lost replies, crashes and deletions: the end is the same.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::canary::CanaryPhase;
use api::canary::status::OutcomeKind;
use apiserver::{Fault, Faults, NoFaults, RequestInfo, Verb};
use chrono::TimeDelta;
use serde_json::json;

use crate::cluster::{Cluster, OPERATOR};

/// Fails the first write of each kind, name and verb with one fault.
pub(crate) struct EachWriteOnce {
    fault: Fault,
    failed: Mutex<HashSet<String>>,
}

impl EachWriteOnce {
    pub(crate) fn new(fault: Fault) -> Self {
        Self {
            fault,
            failed: Mutex::default(),
        }
    }
}

impl Faults for EachWriteOnce {
    fn on(&self, request: &RequestInfo) -> Option<Fault> {
        let place = format!(
            "{} {}/{} {}",
            request.verb.as_str(),
            request.resource,
            request.name,
            request.subresource
        );
        let is_ours =
            request.user == OPERATOR && request.verb.is_write() && request.resource != "events";
        (is_ours && self.failed.lock().unwrap().insert(place)).then(|| self.fault.clone())
    }
}

async fn check(fault: Fault) {
    let mut cluster = Cluster::new().await;
    let fail_each_write = |cluster: &Cluster| {
        let faults = EachWriteOnce::new(fault.clone());
        cluster.server.set_faults(Arc::new(faults));
    };
    fail_each_write(&cluster);
    cluster
        .load(&crate::cluster::deployment("podinfo", "1.0.0", &json!({})))
        .await;
    let hook = |kind: &str| json!({"name": kind, "type": kind, "url": "http://hooks.test/", "metadata": {"hook": kind}});
    let hooks = json!({"webhooks": [hook("event"), hook("confirm-rollout"), hook("post-rollout")]});
    cluster
        .load(&crate::cluster::canary("podinfo", &hooks, &json!({})))
        .await;
    cluster.start("");
    cluster.until_phase(CanaryPhase::Initialized).await;
    fail_each_write(&cluster);
    cluster.release("2.0.0").await;
    let done = cluster
        .until_phase(CanaryPhase::Succeeded)
        .await
        .status
        .unwrap();
    assert_eq!(done.analysis.unwrap().weights, [10, 20, 30, 40, 50]);
    assert_eq!(cluster.image("podinfo-primary").await, "podinfo:2.0.0");
    assert_eq!(cluster.weights().await["podinfo-canary"], 0);
    tokio::time::sleep(Duration::from_secs(30)).await;
    let posts = cluster.outbound.posts.lock().unwrap();
    for once in [
        "New revision detected! Scaling up",
        "Advance podinfo.test canary weight 10",
        "Promotion completed!",
        r#""hook":"confirm-rollout""#,
        r#""hook":"post-rollout""#,
    ] {
        let found = posts.iter().filter(|post| post.contains(once)).count();
        assert_eq!(found, 1, "{once}: {posts:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_on_every_write() {
    check(Fault::Answer {
        code: 409,
        retry_after_s: None,
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_error_on_every_write() {
    check(Fault::Answer {
        code: 503,
        retry_after_s: None,
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_of_every_write() {
    check(Fault::LoseReply).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_each_second_ends_the_same() {
    let mut cluster = Cluster::with_podinfo(&json!({}), &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.release("2.0.0").await;
    let mut last = 0;
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_secs(7)).await;
        cluster.crash();
        cluster.start("");
        let found = cluster
            .until("podinfo", "there", |_| true)
            .await
            .status
            .unwrap();
        if found.phase == CanaryPhase::Succeeded {
            assert_eq!(found.analysis.unwrap().weights, [10, 20, 30, 40, 50]);
            assert_eq!(cluster.image("podinfo-primary").await, "podinfo:2.0.0");
            return;
        }
        if found.phase == CanaryPhase::Progressing {
            assert!(
                found.canary_weight >= last,
                "from {last} to {}",
                found.canary_weight
            );
            last = found.canary_weight;
        }
    }
    panic!("never ended: {:#?}", cluster.events().await);
}

#[tokio::test(start_paused = true)]
async fn deletion_reverts_what_was_there() {
    let cluster = Cluster::with_podinfo(&json!({}), &json!({"revertOnDeletion": true})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster
        .until("podinfo", "finalized", |found| {
            found.metadata.finalizers.is_some()
        })
        .await;
    let canaries: kube::Api<api::Canary> = kube::Api::namespaced(cluster.client.clone(), "test");
    canaries
        .delete("podinfo", &Default::default())
        .await
        .unwrap();
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        if canaries.get_opt("podinfo").await.unwrap().is_none() {
            assert_eq!(cluster.replicas("podinfo").await, 2);
            return;
        }
    }
    panic!(
        "not deleted: {:#?}\n{:#?}",
        canaries.get("podinfo").await.unwrap(),
        cluster.events().await
    );
}

#[tokio::test(start_paused = true)]
async fn a_broken_release_rolls_back_at_its_deadline() {
    let cluster = Cluster::with_podinfo(&json!({}), &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    let patch = json!({"spec": {"template": {"metadata": {"annotations": {"sandbox.sluice.dev/ready": "never"}}}}});
    cluster.change_deployment(&patch).await;
    cluster.until_phase(CanaryPhase::Failed).await;
    assert_eq!(
        (
            cluster.replicas("podinfo").await,
            cluster.replicas("podinfo-primary").await
        ),
        (0, 2)
    );
}

/// New pods of the primary never become ready.
struct NoNewPrimary;

impl Faults for NoNewPrimary {
    fn on(&self, request: &RequestInfo) -> Option<Fault> {
        let is_ready = request.resource == "pods" && request.subresource == "status";
        let is_primary = request.name.starts_with("podinfo-primary-");
        (is_ready && is_primary && request.verb.is_write()).then_some(Fault::Answer {
            code: 503,
            retry_after_s: None,
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_promoted_primary_that_never_becomes_ready_leaves_users_on_the_canary() {
    let cluster = Cluster::with_podinfo(&json!({}), &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.release("2.0.0").await;
    cluster.until_phase(CanaryPhase::Promoting).await;
    cluster.server.set_faults(Arc::new(NoNewPrimary));
    let failed = cluster.until_phase(CanaryPhase::Failed).await;
    let status = failed.status.unwrap();
    let outcome = status.analysis.unwrap().outcome.unwrap();
    assert_eq!(outcome.kind, OutcomeKind::PromotionFailed);
    assert!(outcome.reason.contains("podinfo-primary"), "{outcome:?}");
    assert_eq!(status.canary_weight, 100);
    assert_eq!(cluster.weights().await["podinfo-canary"], 100);
    assert_eq!(cluster.replicas("podinfo").await, 2);

    cluster.server.set_faults(Arc::new(NoFaults));
    cluster.release("3.0.0").await;
    cluster.until_phase(CanaryPhase::Succeeded).await;
    assert_eq!(cluster.image("podinfo-primary").await, "podinfo:3.0.0");
    assert_eq!(cluster.weights().await["podinfo-canary"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_start_on_a_node_whose_clock_is_off_moves_no_deadline() {
    for hours in [1, -1] {
        let mut cluster = Cluster::with_podinfo(&json!({}), &json!({})).await;
        cluster.until_phase(CanaryPhase::Initialized).await;
        let patch = json!({"spec": {"template": {"metadata": {"annotations": {"sandbox.sluice.dev/ready": "never"}}}}});
        cluster.change_deployment(&patch).await;
        cluster.until_phase(CanaryPhase::Progressing).await;
        let began = tokio::time::Instant::now();
        tokio::time::sleep(Duration::from_secs(30)).await;
        cluster.crash();
        cluster.ahead = TimeDelta::hours(hours);
        cluster.start("");
        cluster.until_phase(CanaryPhase::Failed).await;
        let lasted = began.elapsed().as_secs();
        assert!((55..=190).contains(&lasted), "{hours} h off: {lasted} s");
    }
}

/// The routes take a minute to be listed.
struct SlowList;

impl Faults for SlowList {
    fn on(&self, request: &RequestInfo) -> Option<Fault> {
        let is_list = request.resource == "httproutes" && request.verb == Verb::List;
        (is_list && request.user == OPERATOR).then(|| Fault::Delay(Duration::from_secs(60)))
    }
}

#[tokio::test(start_paused = true)]
async fn routes_that_are_being_listed_are_waited_for() {
    let mut cluster = Cluster::new().await;
    cluster.load_podinfo(&json!({}), &json!({})).await;
    cluster.server.set_faults(Arc::new(SlowList));
    cluster.start("");
    let waits = "waiting for the routes to be read";
    cluster
        .until("podinfo", waits, |found| {
            let analysis = found.status.as_ref().and_then(|it| it.analysis.as_ref());
            analysis.is_some_and(|it| it.waiting_on.as_deref() == Some(waits))
        })
        .await;
    let requests = cluster.requests().len();
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(cluster.requests().len(), requests, "it waits to be woken");
    cluster.until_phase(CanaryPhase::Initialized).await;
}

/// Watches of Deployments say nothing more after a second.
struct Silent;

impl Faults for Silent {
    fn on(&self, request: &RequestInfo) -> Option<Fault> {
        let is_watch = request.resource == "deployments" && request.verb == Verb::Watch;
        (is_watch && request.user == OPERATOR).then(|| Fault::StallWatch(Duration::from_secs(1)))
    }
}

/// The pods are ready long before the deadline; only the watch does not tell.
#[tokio::test(start_paused = true)]
async fn a_watch_that_fell_silent_ends_no_release() {
    let mut cluster = Cluster::new().await;
    cluster.server.set_faults(Arc::new(Silent));
    cluster.load_podinfo(&json!({}), &json!({})).await;
    cluster.start("");
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.release("2.0.0").await;
    let is_over = |found: &api::Canary| {
        let phase = found.status.as_ref().map(|status| status.phase);
        matches!(phase, Some(CanaryPhase::Succeeded | CanaryPhase::Failed))
    };
    let done = cluster.until("podinfo", "over", is_over).await;
    assert_eq!(done.status.unwrap().phase, CanaryPhase::Succeeded);
}
