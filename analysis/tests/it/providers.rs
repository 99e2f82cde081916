//! What each provider asks, and what each answer is worth

use expect_test::{Expect, expect};
use rollout::spec::{Defaults, ValidSpec};
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

fn borrowed(answers: &[(u16, String)]) -> Vec<Recording<'_>> {
    let borrowed = answers
        .iter()
        .map(|(status, body)| (*status, body.as_str()));
    borrowed.collect()
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
            (200, r#"{"series":[{"interval":10000,"pointlist":[[1749990000000,1]]}]}"#),
            (200, r#"{"series":[{"pointlist":[[1,2]]},{"pointlist":[[1,2]]}]}"#),
            (200, r#"{"series":[{"pointlist":[["x"]]}]}"#),
            (200, r#"{"status":"error","error":"no such metric for hunter2-marker","series":[]}"#),
        ],
        [expect![[r#"
            Get https://api.datadoghq.com/api/v1/query?from=1749999400&query=avg%3Ax%7Bn%3Atest%7D&to=1750000000
            dd-api-key: hunter2-marker
            dd-application-key: hunter2-marker-app
            value 1.5
            value 2
            nothing: no values found for custom metric: m
            nothing: no values found for custom metric: m
            error: datadog https://api.datadoghq.com answered with a value more than 11 min old
            value 1
            error: datadog https://api.datadoghq.com answered with 2 series instead of one; aggregate them in the query
            error: datadog https://api.datadoghq.com gave an answer that cannot be read: invalid type: string "x", expected f64 at line 1 column 29
            error: datadog https://api.datadoghq.com answered with an error: no such metric for ***
            error: datadog https://api.datadoghq.com gave an answer that cannot be read: it is empty
            error: datadog https://api.datadoghq.com gave an answer that cannot be read: it is HTML, not JSON
            error: datadog https://api.datadoghq.com gave an answer that cannot be read: invalid type: integer `1`, expected a sequence at line 1 column 12
            error: datadog https://api.datadoghq.com answered 403: Forbidden for ***
            error: datadog https://api.datadoghq.com answered 502: <html>
            error: datadog https://api.datadoghq.com refused the connection"#]], expect![[r#"
            Get https://api.datadoghq.com/api/v1/validate
            dd-api-key: hunter2-marker
            dd-application-key: hunter2-marker-app
            available
            available
            not available: datadog https://api.datadoghq.com answered 403: Forbidden for ***
            not available: datadog https://api.datadoghq.com refused the connection"#]]],
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
        [expect![[r#"
            Get https://insights-api.newrelic.com/v1/accounts/4711/query?nrql=SELECT+percentage%28count%28*%29%2C+WHERE+error%29+FROM+T+SINCE+60+seconds+ago
            x-query-key: hunter2-marker
            value 1.5
            nothing: no values found for custom metric: m
            nothing: no values found for custom metric: m
            error: newrelic https://insights-api.newrelic.com answered with 2 results instead of one; aggregate them in the query
            error: newrelic https://insights-api.newrelic.com gave an answer that cannot be read: invalid type: string "***", expected f64 at line 1 column 28
            error: newrelic https://insights-api.newrelic.com gave an answer that cannot be read: it is empty
            error: newrelic https://insights-api.newrelic.com gave an answer that cannot be read: it is HTML, not JSON
            error: newrelic https://insights-api.newrelic.com gave an answer that cannot be read: invalid type: integer `1`, expected a sequence at line 1 column 26
            error: newrelic https://insights-api.newrelic.com answered 403: Forbidden for ***
            error: newrelic https://insights-api.newrelic.com answered 502: <html>
            error: newrelic https://insights-api.newrelic.com refused the connection"#]], expect![[r#"
            Get https://insights-api.newrelic.com/v1/accounts/4711/query?nrql=SELECT+*+FROM+Metric+SINCE+60+seconds+ago
            x-query-key: hunter2-marker
            available
            available
            not available: newrelic https://insights-api.newrelic.com answered 403: Forbidden for ***
            not available: newrelic https://insights-api.newrelic.com refused the connection"#]]],
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
    expect![[r#"

        error: newrelic http://eu cannot be asked: newrelic_account_id of its Secret is not a number"#]].assert_eq(&case.table(&[(200, "")]).await);
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
        [expect![[r#"
            Get https://dt.test/e/1/api/v2/metrics/query?from=1749999400000&metricSelector=builtin%3Ax%3Aavg&resolution=Inf&to=1750000000000
            authorization: Api-Token hunter2-marker
            value 1.5
            nothing: no values found for custom metric: m
            nothing: no values found for custom metric: m
            nothing: no values found for custom metric: m
            nothing: no values found for custom metric: m
            error: dynatrace https://dt.test answered with 2 series instead of one; aggregate them in the query
            error: dynatrace https://dt.test answered with a value more than 1 min ahead; its clock differs from ours
            error: dynatrace https://dt.test answered 400: bad selector
            error: dynatrace https://dt.test gave an answer that cannot be read: it is empty
            error: dynatrace https://dt.test gave an answer that cannot be read: it is HTML, not JSON
            error: dynatrace https://dt.test gave an answer that cannot be read: invalid type: integer `1`, expected a sequence at line 1 column 39
            error: dynatrace https://dt.test answered 403: Forbidden for ***
            error: dynatrace https://dt.test answered 502: <html>
            error: dynatrace https://dt.test refused the connection"#]], expect![[r#"
            Get https://dt.test/e/1/api/v2/metrics?pageSize=1
            authorization: Api-Token hunter2-marker
            available
            available
            not available: dynatrace https://dt.test answered 403: Forbidden for ***
            not available: dynatrace https://dt.test refused the connection"#]]],
    )
    .await;
}

#[tokio::test]
async fn graphite() {
    check(
        json!({ "type": "graphite", "address": "http://g.test/base", "insecureSkipVerify": true }),
        &[("username", "user"), ("password", SECRET)],
        "target=summarize(\n  a.{{ target }}.{b,c}, '{{ interval }}')&from=-10min&format=png",
        &[
            (200, r#"[{"target":"a","datapoints":[[1,1749999880],[1.5,1749999940],[null,1750000000]]}]"#),
            (200, r#"[{"target":"a","datapoints":[["2.5","1749999940"]]}]"#),
            (200, r#"[{"target":"a","datapoints":[[null,1749999940]]},{"target":"b","datapoints":[[3,1749999940]]}]"#),
            (200, r#"[{"target":"a","datapoints":[[1,1749999940]]},{"target":"b","datapoints":[[3,1749999940]]}]"#),
            (200, "[]"),
            (200, r#"[{"target":"a","datapoints":[]}]"#),
            (200, r#"[{"target":"a","datapoints":[[7,1749990000]]}]"#),
            (200, r#"[{"target":"a","datapoints":[[6,1749992800],[7,1749996400]]}]"#),
            (200, r#"[{"target":"a","datapoints":[["NaN",1749999940]]}]"#),
            (200, r#"[{"target":"a","datapoints":[[true,1749999940]]}]"#),
            (200, r#"[{"target":"a","datapoints":[[1]]}]"#),
        ],
        [expect![[r#"
            Get http://g.test/base/render?format=json&from=-10min&target=summarize%28+a.podinfo-app.%7Bb%2Cc%7D%2C+%2760s%27%29 (any certificate)
            authorization: Basic dXNlcjpodW50ZXIyLW1hcmtlcg==
            value 1.5
            value 2.5
            value 3
            error: graphite http://g.test answered with 2 targets instead of one; aggregate them in the query
            nothing: no values found for custom metric: m
            nothing: no values found for custom metric: m
            error: graphite http://g.test answered with a value more than 11 min old
            value 7
            nothing: no values found for custom metric: m: the query returned NaN
            error: graphite http://g.test gave an answer that cannot be read: a datapoint has true in place of a number
            error: graphite http://g.test gave an answer that cannot be read: invalid length 1, expected a tuple of size 2 at line 1 column 32
            error: graphite http://g.test gave an answer that cannot be read: it is empty
            error: graphite http://g.test gave an answer that cannot be read: it is HTML, not JSON
            error: graphite http://g.test gave an answer that cannot be read: invalid type: map, expected a sequence at line 1 column 0
            error: graphite http://g.test answered 403: Forbidden for ***
            error: graphite http://g.test answered 502: <html>
            error: graphite http://g.test refused the connection"#]], expect![[r#"
            Get http://g.test/base/render?format=json&target=test (any certificate)
            authorization: Basic dXNlcjpodW50ZXIyLW1hcmtlcg==
            available
            not available: graphite http://g.test gave an answer that cannot be read: it is HTML, not JSON
            not available: graphite http://g.test answered 403: Forbidden for ***
            not available: graphite http://g.test refused the connection"#]]],
    )
    .await;
}

fn influxdb_answers() -> Vec<(u16, String)> {
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
    vec![
        (200, good.clone()),
        (200, "#datatype,string,long,double,string\n#group,false,false,false,true\n#default,_result,,,\n,result,table,_value,\"a,b\"\n,,0,2.5,\"x\"\"y\nz\"\n".to_owned()),
        (200, nil.clone()),
        (200, "\r\n".to_owned()),
        (200, HEAD.to_owned()),
        (200, old.clone()),
        (200, nan.clone()),
        (200, inf.clone()),
        (200, word.clone()),
        (200, two.clone()),
        (200, results.clone()),
        (200, long.clone()),
        (200, nameless.clone()),
        (200, "#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,no bucket for hunter2-marker,897\r\n".to_owned()),
        (200, "a,\"b".to_owned()),
        (401, r#"{"code":"unauthorized","message":"unauthorized access"}"#.to_owned()),
    ]
}

#[tokio::test]
async fn influxdb() {
    let answers = influxdb_answers();
    let answers: Vec<Recording<'_>> = borrowed(&answers);
    check(
        json!({ "type": "influxdb", "address": "http://i.test:8086" }),
        &[("token", SECRET), ("org", "my org")],
        "from(bucket: \"b\") |> mean()",
        &answers,
        [expect![[r#"
            Post http://i.test:8086/api/v2/query?org=my+org
            accept: text/csv
            content-type: application/json
            authorization: Token hunter2-marker

            {"dialect":{"annotations":["datatype","group","default"],"delimiter":",","header":true},"query":"from(bucket: \"b\") |> mean()","type":"flux"}
            value 1.5
            value 2.5
            nothing: no values found for custom metric: m
            nothing: no values found for custom metric: m
            nothing: no values found for custom metric: m
            error: influxdb http://i.test:8086 answered with a value more than 11 min old
            nothing: no values found for custom metric: m: the query returned NaN
            error: influxdb http://i.test:8086 answered with +Inf, which is not a finite number
            error: influxdb http://i.test:8086 gave an answer that cannot be read: "x" is not a number
            error: influxdb http://i.test:8086 answered with 2 tables instead of one; aggregate them in the query
            error: influxdb http://i.test:8086 answered with 2 tables instead of one; aggregate them in the query
            error: influxdb http://i.test:8086 answered with a long, not a double; use float() or toFloat() in the query
            nothing: no values found for custom metric: m
            error: influxdb http://i.test:8086 answered with an error: no bucket for ***
            error: influxdb http://i.test:8086 gave an answer that cannot be read: it is not annotated CSV
            error: influxdb http://i.test:8086 answered 401: unauthorized access
            nothing: no values found for custom metric: m
            error: influxdb http://i.test:8086 gave an answer that cannot be read: it is not annotated CSV
            error: influxdb http://i.test:8086 gave an answer that cannot be read: it is not annotated CSV
            error: influxdb http://i.test:8086 answered 403: Forbidden for ***
            error: influxdb http://i.test:8086 answered 502: <html>
            error: influxdb http://i.test:8086 refused the connection"#]], expect![[r#"
            Post http://i.test:8086/api/v2/query?org=my+org
            accept: text/csv
            content-type: application/json
            authorization: Token hunter2-marker

            {"dialect":{"annotations":["datatype","group","default"],"delimiter":",","header":true},"query":"from(bucket: \"default\") |> range(start: -2h)","type":"flux"}
            available
            not available: influxdb http://i.test:8086 gave an answer that cannot be read: it is not annotated CSV
            not available: influxdb http://i.test:8086 answered 403: Forbidden for ***
            not available: influxdb http://i.test:8086 refused the connection"#]]],
    )
    .await;
}

fn splunk_answers() -> Vec<(u16, String)> {
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
    vec![
        (200, good),
        (200, START.to_owned()),
        (200, null),
        (200, two),
        (200, bad),
        (200, old),
        (200, abort),
        (200, error.to_owned()),
    ]
}

#[tokio::test]
async fn splunk() {
    let answers = splunk_answers();
    let answers: Vec<Recording<'_>> = borrowed(&answers);
    check(
        json!({ "type": "splunk", "address": "https://api.us1.signalfx.com" }),
        &[("sf_token_key", SECRET)],
        "data('x').mean().publish()",
        &answers,
        [expect![[r#"
            Post https://stream.us1.signalfx.com/v2/signalflow/execute?start=1749999400000&stop=1750000000000&immediate=true
            x-sf-token: hunter2-marker
            accept: text/event-stream
            content-type: text/plain

            data('x').mean().publish()
            value 1.5
            nothing: no values found for custom metric: m
            nothing: no values found for custom metric: m
            error: splunk https://stream.us1.signalfx.com answered with 2 time series instead of one; aggregate them in the query
            error: splunk https://stream.us1.signalfx.com gave an answer that cannot be read: invalid type: integer `1`, expected struct Datum at line 1 column 10
            error: splunk https://stream.us1.signalfx.com answered with a value more than 11 min old
            error: splunk https://stream.us1.signalfx.com answered with an error: {"abortInfo":{"sf_job_abortReason":"***"},"event":"CHANNEL_ABORT"}
            error: splunk https://stream.us1.signalfx.com answered with an error: {"errors":[{"code":"X"}]}
            error: splunk https://stream.us1.signalfx.com gave an answer that cannot be read: it is not a stream of events
            error: splunk https://stream.us1.signalfx.com gave an answer that cannot be read: it is not a stream of events
            error: splunk https://stream.us1.signalfx.com gave an answer that cannot be read: it is not a stream of events
            error: splunk https://stream.us1.signalfx.com answered 403: Forbidden for ***
            error: splunk https://stream.us1.signalfx.com answered 502: <html>
            error: splunk https://stream.us1.signalfx.com refused the connection"#]], expect![[r#"
            Get https://api.us1.signalfx.com/v2/metric?limit=1
            x-sf-token: hunter2-marker
            available
            available
            not available: splunk https://stream.us1.signalfx.com answered 403: Forbidden for ***
            not available: splunk https://stream.us1.signalfx.com refused the connection"#]]],
    )
    .await;
    let secret = [("sf_token_key", SECRET)];
    let provider = json!({ "type": "splunk", "address": "wss://stream.us1.signalfx.com" });
    let case = Case::new(provider, &secret, "p");
    expect![[r#"
        Get https://api.us1.signalfx.com/v2/metric?limit=1
        x-sf-token: hunter2-marker
        available"#]]
    .assert_eq(&case.probes(&[(200, "")]).await);
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
        [expect![[r#"
            Get https://k.test/base/apis/external.metrics.k8s.io/v1beta1/namespaces/ns/queue@x:y?labelSelector=a%3Db%2Cc (any certificate)
            accept: application/json
            authorization: Bearer hunter2-marker
            value 1.5
            nothing: no values found for custom metric: m
            error: externalmetrics https://k.test answered with 2 values instead of one; aggregate them in the query
            error: externalmetrics https://k.test answered with a value more than 11 min old
            error: externalmetrics https://k.test gave an answer that cannot be read: "x" is not a quantity
            error: externalmetrics https://k.test gave an answer that cannot be read: invalid type: integer `7`, expected a string
            error: externalmetrics https://k.test gave an answer that cannot be read: it is empty
            error: externalmetrics https://k.test gave an answer that cannot be read: it is HTML, not JSON
            error: externalmetrics https://k.test gave an answer that cannot be read: EOF while parsing an object at line 1 column 39
            error: externalmetrics https://k.test answered 403: Forbidden for ***
            error: externalmetrics https://k.test answered 502: <html>
            error: externalmetrics https://k.test refused the connection"#]], expect![[r#"
            Get https://k.test/base/apis/external.metrics.k8s.io/v1beta1/namespaces/kube-system/dummy-metric (any certificate)
            accept: application/json
            authorization: Bearer hunter2-marker
            available
            available
            not available: externalmetrics https://k.test answered 403: Forbidden for ***
            not available: externalmetrics https://k.test refused the connection"#]]],
    )
    .await;
    let path = async |query: &str, expected: Expect| {
        let provider = json!({ "type": "externalmetrics", "address": "https://k.test" });
        expected.assert_eq(&Case::new(provider, &[], query).table(&[(200, &good)]).await);
    };
    path(
        "m",
        expect![[r#"
        Get https://k.test/apis/external.metrics.k8s.io/v1beta1/namespaces/default/m
        accept: application/json
        value 1.5"#]],
    )
    .await;
    path(
        "/m",
        expect![[r#"
        Get https://k.test/apis/external.metrics.k8s.io/v1beta1/namespaces/default/m
        accept: application/json
        value 1.5"#]],
    )
    .await;
    path("a/../m", expect![[r#"

        error: externalmetrics https://k.test cannot be asked: the query must be <namespace>/<metric>?labelSelector=<escaped>"#]]).await;
    path("%2e%2e/m", expect![[r#"

        error: externalmetrics https://k.test cannot be asked: the query must be <namespace>/<metric>?labelSelector=<escaped>"#]]).await;
    path("a/", expect![[r#"

        error: externalmetrics https://k.test cannot be asked: the query must be <namespace>/<metric>?labelSelector=<escaped>"#]]).await;
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let at = |type_: &str| json!({ "type": type_, "address": "http://a.test" });
    let of = |type_: &str| json!({ "type": type_ });
    let rows: [(Value, &[(&str, &str)]); 15] = [
        (of("datadog"), &[]),
        (of("datadog"), &[("datadog_api_key", SECRET)]),
        (of("newrelic"), &[("newrelic_query_key", SECRET)]),
        (of("dynatrace"), &[("dynatrace_token", SECRET)]),
        (at("dynatrace"), &[("token", SECRET)]),
        (at("graphite"), &[("username", "u")]),
        (at("influxdb"), &[("token", SECRET)]),
        (
            json!({ "type": "splunk", "address": "ftp://x" }),
            &[("sf_token_key", SECRET)],
        ),
        (at("splunk"), &[("token", SECRET)]),
        (of("stackdriver"), &[]),
        (of("stackdriver"), &[("serviceAccountKey", SECRET)]),
        (of("cloudwatch"), &[]),
        (json!({ "type": "cloudwatch", "region": "evil.test/" }), &[]),
        (of("externalmetrics"), &[("token", SECRET)]),
        (of("oracle"), &[]),
    ];
    let mut lines = Vec::new();
    for (provider, secret) in rows {
        let told = Case::new(provider, secret, "q").table(&[(200, "")]).await;
        lines.push(
            told.replace("error: Metric template t.flagger error: ", "")
                .replace('\n', ""),
        );
    }
    expect![[r#"
        spec.provider.secretRef must name a Secret with datadog_api_key and datadog_application_key
        secret "s" of spec.provider.secretRef has no key "datadog_application_key"; set datadog_api_key and datadog_application_key
        secret "s" of spec.provider.secretRef has no key "newrelic_account_id"; set newrelic_account_id and newrelic_query_key
        spec.provider.address must be an http or https URL, for example "http://prometheus:9090"
        secret "s" of spec.provider.secretRef has no key "dynatrace_token"; set dynatrace_token
        secret "s" of spec.provider.secretRef has no key "password"; set username and password
        secret "s" of spec.provider.secretRef has no key "org"; set token and org
        spec.provider.address must be an http or https URL, for example "http://prometheus:9090"
        secret "s" of spec.provider.secretRef has no key "sf_token_key"; set sf_token_key
        spec.provider.secretRef must name a Secret with project, and serviceAccountKey unless the operator itself may read the metrics
        secret "s" of spec.provider.secretRef has no key "project"; set project, and serviceAccountKey unless the operator itself may read the metrics
        spec.provider.region must be an AWS region, for example "eu-west-1"
        spec.provider.region must be an AWS region, for example "eu-west-1"
        spec.provider.address is needed with the key "token" of spec.provider.secretRef; without both, the operator's own access is used
        spec.provider.type "oracle" is not known; use prometheus, influxdb, datadog, externalmetrics, stackdriver, cloudwatch, newrelic, graphite, dynatrace, keptn or splunk"#]].assert_eq(&lines.join("\n"));
}

/// Q14: a templateRef without an interval is asked over the default.
#[tokio::test]
async fn the_interval_of_a_template_is_a_minute() {
    let canary: api::Canary = serde_json::from_value(json!({
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": { "name": "podinfo", "namespace": "test" },
        "spec": {
            "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo" },
            "service": { "port": 80 },
            "analysis": {
                "interval": "30s", "threshold": 1, "stepWeight": 50, "maxWeight": 50,
                "metrics": [{ "name": "m", "templateRef": { "name": "t", "namespace": "flagger" } }],
            },
        },
    }))
    .unwrap();
    let spec = ValidSpec::validate(&canary, &Defaults::default()).unwrap();
    let secret = [("datadog_api_key", "a"), ("datadog_application_key", "b")];
    let mut case = Case::new(json!({ "type": "datadog" }), &secret, "x{{ interval }}");
    case.check = spec.checks.first().unwrap().clone();
    let told = case.table(&[(200, "{}")]).await;
    expect![[r#"
        Get https://api.datadoghq.com/api/v1/query?from=1749999400&query=x1m&to=1750000000
        dd-api-key: a
        dd-application-key: b
        nothing: no values found for custom metric: m"#]]
    .assert_eq(&told);
}
