//! Alerts: who hears what, and what happens when nobody does.

use std::sync::Arc;
use std::time::Duration;

use api::canary::CanaryPhase;
use apiserver::Fault;
use notifier::SendError;
use serde_json::{Value, json};

use crate::cluster::{Cluster, canary, deployment};
use crate::trouble::EachWriteOnce;

const OPS: &str = "https://chat.test/ops";
const ALL: &str = "https://chat.test/all";
const TOKEN: &str = "marker-token";

fn provider(name: &str, spec: &Value) -> String {
    json!({"apiVersion": "flagger.app/v1beta1", "kind": "AlertProvider", "metadata": {"name": name, "namespace": "test"}, "spec": spec})
        .to_string()
}

fn entry(name: &str, severity: &str) -> Value {
    json!({"name": name, "severity": severity, "providerRef": {"name": name}})
}

/// A cluster whose canary alerts `all` ("") and `ops` (error).
async fn cluster(analysis: &Value) -> Cluster {
    let cluster = Cluster::new().await;
    cluster.load(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook", "namespace": "test"},
        "stringData": {"address": OPS, "token": TOKEN}}).to_string()).await;
    cluster
        .load(&provider(
            "ops",
            &json!({"type": "slack", "secretRef": {"name": "hook"}}),
        ))
        .await;
    cluster
        .load(&provider("all", &json!({"type": "slack", "address": ALL})))
        .await;
    cluster
        .load(&deployment("podinfo", "1.0.0", &json!({})))
        .await;
    let mut analysis = analysis.clone();
    analysis["alerts"] = json!([entry("ops", "error"), entry("all", "")]);
    cluster
        .load(&canary("podinfo", &analysis, &json!({})))
        .await;
    cluster
}

async fn settle() {
    tokio::time::sleep(Duration::from_secs(30)).await;
}

#[tokio::test(start_paused = true)]
async fn each_receiver_hears_its_severity_once() {
    let mut cluster = cluster(&json!({})).await;
    cluster
        .server
        .set_faults(Arc::new(EachWriteOnce::new(Fault::Answer {
            code: 409,
            retry_after_s: None,
        })));
    cluster.start("-cluster-name=eu-1");
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.outbound.set_success_rate(Some(66.7));
    cluster.release("2.0.0").await;
    cluster.until_phase(CanaryPhase::Failed).await;
    settle().await;
    assert_eq!(
        cluster.chat.heard(ALL),
        [
            "good: New Deployment detected, initialization completed.",
            "good: New revision detected, progressing canary analysis.",
            "danger: Failed checks threshold reached 2",
        ]
    );
    assert_eq!(
        cluster.chat.heard(OPS),
        ["danger: Failed checks threshold reached 2"]
    );
    let (fields, token) = cluster.chat.fields(OPS, "Failed checks threshold reached");
    assert_eq!(token.as_deref(), Some(TOKEN));
    assert_eq!(
        fields,
        [
            "Cluster=eu-1",
            "Reason=request-success-rate 66.7 %, needs ≥ 99 %: 2 checks of 2 failed",
            "Measured=request-success-rate 66.7 % (needs ≥ 99 %)",
        ]
    );
    let (fields, _) = cluster.chat.fields(ALL, "New revision detected");
    assert_eq!(
        fields,
        [
            "Cluster=eu-1",
            "Target=Deployment/podinfo.test",
            "Failed checks threshold=2",
            "Progress deadline=120s",
            "Traffic routing=Weight step: 10 max: 50",
        ]
    );
    let events = cluster.events().await.join("\n");
    assert!(
        !events.contains(TOKEN) && !events.contains("not sent"),
        "{events}"
    );
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_failure_is_an_error_with_its_reason() {
    let hook = json!([{"name": "stop", "type": "rollback", "url": "http://hooks.test/stop"}]);
    let mut hooked = cluster(&json!({"webhooks": hook})).await;
    hooked.start("");
    hooked.until_phase(CanaryPhase::Initialized).await;
    hooked.release("2.0.0").await;
    hooked.until_phase(CanaryPhase::Failed).await;
    settle().await;
    assert_eq!(
        hooked.chat.heard(OPS),
        ["danger: Rolling back manual webhook invoked"]
    );
    let (fields, _) = hooked.chat.fields(OPS, "manual webhook");
    assert!(
        fields[0].starts_with("Reason=rollback hook \"stop\""),
        "{fields:?}"
    );

    let mut late = cluster(&json!({})).await;
    late.start("");
    late.until_phase(CanaryPhase::Initialized).await;
    let patch = json!({"spec": {"template": {"metadata": {"annotations": {"sandbox.sluice.dev/ready": "never"}}}}});
    late.change_deployment(&patch).await;
    late.until_phase(CanaryPhase::Failed).await;
    settle().await;
    let heard = late.chat.heard(OPS);
    assert!(
        heard.len() == 1
            && heard[0].starts_with(
                "danger: Progress deadline exceeded canary deployment podinfo.test not ready"
            ),
        "{heard:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_flags_hear_of_canaries_without_a_list() {
    let mut cluster = Cluster::new().await;
    cluster.load_podinfo(&json!({}), &json!({})).await;
    cluster.start(&format!(
        "-slack-url={ALL} -slack-channel=ops -slack-token={TOKEN}"
    ));
    cluster.until_phase(CanaryPhase::Initialized).await;
    settle().await;
    let heard = cluster.chat.heard(ALL);
    assert_eq!(
        heard,
        ["good: New Deployment detected, initialization completed."]
    );
    let (_, token) = cluster.chat.fields(ALL, "initialization");
    assert_eq!(token.as_deref(), Some(TOKEN));
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_and_hold_nothing_up() {
    let mut cluster = cluster(&json!({"maxWeight": 10})).await;
    cluster.chat.fail(SendError::Status(500));
    let alerts = json!([entry("all", "info"), entry("gone", "info")]);
    cluster
        .load(&canary(
            "podinfo",
            &json!({"maxWeight": 10, "alerts": alerts}),
            &json!({}),
        ))
        .await;
    cluster.start("");
    cluster.until_phase(CanaryPhase::Initialized).await;
    settle().await;
    let events = cluster.events().await;
    for text in [
        "Alert \"all\" not sent: slack of alertprovider \"all\": it answered 500",
        "Alert \"gone\" not sent: canary test/podinfo: spec.analysis.alerts names alertprovider test/gone, which does not exist; create it or remove the entry",
    ] {
        assert!(
            events.iter().any(|event| event == text),
            "{text} not in {events:#?}"
        );
    }
    cluster.chat.hang();
    cluster.release("2.0.0").await;
    cluster.until_phase(CanaryPhase::Succeeded).await;
}

#[tokio::test(start_paused = true)]
async fn other_namespaces_are_refused_on_request() {
    let mut cluster = cluster(&json!({})).await;
    cluster.start("-no-cross-namespace-refs");
    cluster.until_phase(CanaryPhase::Initialized).await;
    settle().await;
    assert_eq!(cluster.chat.heard(ALL).len(), 1);
}
