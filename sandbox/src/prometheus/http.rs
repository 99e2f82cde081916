//! The part of Prometheus' HTTP API v1 that metric providers use:
//! `/api/v1/query` and `/api/v1/query_range` by GET and POST, `/-/ready`,
//! `/-/healthy` and `/api/v1/status/buildinfo`.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::DateTime;
use promql::ApiResponse;
use serde_json::json;

use super::Prometheus;
use crate::behaviour::duration;

type Parameters = BTreeMap<String, String>;

pub(super) fn router(prometheus: Prometheus) -> Router {
    Router::new()
        .route("/api/v1/query", get(query_get).post(query_post))
        .route("/api/v1/query_range", get(range_get).post(range_post))
        .route("/api/v1/status/buildinfo", get(buildinfo))
        .route(
            "/-/ready",
            get(|| async { "Prometheus Server is Ready.\n" }),
        )
        .route(
            "/-/healthy",
            get(|| async { "Prometheus Server is Healthy.\n" }),
        )
        .with_state(prometheus)
}

async fn query_get(State(p): State<Prometheus>, Query(q): Query<Parameters>) -> Response {
    answer(query(&p, &q))
}

async fn query_post(
    State(p): State<Prometheus>,
    Query(mut q): Query<Parameters>,
    body: String,
) -> Response {
    match form(&body) {
        Ok(form) => q.extend(form),
        Err(error) => return answer(error),
    }
    answer(query(&p, &q))
}

async fn range_get(State(p): State<Prometheus>, Query(q): Query<Parameters>) -> Response {
    answer(range(&p, &q))
}

async fn range_post(
    State(p): State<Prometheus>,
    Query(mut q): Query<Parameters>,
    body: String,
) -> Response {
    match form(&body) {
        Ok(form) => q.extend(form),
        Err(error) => return answer(error),
    }
    answer(range(&p, &q))
}

/// A form has the syntax of a query string, so it is read as one.
fn form(body: &str) -> Result<Parameters, ApiResponse> {
    let uri: Result<Uri, _> = format!("/?{}", body.trim()).parse();
    let parameters = uri
        .ok()
        .and_then(|uri| Query::<Parameters>::try_from_uri(&uri).ok());
    parameters
        .map(|Query(form)| form)
        .ok_or_else(|| bad("body", "the form"))
}

async fn buildinfo() -> Response {
    Json(json!({"status": "success", "data": {"version": "2.42.0", "revision": "sandbox"}}))
        .into_response()
}

fn answer(response: ApiResponse) -> Response {
    let status = match &response {
        ApiResponse::Success { .. } => StatusCode::OK,
        ApiResponse::Error {
            error_type: "execution",
            ..
        } => StatusCode::UNPROCESSABLE_ENTITY,
        ApiResponse::Error { .. } => StatusCode::BAD_REQUEST,
    };
    (status, Json(response)).into_response()
}

fn query(prometheus: &Prometheus, parameters: &Parameters) -> ApiResponse {
    let text = parameters.get("query").map_or("", String::as_str);
    let at = match parameters.get("time").filter(|text| !text.is_empty()) {
        None => Ok(prometheus.inner.clock.now_ms()),
        Some(text) => time_ms("time", text),
    };
    match at {
        Ok(at_ms) => promql::query(&super::locked(&prometheus.inner.store), text, at_ms).into(),
        Err(error) => error,
    }
}

fn range(prometheus: &Prometheus, parameters: &Parameters) -> ApiResponse {
    let text = parameters.get("query").map_or("", String::as_str);
    let time = |name: &'static str| time_ms(name, parameters.get(name).map_or("", String::as_str));
    let step = parameters.get("step").map_or("", String::as_str);
    let parsed = || Ok((time("start")?, time("end")?, step_ms(step)?));
    match parsed() {
        Ok((start_ms, end_ms, step_ms)) => prometheus
            .query_range(text, start_ms, end_ms, step_ms)
            .into(),
        Err(error) => error,
    }
}

fn bad(name: &'static str, text: &str) -> ApiResponse {
    ApiResponse::Error {
        error_type: "bad_data",
        error: format!("invalid parameter {name:?}: cannot parse {text:?}"),
    }
}

/// Unix seconds with a fraction, or RFC 3339.
fn time_ms(name: &'static str, text: &str) -> Result<i64, ApiResponse> {
    if let Some(ms) = text
        .parse::<f64>()
        .ok()
        .and_then(|seconds| rounded(seconds * 1000.0))
    {
        return Ok(ms);
    }
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.timestamp_millis())
        .map_err(|_| bad(name, text))
}

/// Seconds with a fraction, or a duration such as `15s`.
fn step_ms(text: &str) -> Result<i64, ApiResponse> {
    if let Some(ms) = text
        .parse::<f64>()
        .ok()
        .and_then(|seconds| rounded(seconds * 1000.0))
    {
        return Ok(ms);
    }
    let ms = duration(text).and_then(|step| i64::try_from(step.as_millis()).ok());
    ms.ok_or_else(|| bad("step", text))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "bounded to what 64 bits hold before the cast"
)]
fn rounded(ms: f64) -> Option<i64> {
    (ms.abs() < 9.0e15).then_some(ms.round() as i64)
}
