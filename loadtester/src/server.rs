//! The load tester's HTTP API: paths, codes and bodies as Flagger's.
//!
//! Any method is taken. Besides health, metrics and gates every path means a task.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::{StatusCode, header};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::gate::Gates;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::shell;
use crate::task::{Payload, Queue, Queued, Task, TaskError};

/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 1 << 20;

/// What requests share.
struct Shared {
    settings: Settings,
    gates: Gates,
    rollbacks: Gates,
    queue: Queue,
    metrics: Arc<Metrics>,
}

type Ctx = State<Arc<Shared>>;

/// Serves until `shutdown` is over; tasks that still run are stopped then.
///
/// # Errors
/// The listener's.
pub async fn run(
    settings: Settings,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    if settings.is_shell_allowed {
        warn!("Shell commands are allowed: whoever reaches this port can run programs here.");
    }
    let metrics = Arc::new(Metrics::new());
    let shared = Arc::new(Shared {
        queue: Queue::new(settings.timeout, Arc::clone(&metrics)),
        settings,
        gates: Gates::default(),
        rollbacks: Gates::default(),
        metrics,
    });
    axum::serve(listener, router(shared))
        .with_graceful_shutdown(shutdown)
        .await
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/healthz", any(async || "OK"))
        .route("/metrics", any(metrics))
        .route("/gate/approve", any(async || "OK"))
        .route(
            "/gate/halt",
            any(async || (StatusCode::FORBIDDEN, "Forbidden")),
        )
        .route(
            "/gate/check",
            any(async |State(s): Ctx, r: Request| check(&s.gates, r).await),
        )
        .route(
            "/gate/open",
            any(async |State(s): Ctx, r: Request| open(&s.gates, r).await),
        )
        .route(
            "/gate/close",
            any(async |State(s): Ctx, r: Request| close(&s.gates, r).await),
        )
        .route(
            "/rollback/check",
            any(async |State(s): Ctx, r: Request| check(&s.rollbacks, r).await),
        )
        .route(
            "/rollback/open",
            any(async |State(s): Ctx, r: Request| open(&s.rollbacks, r).await),
        )
        .route(
            "/rollback/close",
            any(async |State(s): Ctx, r: Request| close(&s.rollbacks, r).await),
        )
        .fallback(any(task))
        .with_state(shared)
}

async fn metrics(State(shared): Ctx) -> Response {
    match shared.metrics.render() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The payload, or the answer to an unreadable one.
async fn payload(request: Request<Body>) -> Result<Payload, Response> {
    let refuse = |text: String| (StatusCode::BAD_REQUEST, text).into_response();
    let body = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await;
    let body = body.map_err(|error| refuse(format!("failed to read the body: {error}")))?;
    serde_json::from_slice(&body)
        .map_err(|error| refuse(format!("failed to decode the body: {error}")))
}

async fn check(gates: &Gates, request: Request) -> Response {
    match payload(request).await {
        Err(refusal) => refusal,
        Ok(payload) if gates.is_open(&payload.canary()) => "Approved".into_response(),
        Ok(_) => (StatusCode::FORBIDDEN, "Forbidden").into_response(),
    }
}

async fn open(gates: &Gates, request: Request) -> Response {
    match payload(request).await {
        Err(refusal) => refusal,
        Ok(payload) => {
            let key = payload.canary();
            info!(canary = key, "Gate opened.");
            if gates.open(key) {
                StatusCode::ACCEPTED.into_response()
            } else {
                (StatusCode::TOO_MANY_REQUESTS, "too many gates are open").into_response()
            }
        }
    }
}

async fn close(gates: &Gates, request: Request) -> Response {
    match payload(request).await {
        Err(refusal) => refusal,
        Ok(payload) => {
            gates.close(&payload.canary());
            info!(canary = payload.canary(), "Gate closed.");
            StatusCode::ACCEPTED.into_response()
        }
    }
}

async fn task(State(shared): Ctx, request: Request) -> Response {
    let payload = match payload(request).await {
        Ok(payload) => payload,
        Err(refusal) => return refusal,
    };
    if shared
        .settings
        .namespace
        .as_ref()
        .is_some_and(|wanted| !wanted.is_match(&payload.namespace))
    {
        return (StatusCode::FORBIDDEN, "Forbidden").into_response();
    }
    let canary = payload.canary();
    match payload.task(shared.settings.is_shell_allowed) {
        Ok(Task::Bash {
            line,
            is_output_returned,
        }) => bash(&shared, canary, line, is_output_returned).await,
        Ok(task) => match shared.queue.start(&canary, task) {
            Queued::Started | Queued::Running => StatusCode::ACCEPTED.into_response(),
            Queued::Full => {
                (StatusCode::TOO_MANY_REQUESTS, "too many tasks run already").into_response()
            }
        },
        Err(error) => {
            warn!(canary, %error, "Task refused.");
            let status = match error {
                TaskError::NoShell { .. } => StatusCode::FORBIDDEN,
                TaskError::NoMetadata
                | TaskError::NoCommand
                | TaskError::TooLong
                | TaskError::Command(_)
                | TaskError::Unserved { .. } => StatusCode::BAD_REQUEST,
            };
            (status, error.to_string()).into_response()
        }
    }
}

/// Runs bash to its end, even if the caller goes away.
async fn bash(
    shared: &Arc<Shared>,
    canary: String,
    line: String,
    is_output_returned: bool,
) -> Response {
    let (limit, metrics) = (shared.settings.timeout, Arc::clone(&shared.metrics));
    let running = tokio::spawn(async move {
        let ended = timeout(limit, shell::run("bash", &line)).await;
        let ended = ended.unwrap_or_else(|_| shell::Ended {
            output: String::new(),
            failure: Some("stopped at the time limit".to_owned()),
        });
        metrics.ended(
            "bash",
            if ended.failure.is_none() {
                "ok"
            } else {
                "failed"
            },
        );
        (line, ended)
    });
    let Ok((line, ended)) = running.await else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the task broke off").into_response();
    };
    match ended.failure {
        Some(failure) => {
            warn!(canary, failure, "Command failed.");
            let text = format!("command {line} failed: {}: {failure}", ended.output);
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
        None if is_output_returned => ended.output.into_response(),
        None => StatusCode::OK.into_response(),
    }
}
