//! Runs an instant query over HTTP and reads the answer
//!
//! The format is that of Prometheus' `GET /api/v1/query`. The body is read here
//! rather than by the client library, because it must be bounded.

use chrono::DateTime;
use prometheus_http_query::{Client, Error};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

use super::words;
use crate::credentials::{Credentials, Secret};
use crate::outbound::{PrometheusServer, QueryFault, QueryResult, Series};
use crate::wording;

/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

pub(super) async fn instant(
    client: &reqwest::Client,
    server: &PrometheusServer,
    query: &str,
) -> Result<QueryResult, QueryFault> {
    let unreachable = |text: &str| QueryFault::Unreachable(text.to_owned());
    let client = Client::from(client.clone(), server.url().as_str())
        .map_err(|_| unreachable("has an address that is no URL"))?;
    let mut builder = client.query(query);
    for (name, value) in headers(server)? {
        builder = builder.header(name, value);
    }
    let mut response = match builder.get_raw().await {
        Ok(response) => response,
        Err(Error::Client(error)) => {
            return Err(match error.inner() {
                Some(error) => words::query_fault(error),
                None => unreachable("could not be asked"),
            });
        }
        Err(_) => return Err(unreachable("could not be asked")),
    };
    let status = response.status();
    let (body, is_cut) = super::body(&mut response, ANSWER_BYTES_MAX)
        .await
        .map_err(|error| words::query_fault(&error))?;
    if !status.is_success() {
        let message = serde_json::from_slice::<Answer>(&body)
            .ok()
            .and_then(|answer| answer.error);
        let message = wording::first_line(&server.redact(&message.unwrap_or_default()));
        return Err(QueryFault::Status {
            status: status.as_u16(),
            message,
        });
    }
    if is_cut {
        return Err(QueryFault::Long(ANSWER_BYTES_MAX));
    }
    read(&body, server)
}

fn headers(server: &PrometheusServer) -> Result<Vec<(HeaderName, HeaderValue)>, QueryFault> {
    let mut headers = Vec::new();
    for (name, value) in &server.headers {
        let bad =
            || QueryFault::Unreachable(format!("cannot be asked: header {name:?} is not valid"));
        let header = HeaderName::try_from(name.as_str()).map_err(|_| bad())?;
        headers.push((header, sensitive(value).ok_or_else(bad)?));
    }
    let authorization = match &server.credentials {
        None => return Ok(headers),
        Some(Credentials::Bearer(token)) => format!("Bearer {}", token.expose().trim()),
        Some(Credentials::Basic { username, password }) => {
            let pair = format!("{}:{}", username.expose(), password.expose());
            format!("Basic {}", base64(pair.as_bytes()))
        }
    };
    let bad = || {
        QueryFault::Unreachable(
            "cannot be asked: its credentials are not valid in a header".to_owned(),
        )
    };
    // One value only, whatever custom headers say: those of the Secret.
    headers.retain(|(name, _)| name != AUTHORIZATION);
    headers.push((
        AUTHORIZATION,
        sensitive(&Secret::new(authorization)).ok_or_else(bad)?,
    ));
    Ok(headers)
}

fn sensitive(value: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(value.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The envelope of every answer.
#[derive(Deserialize)]
struct Answer {
    status: String,
    data: Option<Payload>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    result_type: String,
    result: Value,
}

/// Reads an answer of status 200.
fn read(body: &[u8], server: &PrometheusServer) -> Result<QueryResult, QueryFault> {
    let unreadable = |text: &str| QueryFault::Unreadable(text.to_owned());
    if body.trim_ascii().is_empty() {
        return Err(unreadable("it is empty"));
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|error| {
        let text = String::from_utf8_lossy(body);
        let start = wording::first_line(&text);
        let kind = if start.starts_with('<') {
            "it is HTML, not JSON".to_owned()
        } else {
            error.to_string()
        };
        QueryFault::Unreadable(kind)
    })?;
    if answer.status != "success" {
        return Err(QueryFault::Refused(wording::first_line(
            &server.redact(&answer.error.unwrap_or_default()),
        )));
    }
    let payload = answer.data.ok_or_else(|| unreadable("it has no data"))?;
    if payload.result_type != "vector" {
        return Ok(QueryResult::Other(wording::first_line(
            &payload.result_type,
        )));
    }
    let Value::Array(items) = payload.result else {
        return Err(unreadable("its result is not a list"));
    };
    let series = items
        .iter()
        .map(|item| series(item).ok_or(item))
        .collect::<Result<Vec<_>, _>>();
    series.map(QueryResult::Vector).map_err(|item| {
        let raw = item.get("value").unwrap_or(&Value::Null).to_string();
        let raw = wording::first_line(&server.redact(&raw));
        QueryFault::Unreadable(format!(
            "a series has the value {raw}, not a time and a number"
        ))
    })
}

/// `{"metric": {…}, "value": [1700000000.123, "1.5"]}`.
fn series(item: &Value) -> Option<Series> {
    if let Some(pair) = item.get("histogram") {
        return Some(Series {
            value: None,
            at: time(pair.get(0)?)?,
        });
    }
    match item.get("value")?.as_array()?.as_slice() {
        [at, value] => Some(Series {
            value: Some(number(value.as_str()?)?),
            at: time(at)?,
        }),
        _ => None,
    }
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        _ => text.parse().ok().filter(|value: &f64| value.is_finite()),
    }
}

fn time(at: &Value) -> Option<DateTime<chrono::Utc>> {
    let seconds = at.as_f64().filter(|seconds| seconds.abs() < 1e12)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded above; parts of a millisecond do not matter"
    )]
    DateTime::from_timestamp_millis((seconds * 1000.0) as i64)
}
