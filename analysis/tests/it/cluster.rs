//! Keptn and the External Metrics API of the operator's own cluster

use analysis::{
    Asked, HookFault, HookRequest, HookResponse, Outbound, PrometheusServer, QueryFault,
    QueryResult,
};
use chrono::{DateTime, Utc};
use expect_test::{Expect, expect};
use serde_json::json;

use crate::recorded::{Case, Recorded, Recording};

async fn keptn(query: &str, answers: &[Recording<'_>], expected: Expect) {
    let case = Case::new(json!({ "type": "keptn" }), &[], query);
    let recorded = Recorded::new(answers);
    let told = case.measured(&recorded).await;
    expected.assert_eq(&format!("{}\n{told}", recorded.asked()));
    assert_eq!(case.available(&Recorded::new(&[])).await, "available");
}

#[tokio::test]
async fn keptn_metrics() {
    let metric = |status: &str| format!(r#"{{"status":{status}}}"#);
    let query = "KeptnMetric/{{ namespace }}/Response-Time\n";
    let good = metric(r#"{"value":"1.5","lastUpdated":"2025-06-15T15:06:00Z"}"#);
    keptn(query, &[(200, &good)], expect![[]]).await;
    let old = good.replace("15:06", "12:06");
    for (answer, expected) in [
        ((200, &*old), expect![[]]),
        ((200, r#"{"status":{"value":"x"}}"#), expect![[]]),
        ((200, r#"{"status":{"value":""}}"#), expect![[]]),
        ((200, r#"{"status":{"value":"NaN"}}"#), expect![[]]),
        ((200, "{}"), expect![[]]),
        ((404, "keptnmetrics \"x\" not found\nmore"), expect![[]]),
        ((0, ""), expect![[]]),
    ] {
        keptn("keptnmetrics/a/b", &[answer], expected).await;
    }
    for (query, expected) in [
        ("keptnmetric/a", expect![[]]),
        ("keptnmetric/../b", expect![[]]),
        ("keptnmetric/a/b?c", expect![[]]),
        ("pods/a/b", expect![[]]),
        ("", expect![[]]),
    ] {
        keptn(query, &[], expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn keptn_analyses() {
    const MADE: Recording<'_> = (201, "{}");
    const REMOVED: Recording<'_> = (200, "{}");
    let done = |pass: bool| format!(r#"{{"status":{{"state":"Completed","pass":{pass}}}}}"#);
    let (passed, failed) = (done(true), done(false));
    let query = "analysis/ns/Ana/5m/a=b;c=d;e=f=g;h";
    let pending = (200, r#"{"status":{"state":"Progressing"}}"#);
    keptn(
        query,
        &[MADE, pending, (200, &passed), REMOVED],
        expect![[]],
    )
    .await;
    keptn(
        "analyses/ns/ana",
        &[MADE, (200, &failed), REMOVED],
        expect![[]],
    )
    .await;
    // One that stayed behind is removed first.
    let conflict = (409, "exists");
    keptn(
        "analysis/ns/ana",
        &[conflict, REMOVED, MADE, (200, &failed), REMOVED],
        expect![[]],
    )
    .await;
    keptn("analysis/ns/ana", &[conflict], expect![[]]).await;
    keptn(
        "analysis/ns/ana",
        &[MADE, (404, "gone"), REMOVED],
        expect![[]],
    )
    .await;
    // Never completed: asked for ten seconds, then removed.
    let case = Case::new(json!({ "type": "keptn" }), &[], "analysis/ns/ana");
    let recorded = Recorded::new(&[MADE, pending]);
    expect![[]].assert_eq(&case.measured(&recorded).await);
    let asked = recorded.asked.lock().unwrap();
    assert!((10..=12).contains(&asked.len()), "{}", asked.len());
    assert!(asked.last().unwrap().starts_with("Delete "));
}

#[tokio::test]
async fn external_metrics() {
    let list = |items: &str| format!(r#"{{"items":[{items}]}}"#);
    let good = list(r#"{"timestamp":"2025-06-15T15:06:00Z","value":"2k"}"#);
    let two = list(r#"{"value":"1"},{"value":"2"}"#);
    let none = list("");
    let answers: [Recording<'_>; 6] = [
        (200, &good),
        (200, &none),
        (200, &two),
        (200, r#"{"items":1}"#),
        (404, "the server could not find the metric"),
        (0, ""),
    ];
    let query = "ns/queue?labelSelector=a%3Db";
    let case = Case::new(json!({ "type": "externalmetrics" }), &[], query);
    expect![[]].assert_eq(&case.table(&answers).await);
    expect![[]].assert_eq(&case.probes(&[(200, &none), (404, "no"), (0, "")]).await);
}

/// A way out that was written before there were providers.
struct Bare;

impl Outbound for Bare {
    fn instant<'a>(
        &'a self,
        _: &'a PrometheusServer,
        _: &'a str,
        _: DateTime<Utc>,
    ) -> Asked<'a, Result<QueryResult, QueryFault>> {
        panic!("a Prometheus was asked")
    }

    fn post<'a>(&'a self, _: &'a HookRequest) -> Asked<'a, Result<HookResponse, HookFault>> {
        panic!("a webhook was called")
    }
}

#[tokio::test]
async fn a_bare_way_out_reaches_no_provider() {
    let graphite = json!({ "type": "graphite", "address": "http://g.test" });
    for (provider, query, expected) in [
        (graphite, "target=a", expect![[]]),
        (json!({ "type": "keptn" }), "keptnmetric/a/b", expect![[]]),
    ] {
        let case = Case::new(provider, &[], query);
        let sample = analysis::measure(&case.check, "k", &case.context, &Bare).await;
        expected.assert_eq(&crate::fixture::told(&sample));
    }
}
