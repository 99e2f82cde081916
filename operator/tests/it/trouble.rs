//! Conflicts, lost replies, crashes and deletions: the end is the same.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::canary::CanaryPhase;
use apiserver::{Fault, Faults, RequestInfo};
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
    cluster
        .server
        .set_faults(Arc::new(EachWriteOnce::new(fault)));
    cluster
        .load(&crate::cluster::deployment("podinfo", "1.0.0", &json!({})))
        .await;
    cluster
        .load(&crate::cluster::canary("podinfo", &json!({}), &json!({})))
        .await;
    cluster.start("");
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.release("2.0.0").await;
    let done = cluster
        .until_phase(CanaryPhase::Succeeded)
        .await
        .status
        .unwrap();
    assert_eq!(done.analysis.unwrap().weights, [10, 20, 30, 40, 50]);
    assert_eq!(cluster.image("podinfo-primary").await, "podinfo:2.0.0");
    assert_eq!(cluster.weights().await["podinfo-canary"], 0);
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
