//! Amazon CloudWatch: GetMetricData over its JSON protocol, signed by us
//!
//! A query is a JSON array of MetricDataQuery; the newest value of the one
//! result counts. Who we are is found as AWS' own clients do (`credentials`).

mod credentials;
mod signature;

use std::time::Duration;

use api::metric_template::MetricProvider;
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::When;
use super::answer::{Answer, Point, unix_ms};
use super::kept::Source;
use crate::context::Unusable;
use crate::outbound::{HttpRequest, Method, Outbound};
use credentials::Keys;
use signature::Scope;

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

const TARGET: &str = "GraniteServiceVersion20100801.GetMetricData";

const DATAPOINTS_MAX: u32 = 20;

/// Attempts after the first, where another can help.
const RETRIES_MAX: u32 = 3;

const RETRY_FIRST: Duration = Duration::from_millis(100);

/// Members of MetricDataQuery and of what is in it. Flagger reads them in any
/// case, because Go does; the API takes this one only.
const MEMBERS: [&str; 15] = [
    "AccountId",
    "Dimensions",
    "Expression",
    "Id",
    "Label",
    "Metric",
    "MetricName",
    "MetricStat",
    "Name",
    "Namespace",
    "Period",
    "ReturnData",
    "Stat",
    "Unit",
    "Value",
];

/// Kinds of refusal that say who asks, not what is asked, is wrong. They too have
/// status 400 in this protocol.
const REFUSALS: [&str; 9] = [
    "AccessDenied",
    "ExpiredToken",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "OptInRequired",
    "SignatureDoesNotMatch",
    "Throttl",
    "UnrecognizedClient",
];

/// CloudWatch of one region.
#[derive(Clone)]
pub(super) struct CloudWatch {
    region: String,
}

impl CloudWatch {
    pub(super) fn read(spec: &MetricProvider) -> Result<Self, Unusable> {
        let region = spec.region.clone().unwrap_or_default();
        // It becomes part of the host.
        let is_region = !region.is_empty()
            && region
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if is_region {
            Ok(Self { region })
        } else {
            Err(Unusable::Region)
        }
    }

    pub(super) fn shown(&self) -> String {
        format!("cloudwatch {}", self.region)
    }

    pub(super) async fn ask(
        &self,
        query: &str,
        when: &When,
        outbound: &dyn Outbound,
    ) -> Result<Option<Point>, String> {
        let body = body(query, when)?;
        let (request, source) = self.request(&body, when, outbound).await?;
        let answer = retried(&request, outbound).await?;
        forget(source.as_ref(), &answer, outbound);
        answer.check_success()?;
        Ok(read(&answer)?.map(|point| point.covering(period(&body))))
    }

    /// A query of nothing must be refused as such.
    pub(super) async fn probe(&self, when: &When, outbound: &dyn Outbound) -> Result<(), String> {
        let body = json!({ "StartTime": 0, "EndTime": 0, "MetricDataQueries": [] });
        let (request, source) = self.request(&body, when, outbound).await?;
        let answer = retried(&request, outbound).await?;
        forget(source.as_ref(), &answer, outbound);
        if answer.status != 400 {
            return answer.check_success();
        }
        let kind = answer.json::<Fault>()?.kind;
        if REFUSALS.iter().any(|refusal| kind.contains(refusal)) {
            return Err(format!("{} ({})", answer.failure(), answer.quote(&kind)));
        }
        Ok(())
    }

    async fn request(
        &self,
        body: &Value,
        when: &When,
        outbound: &dyn Outbound,
    ) -> Result<(HttpRequest, Option<Source>), String> {
        let (keys, source) = credentials::find(&self.region, when.now, outbound)
            .await
            .map_err(|why| format!("cannot be asked: {why}"))?;
        let host = endpoint("monitoring", &self.region);
        let request = self.signed(&host, body.to_string(), &keys, when);
        let request =
            request.ok_or_else(|| "cannot be asked: its region makes no host name".to_owned())?;
        Ok((request, source))
    }

    fn signed(&self, host: &str, body: String, keys: &Keys, when: &When) -> Option<HttpRequest> {
        let url = Url::parse(&format!("https://{host}/")).ok()?;
        let date = signature::date(when.now);
        let mut headers = vec![
            ("content-type", CONTENT_TYPE),
            ("host", host),
            ("x-amz-date", &date),
        ];
        if let Some(token) = &keys.token {
            headers.push(("x-amz-security-token", token.expose()));
        }
        headers.push(("x-amz-target", TARGET));
        let scope = Scope {
            date: &date,
            region: &self.region,
            service: "monitoring",
        };
        let authorization =
            signature::authorization("POST", "/", &headers, body.as_bytes(), &scope, keys);
        let mut request = HttpRequest::new(Method::Post, url)
            .header("x-amz-date", &date)
            .header("x-amz-target", TARGET)
            .header("authorization", &authorization)
            .body(CONTENT_TYPE, body)
            .hiding(&keys.id)
            .hiding(&keys.key);
        if let Some(token) = &keys.token {
            request = request.secret_header("x-amz-security-token", "", token);
        }
        Some(request)
    }
}

/// Host of a service in a region; the partitions have their own domains.
fn endpoint(service: &str, region: &str) -> String {
    const PARTITIONS: [(&str, &str); 5] = [
        ("cn-", "amazonaws.com.cn"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("us-isof-", "csp.hci.ic.gov"),
        ("us-iso-", "c2s.ic.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
    ];
    let found = PARTITIONS
        .iter()
        .find(|(prefix, _)| region.starts_with(prefix));
    let domain = found.map_or("amazonaws.com", |(_, domain)| domain);
    format!("{service}.{region}.{domain}")
}

/// Sends until there is an answer that another attempt would not change.
async fn retried<'r>(
    request: &'r HttpRequest,
    outbound: &dyn Outbound,
) -> Result<Answer<'r>, String> {
    let mut pause = RETRY_FIRST;
    for _ in 0..RETRIES_MAX {
        match Answer::get(request, outbound).await {
            Ok(answer) if answer.status < 500 && answer.status != 429 => return Ok(answer),
            Ok(_) | Err(_) => tokio::time::sleep(pause).await,
        }
        pause = pause.saturating_mul(2);
    }
    Answer::get(request, outbound).await
}

/// Keys that were refused are not used again.
fn forget(source: Option<&Source>, answer: &Answer<'_>, outbound: &dyn Outbound) {
    let is_refused = match answer.status {
        401 | 403 => true,
        400 => answer
            .json::<Fault>()
            .is_ok_and(|fault| REFUSALS.iter().any(|refusal| fault.kind.contains(refusal))),
        _ => false,
    };
    if let (true, Some(source), Some(kept)) = (is_refused, source, outbound.kept()) {
        kept.forget(source);
    }
}

fn body(query: &str, when: &When) -> Result<Value, String> {
    let malformed = "cannot be asked: the query must be a JSON array of MetricDataQuery";
    let queries: Value =
        serde_json::from_str(query).map_err(|error| format!("{malformed}: {error}"))?;
    let Value::Array(queries) = queries else {
        return Err(malformed.to_owned());
    };
    if !queries.iter().all(Value::is_object) {
        return Err(malformed.to_owned());
    }
    let queries: Value = queries.into_iter().map(named).collect();
    let end = when.now.timestamp();
    let mut start = when.start().timestamp();
    if when
        .traffic_started
        .is_some_and(|started| started.timestamp() >= start)
    {
        // CloudWatch goes back to where a bucket begins: the next one is wanted.
        let bucket = bucket_s(&queries);
        start = match start.rem_euclid(bucket) {
            0 => start,
            past => start.saturating_add(bucket.saturating_sub(past)),
        };
    }
    if start >= end {
        let seconds = bucket_s(&queries);
        return Err(format!(
            "has no bucket of {seconds} s yet that began after the canary had traffic"
        ));
    }
    Ok(json!({
        "StartTime": start,
        "EndTime": end,
        "MaxDatapoints": DATAPOINTS_MAX,
        "MetricDataQueries": queries,
    }))
}

/// Length of the buckets in seconds; CloudWatch has none below a minute for what is
/// older than three hours, and rounds to minutes.
fn bucket_s(queries: &Value) -> i64 {
    const MINUTE_S: i64 = 60;
    const DAY_S: f64 = 86_400.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded by a day; parts of a second do not matter"
    )]
    let period = period(queries).clamp(0.0, DAY_S) as i64;
    period.max(MINUTE_S)
}

/// Members by their right names; those that are unknown left out, as Go does.
fn named(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(named).collect(),
        Value::Object(members) => members
            .into_iter()
            .filter_map(|(key, value)| {
                let name = MEMBERS
                    .iter()
                    .find(|name| name.eq_ignore_ascii_case(&key))?;
                Some(((*name).to_owned(), named(value)))
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// The longest Period of a query in seconds: points are named by its start.
fn period(value: &Value) -> f64 {
    let longest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    match value {
        Value::Array(items) => longest(&mut items.iter().map(period)),
        Value::Object(members) => longest(&mut members.iter().map(|(name, value)| {
            let own = value.as_f64().filter(|_| name == "Period");
            own.unwrap_or_else(|| period(value))
        })),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0.0,
    }
}

#[derive(Deserialize)]
struct Fault {
    #[serde(rename = "__type", default)]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body {
    #[serde(default)]
    metric_data_results: Vec<Outcome>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Outcome {
    #[serde(default)]
    timestamps: Vec<f64>,
    #[serde(default)]
    values: Vec<f64>,
    status_code: Option<String>,
}

fn read(answer: &Answer<'_>) -> Result<Option<Point>, String> {
    let body: Body = answer.json()?;
    let one = match body.metric_data_results.as_slice() {
        [] => return Ok(None),
        [one] => one,
        [_, _, ..] => {
            return Err(format!(
                "answered with {} results instead of one; all queries but one need \"ReturnData\": false",
                body.metric_data_results.len()
            ));
        }
    };
    match one.status_code.as_deref() {
        // PartialData: more than 20 points; the newest come first.
        None | Some("Complete" | "PartialData") => {}
        Some(code) => {
            return Err(format!("answered with the status {}", answer.quote(code)));
        }
    }
    let seconds = one.timestamps.first();
    let at = seconds.and_then(|seconds| unix_ms(seconds * 1000.0));
    let value = one.values.first();
    Ok(value.map(|&value| Point::new(value, at)))
}
