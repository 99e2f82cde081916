//! What each provider asks, and what each answer is worth

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::fixture::SECRET;
use crate::recorded::{Case, Recording};

/// Bad answers that no provider takes for a number.
const BAD: [Recording<'static>; 6] = [
    (200, ""),
    (200, "<html>proxy</html>"),
    (200, "{\"series\": 1, \"results\": 1, \"result\": 1"),
    (403, "{\"errors\":[\"Forbidden for hunter2-marker\"]}"),
    (502, "<html>\nbad gateway"),
    (0, ""),
];

async fn check(
    provider: Value,
    secret: &[(&str, &str)],
    query: &str,
    answers: &[Recording<'_>],
    expected: [Expect; 2],
) {
    let case = Case::new(provider, secret, query);
    let answers: Vec<_> = answers.iter().copied().chain(BAD).collect();
    let [measured, available] = expected;
    measured.assert_eq(&case.table(&answers).await);
    let online = (200, answers.first().unwrap().1);
    available.assert_eq(&case.probes(&[online, BAD[1], BAD[3], BAD[5]]).await);
}

#[tokio::test]
async fn datadog() {
    check(
        json!({ "type": "datadog" }),
        &[("datadog_api_key", SECRET), ("datadog_application_key", "hunter2-marker-app\n")],
        "avg:x{n:{{ namespace }}}",
        &[
            (200, r#"{"status":"ok","series":[{"pointlist":[[1749999400000,1.5],[1749999960000,9]]}]}"#),
            (200, r#"{"series":[{"pointlist":[[1749999400000,null],[1749999460000,2]]}]}"#),
            (200, r#"{"series":[]}"#),
            (200, r#"{"series":[{"pointlist":[]}]}"#),
            (200, r#"{"series":[{"pointlist":[[1749990000000,1]]}]}"#),
            (200, r#"{"series":[{"pointlist":[[1,2]]},{"pointlist":[[1,2]]}]}"#),
            (200, r#"{"series":[{"pointlist":[["x"]]}]}"#),
            (200, r#"{"status":"error","error":"no such metric for hunter2-marker","series":[]}"#),
        ],
        [expect![[]], expect![[]]],
    )
    .await;
}

#[tokio::test]
async fn newrelic() {
    let secret = [
        ("newrelic_account_id", "4711\n"),
        ("newrelic_query_key", SECRET),
    ];
    check(
        json!({ "type": "newrelic" }),
        &secret,
        "SELECT percentage(count(*), WHERE error) FROM T",
        &[
            (200, r#"{"results":[{"result":1.5}]}"#),
            (200, r#"{"results":[{"result":null}]}"#),
            (200, r#"{"results":[]}"#),
            (200, r#"{"results":[{"result":1},{"result":2}]}"#),
            (200, r#"{"results":[{"result":"4711"}]}"#),
        ],
        [expect![[]], expect![[]]],
    )
    .await;
    let case = Case::new(
        json!({ "type": "newrelic", "address": "http://eu/" }),
        &[
            ("newrelic_account_id", "../hunter2-marker"),
            ("newrelic_query_key", "k"),
        ],
        "q",
    );
    expect![[]].assert_eq(&case.table(&[(200, "")]).await);
}

#[tokio::test]
async fn dynatrace() {
    check(
        json!({ "type": "dynatrace", "address": "https://dt.test/e/1/" }),
        &[("dynatrace_token", SECRET)],
        "builtin:x:avg",
        &[
            (
                200,
                r#"{"result":[{"data":[{"timestamps":[1750000000000],"values":[1.5]}]}]}"#,
            ),
            (
                200,
                r#"{"result":[{"data":[{"timestamps":[1750000000000],"values":[null]}]}]}"#,
            ),
            (
                200,
                r#"{"result":[{"data":[{"timestamps":[],"values":[]}]}]}"#,
            ),
            (200, r#"{"result":[{"data":[]}]}"#),
            (200, r#"{"result":[]}"#),
            (
                200,
                r#"{"result":[{"data":[{"values":[1]},{"values":[2]}]}]}"#,
            ),
            (
                200,
                r#"{"result":[{"data":[{"timestamps":[1760000000000],"values":[1.5]}]}]}"#,
            ),
            (400, r#"{"error":{"code":400,"message":"bad selector"}}"#),
        ],
        [expect![[]], expect![[]]],
    )
    .await;
}

#[tokio::test]
async fn graphite() {
    check(
        json!({ "type": "graphite", "address": "http://g.test/base", "insecureSkipVerify": true }),
        &[("username", "user"), ("password", SECRET)],
        "target=summarize(\n  a.{{ target }}.{b,c}, '1min')&from=-10min&format=png",
        &[
            (200, r#"[{"target":"a","datapoints":[[1,1749999880],[1.5,1749999940],[null,1750000000]]}]"#),
            (200, r#"[{"target":"a","datapoints":[["2.5","1749999940"]]}]"#),
            (200, r#"[{"target":"a","datapoints":[[null,1749999940]]},{"target":"b","datapoints":[[3,1749999940]]}]"#),
            (200, r#"[{"target":"a","datapoints":[[1,1749999940]]},{"target":"b","datapoints":[[3,1749999940]]}]"#),
            (200, "[]"),
            (200, r#"[{"target":"a","datapoints":[]}]"#),
            (200, r#"[{"target":"a","datapoints":[[7,1749990000]]}]"#),
            (200, r#"[{"target":"a","datapoints":[["NaN",1749999940]]}]"#),
            (200, r#"[{"target":"a","datapoints":[[true,1749999940]]}]"#),
            (200, r#"[{"target":"a","datapoints":[[1]]}]"#),
        ],
        [expect![[]], expect![[]]],
    )
    .await;
}

#[tokio::test]
async fn influxdb() {
    const HEAD: &str = "#datatype,string,long,dateTime:RFC3339,double\r\n#group,false,false,false,false\r\n#default,_result,,,\r\n,result,table,_time,_value\r\n";
    let table = |rows: &str| format!("{HEAD}{rows}\r\n");
    let good = table(",,0,2025-06-15T15:06:00Z,1.5\r\n,,0,2025-06-15T15:06:10Z,9\r\n");
    let nil = table(",,0,2025-06-15T15:06:00Z,\r\n");
    let old = table(",,0,2025-06-15T12:00:00Z,1\r\n");
    let nan = table(",,0,2025-06-15T15:06:00Z,NaN\r\n");
    let inf = table(",,0,2025-06-15T15:06:00Z,+Inf\r\n");
    let word = table(",,0,2025-06-15T15:06:00Z,x\r\n");
    let two = table(",,0,2025-06-15T15:06:00Z,1\r\n,,1,2025-06-15T15:06:00Z,2\r\n");
    let results = format!("{good}{}", good.replace("_result", "other"));
    let long = good.replace("double", "long");
    let nameless = good.replace("_value", "v");
    check(
        json!({ "type": "influxdb", "address": "http://i.test:8086" }),
        &[("token", SECRET), ("org", "my org")],
        "from(bucket: \"b\") |> mean()",
        &[
            (200, &good),
            (200, "#datatype,string,long,double,string\n#group,false,false,false,true\n#default,_result,,,\n,result,table,_value,\"a,b\"\n,,0,2.5,\"x\"\"y\nz\"\n"),
            (200, &nil),
            (200, "\r\n"),
            (200, HEAD),
            (200, &old),
            (200, &nan),
            (200, &inf),
            (200, &word),
            (200, &two),
            (200, &results),
            (200, &long),
            (200, &nameless),
            (200, "#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,no bucket for hunter2-marker,897\r\n"),
            (200, "a,\"b"),
            (401, r#"{"code":"unauthorized","message":"unauthorized access"}"#),
        ],
        [expect![[]], expect![[]]],
    )
    .await;
}

#[tokio::test]
async fn splunk() {
    const START: &str = "event: control-message\ndata: {\ndata:   \"event\": \"STREAM_START\",\ndata:   \"timestampMs\": 1750000000000\ndata: }\n\n";
    let batch = |at: i64, data: &str| {
        format!(
            "event: data\ndata: {{\"data\":[{data}],\ndata: \"logicalTimestampMs\":{at},\"maxDelayMs\":1}}\n\n"
        )
    };
    let one = r#"{"tsId":"A","value":1.5}"#;
    let (now, then) = (1_749_999_990_000, 1_749_999_980_000);
    let end = "event: control-message\ndata: {\"event\":\"END_OF_CHANNEL\"}\n\n";
    let good = format!(
        "{START}: hint\nevent: metadata\ndata: {{}}\n\n{}{}{end}",
        batch(then, r#"{"tsId":"A","value":7}"#),
        batch(now, &format!(r#"{one},{{"tsId":"B","value":null}}"#)),
    );
    let null = format!("{START}{}", batch(now, r#"{"tsId":"A","value":null}"#));
    let two = format!(
        "{START}{}",
        batch(now, &format!(r#"{one},{{"tsId":"B","value":2}}"#))
    );
    let bad = format!("{START}{}", batch(now, "1"));
    let old = format!("{START}{}", batch(1_749_990_000_000, one));
    let abort = format!(
        "{START}{}event: control-message\ndata: {{\"event\":\"CHANNEL_ABORT\",\"abortInfo\":{{\"sf_job_abortReason\":\"hunter2-marker\"}}}}\n\n",
        batch(now, one)
    );
    let error = "event: error\ndata: {\"errors\":[{\"code\":\"X\"}]}\n\n";
    check(
        json!({ "type": "splunk", "address": "https://api.us1.signalfx.com" }),
        &[("sf_token_key", SECRET)],
        "data('x').mean().publish()",
        &[
            (200, &good),
            (200, START),
            (200, &null),
            (200, &two),
            (200, &bad),
            (200, &old),
            (200, &abort),
            (200, error),
        ],
        [expect![[]], expect![[]]],
    )
    .await;
    let secret = [("sf_token_key", SECRET)];
    let provider = json!({ "type": "splunk", "address": "wss://stream.us1.signalfx.com" });
    let case = Case::new(provider, &secret, "p");
    expect![[]].assert_eq(&case.probes(&[(200, "")]).await);
}

#[tokio::test]
async fn external_metrics_at_an_address() {
    let list = |items: &str| format!(r#"{{"kind":"ExternalMetricValueList","items":[{items}]}}"#);
    let item = |value: &str| {
        format!(r#"{{"metricName":"m","timestamp":"2025-06-15T15:06:00Z","value":"{value}"}}"#)
    };
    let (good, quantity, none) = (list(&item("1500m")), list(&item("x")), list(""));
    let two = list(&format!("{},{}", item("1"), item("2")));
    let old = list(&item("1").replace("15:06", "12:06"));
    check(
        json!({ "type": "externalmetrics", "address": "https://k.test/base/", "insecureSkipVerify": true }),
        &[("token", SECRET)],
        "ns/queue@x:y?labelSelector=a%3Db%2Cc&x=y",
        &[
            (200, &good),
            (200, &none),
            (200, &two),
            (200, &old),
            (200, &quantity),
            (200, r#"{"items":[{"value":7}]}"#),
        ],
        [expect![[]], expect![[]]],
    )
    .await;
    let path = async |query: &str, expected: Expect| {
        let provider = json!({ "type": "externalmetrics", "address": "https://k.test" });
        expected.assert_eq(&Case::new(provider, &[], query).table(&[(200, &good)]).await);
    };
    path("m", expect![[]]).await;
    path("/m", expect![[]]).await;
    path("a/../m", expect![[]]).await;
    path("%2e%2e/m", expect![[]]).await;
    path("a/", expect![[]]).await;
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let check = async |provider: Value, secret: &[(&str, &str)], expected: Expect| {
        let told = Case::new(provider, secret, "q").table(&[(200, "")]).await;
        expected.assert_eq(told.trim_start());
    };
    let address = "http://a.test";
    check(json!({ "type": "datadog" }), &[], expect![[]]).await;
    check(
        json!({ "type": "datadog" }),
        &[("datadog_api_key", SECRET)],
        expect![[]],
    )
    .await;
    check(
        json!({ "type": "newrelic" }),
        &[("newrelic_query_key", SECRET)],
        expect![[]],
    )
    .await;
    check(
        json!({ "type": "dynatrace" }),
        &[("dynatrace_token", SECRET)],
        expect![[]],
    )
    .await;
    check(
        json!({ "type": "dynatrace", "address": address }),
        &[("token", SECRET)],
        expect![[]],
    )
    .await;
    check(
        json!({ "type": "graphite", "address": address }),
        &[("username", "u")],
        expect![[]],
    )
    .await;
    check(
        json!({ "type": "influxdb", "address": address }),
        &[("token", SECRET)],
        expect![[]],
    )
    .await;
    check(
        json!({ "type": "splunk", "address": "ftp://x" }),
        &[("sf_token_key", SECRET)],
        expect![[]],
    )
    .await;
    check(
        json!({ "type": "splunk", "address": address }),
        &[("token", SECRET)],
        expect![[]],
    )
    .await;
    check(json!({ "type": "stackdriver" }), &[], expect![[]]).await;
    check(
        json!({ "type": "stackdriver" }),
        &[("serviceAccountKey", SECRET)],
        expect![[]],
    )
    .await;
    check(json!({ "type": "cloudwatch" }), &[], expect![[]]).await;
    check(
        json!({ "type": "cloudwatch", "region": "evil.test/" }),
        &[],
        expect![[]],
    )
    .await;
    check(
        json!({ "type": "externalmetrics" }),
        &[("token", SECRET)],
        expect![[]],
    )
    .await;
    check(json!({ "type": "oracle" }), &[], expect![[]]).await;
}
