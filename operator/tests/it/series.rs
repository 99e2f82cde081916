//! The series of /metrics through releases: names, labels, values, and that they go with their Canary.

use api::Canary;
use api::canary::CanaryPhase;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use crate::cluster::Cluster;

/// The samples of Flagger's series that are not of histograms' buckets, sorted.
fn told(cluster: &Cluster) -> Vec<String> {
    let text = cluster.metrics.encode().unwrap();
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with("flagger_canary") && !line.contains("_duration_"))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

fn has(cluster: &Cluster, wanted: &[&str]) {
    let lines = told(cluster);
    for line in wanted {
        assert!(
            lines.iter().any(|found| found == line),
            "{line} not in {lines:#?}"
        );
    }
}

/// The line that counts promoted releases.
fn success(status: &str, count: u8) -> String {
    format!(
        "flagger_canary_successes_total{{name=\"podinfo\",namespace=\"test\",deployment_strategy=\"canary\",analysis_status=\"{status}\"}} {count}"
    )
}

/// A release halfway, as it is told.
const HALFWAY: [&str; 5] = [
    "flagger_canary_status{name=\"podinfo\",namespace=\"test\"} 0",
    "flagger_canary_weight{workload=\"podinfo\",namespace=\"test\"} 30",
    "flagger_canary_weight{workload=\"podinfo-primary\",namespace=\"test\"} 70",
    // Seconds, although limits are milliseconds.
    "flagger_canary_metric_analysis{name=\"podinfo\",namespace=\"test\",metric=\"request-duration\"} 100.0",
    "flagger_canary_metric_analysis{name=\"podinfo\",namespace=\"test\",metric=\"request-success-rate\"} 100.0",
];

#[tokio::test(start_paused = true)]
async fn they_follow_releases_and_go_with_the_canary() {
    let metrics = json!({"metrics": [
        {"name": "request-success-rate", "interval": "1m", "thresholdRange": {"min": 99}},
        {"name": "request-duration", "interval": "1m", "thresholdRange": {"max": 200_000}}]});
    let cluster = Cluster::with_podinfo(&metrics, &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    assert_eq!(
        told(&cluster),
        [
            "flagger_canary_status{name=\"podinfo\",namespace=\"test\"} 1",
            "flagger_canary_total{namespace=\"test\"} 1",
            "flagger_canary_weight{workload=\"podinfo\",namespace=\"test\"} 0",
            "flagger_canary_weight{workload=\"podinfo-primary\",namespace=\"test\"} 100",
        ]
    );
    cluster.release("2.0.0").await;
    let at_30 = |found: &Canary| found.status.as_ref().unwrap().canary_weight == 30;
    cluster.until("podinfo", "at 30 %", at_30).await;
    has(&cluster, &HALFWAY);
    cluster.until_phase(CanaryPhase::Succeeded).await;
    has(
        &cluster,
        &[
            &success("completed", 1),
            "flagger_canary_status{name=\"podinfo\",namespace=\"test\"} 1",
        ],
    );
    cluster.outbound.set_success_rate(Some(50.0));
    cluster.release("3.0.0").await;
    cluster.until_phase(CanaryPhase::Failed).await;
    has(
        &cluster,
        &[
            "flagger_canary_failures_total{name=\"podinfo\",namespace=\"test\",deployment_strategy=\"canary\",analysis_status=\"completed\"} 1",
            "flagger_canary_status{name=\"podinfo\",namespace=\"test\"} 2",
            "flagger_canary_weight{workload=\"podinfo\",namespace=\"test\"} 0",
        ],
    );
    let canaries: Api<Canary> = Api::namespaced(cluster.client.clone(), "test");
    let skip = Patch::Merge(json!({"spec": {"skipAnalysis": true}}));
    canaries
        .patch("podinfo", &PatchParams::default(), &skip)
        .await
        .unwrap();
    cluster.release("4.0.0").await;
    cluster.until_phase(CanaryPhase::Succeeded).await;
    has(
        &cluster,
        &[&success("completed", 1), &success("skipped", 1)],
    );

    canaries
        .delete("podinfo", &Default::default())
        .await
        .unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    assert_eq!(
        told(&cluster),
        ["flagger_canary_total{namespace=\"test\"} 0"]
    );
    let rest = cluster.metrics.encode().unwrap();
    assert!(!rest.contains("podinfo"), "{rest}");
}
