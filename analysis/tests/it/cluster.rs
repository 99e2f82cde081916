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
    keptn(
        query,
        &[(200, &good)],
        expect![[r#"
        Get /apis/metrics.keptn.sh/v1beta1/namespaces/test/keptnmetrics/response-time
        value 1.5"#]],
    )
    .await;
    let old = good.replace("15:06", "12:06");
    let case = Case::new(json!({ "type": "keptn" }), &[], "keptnmetrics/a/b");
    let answers: [Recording<'_>; 7] = [
        (200, &old),
        (200, r#"{"status":{"value":"x"}}"#),
        (200, r#"{"status":{"value":""}}"#),
        (200, r#"{"status":{"value":"NaN"}}"#),
        (200, "{}"),
        (404, "keptnmetrics \"x\" not found\nmore"),
        (0, ""),
    ];
    expect![[r#"
        Get /apis/metrics.keptn.sh/v1beta1/namespaces/a/keptnmetrics/b
        error: keptn answered with a value more than 11 min old
        error: keptn gave an answer that cannot be read: status.value "x" is not a number
        error: keptn has no status.value in that KeptnMetric
        nothing: no values found for custom metric: m: the query returned NaN
        error: keptn has no status.value in that KeptnMetric
        error: keptn answered 404: keptnmetrics "x" not found
        error: keptn refused the connection"#]]
    .assert_eq(&case.table(&answers).await);
}

#[tokio::test]
async fn keptn_queries_have_a_form() {
    let queries = [
        "keptnmetric/a",
        "keptnmetric/../b",
        "keptnmetric/a/b?c",
        "keptnmetric/a/-b",
        "pods/a/b",
        "",
    ];
    for query in queries {
        let recorded = Recorded::new(&[]);
        let told = Case::new(json!({ "type": "keptn" }), &[], query)
            .measured(&recorded)
            .await;
        assert_eq!(
            told,
            "error: keptn cannot be asked: the query must be <keptnmetric|analysis>/<namespace>/<name>/<duration>/<arguments>"
        );
        assert!(recorded.asked().is_empty());
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
        expect![[r#"
            Post /apis/metrics.keptn.sh/v1beta1/namespaces/ns/analyses
            {"apiVersion":"metrics.keptn.sh/v1beta1","kind":"Analysis","metadata":{"name":"ana-609952","namespace":"ns"},"spec":{"analysisDefinition":{"name":"ana"},"args":{"a":"b","c":"d"},"timeframe":{"recent":"5m"}}}
            ---
            Get /apis/metrics.keptn.sh/v1beta1/namespaces/ns/analyses/ana-609952
            ---
            Get /apis/metrics.keptn.sh/v1beta1/namespaces/ns/analyses/ana-609952
            ---
            Delete /apis/metrics.keptn.sh/v1beta1/namespaces/ns/analyses/ana-609952
            value 1"#]],
    )
    .await;
    let check = async |answers: &[Recording<'_>]| {
        let case = Case::new(json!({ "type": "keptn" }), &[], "analyses/ns/ana");
        let recorded = Recorded::new(answers);
        let told = case.measured(&recorded).await;
        let asked = recorded.asked.lock().unwrap();
        let verbs: Vec<&str> = asked.iter().filter_map(|it| it.split(' ').next()).collect();
        format!("{}: {told}", verbs.join(" "))
    };
    let (conflict, failed) = ((409, "exists"), (200, &*failed));
    let lines = [
        check(&[MADE, failed, REMOVED]).await,
        // One that stayed behind is removed first.
        check(&[conflict, REMOVED, MADE, failed, REMOVED]).await,
        check(&[conflict]).await,
        check(&[MADE, (404, "gone"), REMOVED]).await,
        check(&[MADE, failed, (403, "no")]).await,
        check(&[(0, "")]).await,
    ];
    expect![[r#"
        Post Get Delete: value 0
        Post Delete Post Get Delete: value 0
        Post Delete: error: keptn cannot make an Analysis: answered 409: exists
        Post Get Delete: error: keptn cannot read the Analysis: answered 404: gone
        Post Get Delete: value 0
        Post: error: keptn cannot make an Analysis: refused the connection"#]]
    .assert_eq(&lines.join("\n"));
    // Never completed: asked for ten seconds, then removed.
    let case = Case::new(json!({ "type": "keptn" }), &[], "analysis/ns/ana");
    let recorded = Recorded::new(&[MADE, pending]);
    expect!["error: keptn did not complete the Analysis within 10 s"]
        .assert_eq(&case.measured(&recorded).await);
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
    expect![[r#"
        Get /apis/external.metrics.k8s.io/v1beta1/namespaces/ns/queue?labelSelector=a%3Db
        value 2000
        nothing: no values found for custom metric: m
        error: externalmetrics answered with 2 values instead of one; aggregate them in the query
        error: externalmetrics gave an answer that cannot be read: invalid type: integer `1`, expected a sequence
        error: externalmetrics answered 404: the server could not find the metric
        error: externalmetrics refused the connection"#]].assert_eq(&case.table(&answers).await);
    expect![[r#"
        Get /apis/external.metrics.k8s.io/v1beta1/namespaces/kube-system/dummy-metric
        available
        not available: externalmetrics answered 404: no
        not available: externalmetrics refused the connection"#]]
    .assert_eq(&case.probes(&[(200, &none), (404, "no"), (0, "")]).await);
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
        (
            graphite,
            "target=a",
            expect!["error: graphite http://g.test is not reachable here"],
        ),
        (
            json!({ "type": "keptn" }),
            "keptnmetric/a/b",
            expect!["error: keptn is not reachable here"],
        ),
    ] {
        let case = Case::new(provider, &[], query);
        let sample = analysis::measure(&case.check, "k", &case.context, &Bare).await;
        expected.assert_eq(&crate::fixture::told(&sample));
    }
}
