//! Keptn: the value of a KeptnMetric, or the outcome of an Analysis
//!
//! ```text
//! keptnmetric/<namespace>/<name>
//! analysis/<namespace>/<name>/<timeframe, 1m>/<key=value;key=value>
//! ```
//!
//! An Analysis is an object that is made, watched until it is done, and removed.
//! It has the same name each time a check asks, so that one which stayed behind
//! is found and removed the next time.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::When;
use super::answer::{Point, unreadable};
use crate::outbound::{KubernetesRequest, Method, Outbound, QueryFault};
use crate::wording;

const API: &str = "/apis/metrics.keptn.sh/v1beta1";

/// Time for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Time for Keptn to complete an Analysis.
const ANALYSIS_TIMEOUT: Duration = Duration::from_secs(10);

const POLL_INTERVAL: Duration = Duration::from_secs(1);

const FORM: &str = "cannot be asked: the query must be <keptnmetric|analysis>/<namespace>/<name>/<duration>/<arguments>";

/// What a query names.
struct Named<'q> {
    is_analysis: bool,
    namespace: &'q str,
    name: &'q str,
    /// None: the last minute.
    timeframe: Option<&'q str>,
    arguments: &'q str,
}

pub(super) async fn ask(
    query: &str,
    when: &When,
    outbound: &dyn Outbound,
) -> Result<Option<Point>, String> {
    let query = query.to_lowercase();
    let named = parse(query.trim())?;
    if named.is_analysis {
        let is_passed = analyse(&named, when, outbound).await?;
        let value = if is_passed { 1.0 } else { 0.0 };
        return Ok(Some(Point::new(value, None)));
    }
    let Named {
        namespace, name, ..
    } = named;
    let path = format!("{API}/namespaces/{namespace}/keptnmetrics/{name}");
    let metric = send(&request(Method::Get, path, None), outbound)
        .await
        .map_err(|fault| fault.to_string())?;
    read_metric(&metric).map(Some)
}

/// Sends one request within its time; what the API says is cut to be shown.
pub(super) async fn send(
    request: &KubernetesRequest,
    outbound: &dyn Outbound,
) -> Result<Value, QueryFault> {
    let answer = tokio::time::timeout(REQUEST_TIMEOUT, outbound.kubernetes(request)).await;
    match answer.unwrap_or(Err(QueryFault::Slow(REQUEST_TIMEOUT))) {
        Err(QueryFault::Status { status, message }) => Err(QueryFault::Status {
            status,
            message: wording::first_line(&message),
        }),
        other => other,
    }
}

fn parse(query: &str) -> Result<Named<'_>, String> {
    let mut parts = query.split('/');
    let mut next = || parts.next();
    let is_analysis = match next() {
        Some("keptnmetric" | "keptnmetrics") => false,
        Some("analysis" | "analyses") => true,
        Some(_) | None => return Err(FORM.to_owned()),
    };
    let (Some(namespace), Some(name)) = (next(), next()) else {
        return Err(FORM.to_owned());
    };
    if !is_name(namespace) || !is_name(name) {
        return Err(FORM.to_owned());
    }
    Ok(Named {
        is_analysis,
        namespace,
        name,
        timeframe: next().filter(|timeframe| !timeframe.is_empty()),
        arguments: next().unwrap_or_default(),
    })
}

/// A name as Kubernetes has them: it becomes part of a path.
fn is_name(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.bytes()
        .all(|byte| is_inner(byte) || matches!(byte, b'-' | b'.'))
        && text.bytes().next().is_some_and(is_inner)
        && text.bytes().last().is_some_and(is_inner)
}

fn read_metric(metric: &Value) -> Result<Point, String> {
    let value = metric.pointer("/status/value").and_then(Value::as_str);
    let Some(text) = value.filter(|text| !text.is_empty()) else {
        return Err("has no status.value in that KeptnMetric".to_owned());
    };
    let value = text.parse().map_err(|_| {
        let text = wording::first_line(text);
        unreadable(&format!("status.value {text:?} is not a number"))
    })?;
    let updated = metric
        .pointer("/status/lastUpdated")
        .and_then(Value::as_str);
    let updated = updated.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let updated = updated.map(|time| time.with_timezone(&Utc));
    Ok(Point::new(value, updated))
}

async fn analyse(named: &Named<'_>, when: &When, outbound: &dyn Outbound) -> Result<bool, String> {
    let (object, path) = analysis(named, when);
    let made = create(&object, &path, named, outbound).await;
    made.map_err(|fault| format!("cannot make an Analysis: {fault}"))?;
    let completed = tokio::time::timeout(ANALYSIS_TIMEOUT, completed(&path, outbound)).await;
    let removed = send(&request(Method::Delete, path.clone(), None), outbound).await;
    if let Err(fault) = removed {
        tracing::warn!(path, %fault, "Keptn Analysis not removed; it is at the next check.");
    }
    completed.unwrap_or_else(|_| {
        let seconds = ANALYSIS_TIMEOUT.as_secs();
        Err(format!("did not complete the Analysis within {seconds} s"))
    })
}

/// Makes the Analysis; one that stayed behind is removed first.
async fn create(
    object: &Value,
    path: &str,
    named: &Named<'_>,
    outbound: &dyn Outbound,
) -> Result<(), QueryFault> {
    let list = format!("{API}/namespaces/{}/analyses", named.namespace);
    let post = request(Method::Post, list, Some(object.clone()));
    match send(&post, outbound).await {
        Err(QueryFault::Status { status: 409, .. }) => {
            send(&request(Method::Delete, path.to_owned(), None), outbound).await?;
            send(&post, outbound).await.map(drop)
        }
        other => other.map(drop),
    }
}

async fn completed(path: &str, outbound: &dyn Outbound) -> Result<bool, String> {
    let get = request(Method::Get, path.to_owned(), None);
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        let seen = send(&get, outbound).await;
        let seen = seen.map_err(|fault| format!("cannot read the Analysis: {fault}"))?;
        let state = seen.pointer("/status/state").and_then(Value::as_str);
        let pass = seen.pointer("/status/pass").and_then(Value::as_bool);
        if let (Some("Completed"), Some(pass)) = (state, pass) {
            return Ok(pass);
        }
    }
}

/// The object, and its path.
fn analysis(named: &Named<'_>, when: &When) -> (Value, String) {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, when.asker.as_bytes());
    let suffix: String = digest
        .as_ref()
        .iter()
        .take(3)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let name = format!("{}-{suffix}", named.name);
    let arguments: Map<String, Value> = named
        .arguments
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(_, value)| !value.contains('='))
        .map(|(key, value)| (key.to_owned(), json!(value)))
        .collect();
    let path = format!("{API}/namespaces/{}/analyses/{name}", named.namespace);
    let timeframe = named.timeframe.map_or_else(|| recent(when), str::to_owned);
    let object = json!({
        "apiVersion": "metrics.keptn.sh/v1beta1",
        "kind": "Analysis",
        "metadata": { "name": name, "namespace": named.namespace },
        "spec": {
            "analysisDefinition": { "name": named.name },
            "timeframe": { "recent": timeframe },
            "args": arguments,
        },
    });
    (object, path)
}

/// The time that an Analysis covers unless the query says another: a minute, but
/// not from before the canary had traffic.
fn recent(when: &When) -> String {
    let age = when
        .traffic_started
        .map(|started| when.now.signed_duration_since(started).num_seconds().max(1));
    match age {
        Some(seconds @ ..60) => format!("{seconds}s"),
        Some(_) | None => "1m".to_owned(),
    }
}

const fn request(method: Method, path: String, body: Option<Value>) -> KubernetesRequest {
    KubernetesRequest { method, path, body }
}
