//! Answers like podinfo: `/`, `/version`, `/healthz`, `/readyz`,
//! `/status/{code}`, `/delay/{seconds}`, `/headers` and `/metrics`, with the
//! version in the header `x-version`. Fails and waits as the pod's flags say.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{MatchedPath, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::metrics::Requests;
use crate::behaviour::Behaviour;

/// `/delay` waits at most this long.
const DELAY_S_MAX: u64 = 60;
/// These answer whatever the flags say, so that the pod can be watched.
const STEADY: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

struct Workload {
    hostname: String,
    behaviour: Behaviour,
    requests: Mutex<Requests>,
    rng: Mutex<StdRng>,
}

pub(super) fn router(pod: &str, behaviour: &Behaviour, seed: u64) -> Router {
    let workload = Arc::new(Workload {
        hostname: pod.to_owned(),
        behaviour: behaviour.clone(),
        requests: Mutex::new(Requests::default()),
        rng: Mutex::new(StdRng::seed_from_u64(seed)),
    });
    Router::new()
        .route("/", any(index))
        .route("/version", get(version))
        .route("/healthz", get(ok))
        .route("/readyz", get(ok))
        .route("/status/{code}", any(status))
        .route("/delay/{seconds}", any(delay))
        .route("/headers", any(headers))
        .route("/metrics", get(metrics))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(middleware::from_fn_with_state(
            Arc::clone(&workload),
            around,
        ))
        .with_state(workload)
}

impl Workload {
    /// Whether this request fails, and how long it waits.
    fn draw(&self) -> (bool, Duration) {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let b = &self.behaviour;
        let fails = rng.random::<f64>() < b.error_share;
        let spread = b.delay_max.saturating_sub(b.delay_min);
        (fails, b.delay_min + spread.mul_f64(rng.random()))
    }
}

/// Counts, delays and fails requests around the routes.
async fn around(State(workload): State<Arc<Workload>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().to_string();
    let matched = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let path = matched.unwrap_or_else(|| "unknown".to_owned());
    let is_steady = STEADY.contains(&path.as_str());
    let (fails, wait) = if is_steady {
        (false, Duration::ZERO)
    } else {
        workload.draw()
    };
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    let mut response = if fails {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    } else {
        next.run(request).await
    };
    if let Ok(version) = HeaderValue::from_str(&workload.behaviour.version) {
        response.headers_mut().insert("x-version", version);
    }
    if !is_steady {
        let mut requests = workload
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        requests.observe(
            &method,
            &path,
            response.status().as_u16(),
            started.elapsed(),
        );
    }
    response
}

async fn index(State(workload): State<Arc<Workload>>) -> Json<Value> {
    Json(json!({
        "hostname": workload.hostname,
        "version": workload.behaviour.version,
        "message": workload.behaviour.message,
    }))
}

async fn version(State(workload): State<Arc<Workload>>) -> Json<Value> {
    Json(json!({"version": workload.behaviour.version}))
}

async fn ok() -> Json<Value> {
    Json(json!({"status": "OK"}))
}

async fn status(Path(code): Path<u16>) -> Response {
    match StatusCode::from_u16(code) {
        Ok(code) => (code, Json(json!({"status": code.as_u16()}))).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

async fn delay(Path(seconds): Path<u64>) -> Json<Value> {
    tokio::time::sleep(Duration::from_secs(seconds.min(DELAY_S_MAX))).await;
    Json(json!({"delay": seconds}))
}

async fn headers(headers: HeaderMap) -> Json<Value> {
    let pairs = headers.iter().map(|(name, value)| {
        (
            name.to_string(),
            Value::from(String::from_utf8_lossy(value.as_bytes()).into_owned()),
        )
    });
    Json(Value::Object(pairs.collect()))
}

async fn metrics(State(workload): State<Arc<Workload>>) -> String {
    workload
        .requests
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .render()
}
