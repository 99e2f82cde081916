//! A metric server that stays away longer than `onUnknown` allows.

use std::time::Duration;

use api::canary::CanaryPhase;
use api::canary::status::OutcomeKind;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::cluster::Cluster;

const DEADLINE: TimeDelta = TimeDelta::minutes(5);

async fn away(action: &str) -> Cluster {
    let policy: Value = json!({"deadline": "5m", "action": action});
    let cluster = Cluster::with_podinfo(&json!({"onUnknown": policy}), &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.outbound.set_success_rate(None);
    cluster.release("2.0.0").await;
    cluster
        .until("podinfo", "without a verdict", |found| {
            let analysis = found.status.as_ref().and_then(|it| it.analysis.as_ref());
            analysis.is_some_and(|analysis| analysis.unknown_since.is_some())
        })
        .await;
    cluster
}

#[tokio::test(start_paused = true)]
async fn it_is_rolled_back_in_time_though_the_operator_crashes() {
    let mut cluster = away("rollback").await;
    tokio::time::sleep(Duration::from_secs(200)).await;
    cluster.crash();
    cluster.start("");
    let failed = cluster
        .until_phase(CanaryPhase::Failed)
        .await
        .status
        .unwrap();
    let analysis = failed.analysis.unwrap();
    assert_eq!((analysis.weights, analysis.failed), (vec![10], 0));
    let lasted = analysis.last_check.unwrap().0 - analysis.unknown_since.unwrap().0;
    assert!(
        (DEADLINE..DEADLINE + TimeDelta::seconds(2)).contains(&lasted),
        "{lasted}"
    );
    let outcome = analysis.outcome.unwrap();
    assert_eq!(outcome.kind, OutcomeKind::RolledBack);
    assert!(
        outcome.reason.starts_with("no verdict for 5 min: "),
        "{}",
        outcome.reason
    );
}

#[tokio::test(start_paused = true)]
async fn it_holds_and_says_so_until_there_is_a_verdict() {
    let cluster = away("hold").await;
    tokio::time::sleep(Duration::from_secs(900)).await;
    let held = cluster.until_phase(CanaryPhase::Progressing).await;
    let status = held.status.unwrap();
    assert_eq!(status.canary_weight, 10);
    let told = status.analysis.unwrap().waiting_on.unwrap();
    assert!(told.ends_with("without a verdict for 5 min"), "{told}");
    cluster.outbound.set_success_rate(Some(100.0));
    cluster.until_phase(CanaryPhase::Succeeded).await;
}
