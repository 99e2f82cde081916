//! A step that was routed, and not stored before a crash, goes on from there: no user is sent to and fro.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::canary::CanaryPhase;
use apiserver::{Fault, Faults, NoFaults, RequestInfo};
use futures::TryStreamExt;
use kube::api::{Api, DynamicObject};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;

use crate::cluster::{Cluster, OPERATOR, http_route};

/// No status of a Canary is written.
struct NoStatus;

impl Faults for NoStatus {
    fn on(&self, request: &RequestInfo) -> Option<Fault> {
        let is_status = request.resource == "canaries" && request.subresource == "status";
        (is_status && request.user == OPERATOR && request.verb.is_write()).then_some(
            Fault::Answer {
                code: 503,
                retry_after_s: None,
            },
        )
    }
}

/// Every weight that the canary ever had, without repeats.
fn observe(cluster: &Cluster) -> Arc<Mutex<Vec<i64>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&seen);
    let routes: Api<DynamicObject> =
        Api::namespaced_with(cluster.client.clone(), "test", &http_route());
    tokio::spawn(async move {
        let mut states = Box::pin(watcher(routes, watcher::Config::default()).applied_objects());
        while let Ok(Some(route)) = states.try_next().await {
            let weight = route.data["spec"]["rules"][0]["backendRefs"][1]["weight"].as_i64();
            let mut all = all.lock().unwrap();
            if all.last() != weight.as_ref() {
                all.extend(weight);
            }
        }
    });
    seen
}

#[tokio::test(start_paused = true)]
async fn a_crash_behind_each_step_changes_no_weight() {
    let steps = json!({"stepWeight": 20, "maxWeight": 60, "stepWeightPromotion": 40});
    let mut cluster = Cluster::with_podinfo(&steps, &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    let weights = observe(&cluster);
    cluster.release("2.0.0").await;
    for (phase, step) in [
        (CanaryPhase::Progressing, 20),
        (CanaryPhase::Progressing, 40),
        (CanaryPhase::Progressing, 60),
        (CanaryPhase::Promoting, 20),
        (CanaryPhase::Promoting, 0),
    ] {
        cluster.until_phase(phase).await;
        cluster.server.set_faults(Arc::new(NoStatus));
        while cluster.weights().await["podinfo-canary"] != step {
            // A gateway has to take the route before the next one.
            cluster.until("podinfo", "there", |_| true).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        cluster.crash();
        cluster.server.set_faults(Arc::new(NoFaults));
        cluster.start("");
        cluster
            .until("podinfo", &format!("at {step} %"), |found| {
                found.status.as_ref().unwrap().canary_weight == step
            })
            .await;
    }
    let done = cluster.until_phase(CanaryPhase::Succeeded).await;
    assert_eq!(done.status.unwrap().analysis.unwrap().weights, [20, 40, 60]);
    assert_eq!(*weights.lock().unwrap(), [0, 20, 40, 60, 20, 0]);
}
