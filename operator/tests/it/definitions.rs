//! Under Flagger's own definitions, which drop what they do not know, a release keeps its pace and comes to rest.

use std::time::Duration;

use api::canary::CanaryPhase;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cluster::{Cluster, canary, deployment, told};

/// The interval of the analysis, less the second that times are cut to.
const INTERVAL_MIN: Duration = Duration::from_secs(9);
/// Time without a request that shows that nothing is left to do.
const QUIET: Duration = Duration::from_secs(120);

/// Ours without what Flagger's do not hold of a status.
fn flaggers() -> Vec<Value> {
    let mut all = api::crd::all();
    for definition in &mut all {
        let schema = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let Some(status) = schema.pointer_mut("/properties/status/properties") else {
            continue;
        };
        for ours in ["analysis", "inventory", "observedGeneration"] {
            status.as_object_mut().unwrap().remove(ours);
        }
        if let Some(condition) = status.pointer_mut("/conditions/items/properties") {
            let condition = condition.as_object_mut().unwrap();
            condition.remove("observedGeneration");
        }
    }
    all
}

async fn rests(cluster: &Cluster) {
    let before = cluster.requests().len();
    tokio::time::sleep(QUIET).await;
    let later = cluster.requests();
    assert_eq!(told(&later[before..]), "", "it writes again and again");
}

#[tokio::test(start_paused = true)]
async fn a_release_keeps_its_pace_under_flagger_s_definitions() {
    let mut cluster = Cluster::under(&flaggers()).await;
    let target = deployment("podinfo", "1.0.0", &json!({}));
    cluster.load(&target).await;
    let steps = json!({"stepWeight": 20, "maxWeight": 60});
    cluster.load(&canary("podinfo", &steps, &json!({}))).await;
    cluster.start("");
    cluster.until_phase(CanaryPhase::Initialized).await;
    rests(&cluster).await;

    cluster.release("2.0.0").await;
    cluster.until_phase(CanaryPhase::Progressing).await;
    let mut last = None;
    for step in [20, 40, 60] {
        let what = format!("at {step} %");
        let is_there = |found: &api::Canary| {
            let status = found.status.as_ref();
            status.is_some_and(|status| status.canary_weight == step)
        };
        let found = cluster.until("podinfo", &what, is_there).await;
        assert!(found.status.unwrap().analysis.is_none(), "it is dropped");
        let now = Instant::now();
        let took = last.map(|last| now - last);
        assert!(
            took.is_none_or(|took| took >= INTERVAL_MIN),
            "{step} % after {took:?}"
        );
        last = Some(now);
        if step == 20 {
            // Only what is stored is known from here on.
            cluster.crash();
            cluster.start("");
        }
    }
    cluster.until_phase(CanaryPhase::Succeeded).await;
    assert_eq!(cluster.image("podinfo-primary").await, "podinfo:2.0.0");
    rests(&cluster).await;

    // A Canary that cannot be followed is told once, too.
    let same =
        json!({"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"}});
    cluster.load(&canary("second", &steps, &same)).await;
    let is_told = |found: &api::Canary| {
        let conditions = found.status.iter().flat_map(|status| &status.conditions);
        conditions.into_iter().any(|one| one.type_ == "Stalled")
    };
    cluster.until("second", "stalled", is_told).await;
    rests(&cluster).await;
}
