//! No provider is asked about the time before the canary had traffic

use analysis::measure;
use chrono::TimeDelta;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::fixture::{network, now, told};
use crate::loopback::{Loopback, reply};
use crate::recorded::{Case, Recorded};

const SECRETS: [(&str, &str); 10] = [
    ("datadog_api_key", "a-key"),
    ("datadog_application_key", "b-key"),
    ("newrelic_account_id", "12345"),
    ("newrelic_query_key", "c-key"),
    ("dynatrace_token", "d-key"),
    ("sf_token_key", "e-key"),
    ("token", "f-key"),
    ("org", "the-org"),
    ("username", "user"),
    ("password", "pass-word"),
];

/// A case whose check covers `interval_s`, with traffic since `age_s` seconds.
/// The core has already cut an interval that is longer than that.
fn case(provider: &Value, query: &str, interval_s: i64, age_s: i64) -> Case {
    let mut case = Case::new(provider.clone(), &SECRETS, query);
    case.check.interval = TimeDelta::seconds(interval_s.min(age_s));
    case.context.traffic_started = Some(now() - TimeDelta::seconds(age_s));
    case
}

/// What is asked, in one line, by the age of the traffic.
async fn check(provider: Value, query: &str, pick: fn(&str) -> String, expected: Expect) {
    let mut lines = Vec::new();
    for age_s in [10, 90, 3600] {
        let mut recorded = Recorded::new(&[]);
        recorded.variables.insert("AWS_ACCESS_KEY_ID", "ID-of-key");
        recorded
            .variables
            .insert("AWS_SECRET_ACCESS_KEY", "the-key");
        let told = case(&provider, query, 60, age_s).measured(&recorded).await;
        let asked = recorded.asked();
        let line = if asked.is_empty() { told } else { pick(&asked) };
        lines.push(format!("{age_s:>4} s: {line}"));
    }
    expected.assert_eq(&lines.join("\n"));
}

fn head(asked: &str) -> String {
    asked.lines().next().unwrap_or_default().to_owned()
}

fn tail(asked: &str) -> String {
    let asked = asked.split("\n---\n").last().unwrap_or_default();
    asked.lines().last().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn windows_begin_with_the_traffic() {
    check(json!({ "type": "datadog" }), "q", head, expect![[r#"
          10 s: Get https://api.datadoghq.com/api/v1/query?from=1749999990&query=q&to=1750000000
          90 s: Get https://api.datadoghq.com/api/v1/query?from=1749999910&query=q&to=1750000000
        3600 s: Get https://api.datadoghq.com/api/v1/query?from=1749999400&query=q&to=1750000000"#]]).await;
    check(json!({ "type": "newrelic" }), "q", head, expect![[r#"
          10 s: Get https://insights-api.newrelic.com/v1/accounts/12345/query?nrql=q+SINCE+10+seconds+ago
          90 s: Get https://insights-api.newrelic.com/v1/accounts/12345/query?nrql=q+SINCE+60+seconds+ago
        3600 s: Get https://insights-api.newrelic.com/v1/accounts/12345/query?nrql=q+SINCE+60+seconds+ago"#]]).await;
    check(
        json!({ "type": "dynatrace", "address": "http://d.test" }),
        "q",
        head,
        expect![[r#"
              10 s: Get http://d.test/api/v2/metrics/query?from=1749999990000&metricSelector=q&resolution=Inf&to=1750000000000
              90 s: Get http://d.test/api/v2/metrics/query?from=1749999910000&metricSelector=q&resolution=Inf&to=1750000000000
            3600 s: Get http://d.test/api/v2/metrics/query?from=1749999400000&metricSelector=q&resolution=Inf&to=1750000000000"#]],
    )
    .await;
    check(
        json!({ "type": "splunk", "address": "https://api.s.test" }),
        "q",
        head,
        expect![[r#"
              10 s: Post https://stream.s.test/v2/signalflow/execute?start=1749999990000&stop=1750000000000&immediate=true
              90 s: Post https://stream.s.test/v2/signalflow/execute?start=1749999910000&stop=1750000000000&immediate=true
            3600 s: Post https://stream.s.test/v2/signalflow/execute?start=1749999400000&stop=1750000000000&immediate=true"#]],
    )
    .await;
    check(
        json!({ "type": "graphite", "address": "http://g.test" }),
        "target=x&from=-{{ interval }}",
        head,
        expect![[r#"
              10 s: Get http://g.test/render?format=json&from=-10s&target=x
              90 s: Get http://g.test/render?format=json&from=-60s&target=x
            3600 s: Get http://g.test/render?format=json&from=-60s&target=x"#]],
    )
    .await;
    check(
        json!({ "type": "influxdb", "address": "http://i.test" }),
        "range(start: -{{ interval }})",
        tail,
        expect![[r#"
              10 s: {"dialect":{"annotations":["datatype","group","default"],"delimiter":",","header":true},"query":"range(start: -10s)","type":"flux"}
              90 s: {"dialect":{"annotations":["datatype","group","default"],"delimiter":",","header":true},"query":"range(start: -1m)","type":"flux"}
            3600 s: {"dialect":{"annotations":["datatype","group","default"],"delimiter":",","header":true},"query":"range(start: -1m)","type":"flux"}"#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn buckets_and_timeframes_begin_with_the_traffic() {
    check(
        json!({ "type": "cloudwatch", "region": "eu-west-1" }),
        r#"[{"Id":"m","MetricStat":{"Period":60}}]"#,
        tail,
        expect![[r#"
              10 s: error: cloudwatch eu-west-1 has no bucket of 60 s yet that began after the canary had traffic
              90 s: {"EndTime":1750000000,"MaxDatapoints":20,"MetricDataQueries":[{"Id":"m","MetricStat":{"Period":60}}],"StartTime":1749999960}
            3600 s: {"EndTime":1750000000,"MaxDatapoints":20,"MetricDataQueries":[{"Id":"m","MetricStat":{"Period":60}}],"StartTime":1749999400}"#]],
    )
    .await;
    check(
        json!({ "type": "cloudwatch", "region": "eu-west-1" }),
        r#"[{"Id":"m","MetricStat":{"Period":300}}]"#,
        tail,
        expect![[r#"
              10 s: error: cloudwatch eu-west-1 has no bucket of 300 s yet that began after the canary had traffic
              90 s: error: cloudwatch eu-west-1 has no bucket of 300 s yet that began after the canary had traffic
            3600 s: {"EndTime":1750000000,"MaxDatapoints":20,"MetricDataQueries":[{"Id":"m","MetricStat":{"Period":300}}],"StartTime":1749999400}"#]],
    )
    .await;
    check(
        json!({ "type": "keptn" }),
        "analysis/ns/name",
        |asked| asked.lines().nth(1).unwrap_or_default().to_owned(),
        expect![[r#"
              10 s: {"apiVersion":"metrics.keptn.sh/v1beta1","kind":"Analysis","metadata":{"name":"name-609952","namespace":"ns"},"spec":{"analysisDefinition":{"name":"name"},"args":{},"timeframe":{"recent":"10s"}}}
              90 s: {"apiVersion":"metrics.keptn.sh/v1beta1","kind":"Analysis","metadata":{"name":"name-609952","namespace":"ns"},"spec":{"analysisDefinition":{"name":"name"},"args":{},"timeframe":{"recent":"1m"}}}
            3600 s: {"apiVersion":"metrics.keptn.sh/v1beta1","kind":"Analysis","metadata":{"name":"name-609952","namespace":"ns"},"spec":{"analysisDefinition":{"name":"name"},"args":{},"timeframe":{"recent":"1m"}}}"#]],
    )
    .await;
}

#[tokio::test]
async fn values_from_before_the_traffic_count_for_nothing() {
    // Over loopback, as Dynatrace answers: the point is of 80 s ago.
    let body = r#"{"result":[{"data":[{"timestamps":[1749999920000],"values":[5]}]}]}"#;
    for (age_s, expected) in [(90, "value 5"), (70, "before the canary had traffic")] {
        let server = Loopback::start(vec![reply(200, "", body)]).await;
        let provider = json!({ "type": "dynatrace", "address": server.url() });
        let case = case(&provider, "q", 60, age_s);
        let sample = measure(&case.check, "k", &case.context, &network()).await;
        assert!(told(&sample).ends_with(expected), "{}", told(&sample));
        let from = (now().timestamp() - age_s) * 1000;
        let asked = server.requests().join("");
        assert!(asked.contains(&format!("from={from}&")), "{asked}");
    }
    // A bucket that began before and ended after tells of both.
    let body = r#"{"series":[{"interval":20,"pointlist":[[1749999920000,5]]}]}"#;
    for (age_s, is_told) in [(70, true), (50, false)] {
        let told = case(&json!({ "type": "datadog" }), "q", 60, age_s)
            .measured(&Recorded::new(&[(200, body)]))
            .await;
        assert_eq!(told == "value 5", is_told, "{told}");
    }
}
