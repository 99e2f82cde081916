//! Two operators, one leader.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use api::canary::CanaryPhase;
use apiserver::{Fault, Faults, RequestInfo, Verb};
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

/// The first requests of this verb about the lease get a fault.
struct First {
    verb: Verb,
    left: AtomicU32,
    fault: Fault,
}

impl Faults for First {
    fn on(&self, request: &RequestInfo) -> Option<Fault> {
        if request.resource != "leases" || request.verb != self.verb {
            return None;
        }
        let less = |left: u32| left.checked_sub(1);
        let before = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        before.is_ok().then(|| self.fault.clone())
    }
}

/// Whether the operator leads after two minutes in which so many tries go wrong.
async fn check(verb: Verb, tries: u32, fault: Fault, leads: bool) {
    let cluster = Cluster::new().await;
    let what = format!("{tries} {verb:?}: {fault:?}");
    cluster.server.set_faults(Arc::new(First {
        verb,
        left: AtomicU32::new(tries),
        fault,
    }));
    let (_stop, task) = cluster.operator(FLAGS);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(!task.is_finished(), leads, "{what}");
    let leases: kube::Api<Lease> = kube::Api::namespaced(cluster.client.clone(), "test");
    let lease = leases.get_opt("flagger-leader-election").await.unwrap();
    assert!(lease.is_some(), "{what}");
}

#[tokio::test(start_paused = true)]
async fn a_try_that_goes_wrong_is_repeated_until_the_deadline() {
    let conflict = || Fault::Answer {
        code: 409,
        retry_after_s: None,
    };
    check(Verb::Create, 1, conflict(), true).await;
    check(Verb::Update, 1, conflict(), true).await;
    check(Verb::Update, 100, conflict(), false).await;
    check(Verb::Get, 1, Fault::Delay(Duration::from_secs(3600)), true).await;
}
