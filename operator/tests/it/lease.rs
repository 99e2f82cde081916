//! Two operators, one leader.

use std::time::Duration;

use api::canary::CanaryPhase;
use k8s_openapi::api::coordination::v1::Lease;
use serde_json::json;

use crate::cluster::{Cluster, canary, deployment};

const FLAGS: &str = "-enable-leader-election -leader-election-namespace=test";

#[tokio::test(start_paused = true)]
async fn the_second_takes_over_when_the_first_ends() {
    let mut cluster = Cluster::new().await;
    cluster
        .load(&deployment("podinfo", "1.0.0", &json!({})))
        .await;
    let leases: kube::Api<Lease> = kube::Api::namespaced(cluster.client.clone(), "test");
    cluster.start(FLAGS);
    let holder = || async {
        let spec = leases
            .get_opt("flagger-leader-election")
            .await
            .unwrap()
            .and_then(|lease| lease.spec);
        spec.map(|spec| {
            (
                spec.holder_identity.unwrap_or_default(),
                spec.lease_transitions.unwrap_or_default(),
            )
        })
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (first, _) = holder().await.unwrap();
    let (stop, second) = cluster.operator(FLAGS);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(holder().await.unwrap().0, first, "renewed");
    cluster.crash();
    tokio::time::sleep(Duration::from_secs(66)).await;
    let (now, transitions) = holder().await.unwrap();
    assert_ne!(now, first);
    assert_eq!(transitions, 1);
    cluster
        .load(&canary("podinfo", &json!({}), &json!({})))
        .await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    stop.cancel();
    second.await.unwrap().unwrap();
    assert_eq!(holder().await.unwrap().0, "", "given back");
}

#[tokio::test(start_paused = true)]
async fn losing_the_lease_ends_the_run() {
    let cluster = Cluster::new().await;
    let leases: kube::Api<Lease> = kube::Api::namespaced(cluster.client.clone(), "test");
    let (_stop, task) = cluster.operator(FLAGS);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let patch = json!({"spec": {"holderIdentity": "thief"}});
    leases
        .patch(
            "flagger-leader-election",
            &Default::default(),
            &kube::api::Patch::Merge(patch),
        )
        .await
        .unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(30), task)
        .await
        .unwrap()
        .unwrap();
    assert!(ended.unwrap_err().to_string().contains("lost the lease"));
}
