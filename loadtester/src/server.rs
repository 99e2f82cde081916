//! The load tester's HTTP API: paths, codes and bodies as Flagger's.
//!
//! Any method is taken. Besides health, metrics and gates every path means a task.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::{StatusCode, header};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::accept;
use crate::gate::Gates;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::task::{Job, Payload, Queue, Queued, Runner, Task, TaskError};

/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Time for a request's body to arrive, as Flagger has it.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Tasks whose callers wait, at one time.
const AWAITED_MAX: usize = 32;

/// What requests share.
struct Shared {
    settings: Settings,
    gates: Gates,
    rollbacks: Gates,
    queue: Queue,
    runner: Arc<Runner>,
    /// For tasks whose callers wait.
    places: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

type Ctx = State<Arc<Shared>>;

/// Serves until `shutdown` is over; tasks that callers wait for may end then, others are stopped.
pub async fn run(
    settings: Settings,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send,
) {
    if settings.is_shell_allowed {
        warn!("Shell commands are allowed: whoever reaches this port can run programs here.");
    }
    let metrics = Arc::new(Metrics::new());
    let runner = Arc::new(Runner::new(settings.timeout, Arc::clone(&metrics)));
    let shared = Arc::new(Shared {
        queue: Queue::new(Arc::clone(&runner)),
        runner,
        places: Arc::new(Semaphore::new(AWAITED_MAX)),
        settings,
        gates: Gates::default(),
        rollbacks: Gates::default(),
        metrics,
    });
    accept::serve(listener, router(shared), shutdown).await;
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
            any(async |State(s): Ctx, r: Request| check(&s, &s.gates, r).await),
        )
        .route(
            "/gate/open",
            any(async |State(s): Ctx, r: Request| open(&s, &s.gates, r).await),
        )
        .route(
            "/gate/close",
            any(async |State(s): Ctx, r: Request| close(&s, &s.gates, r).await),
        )
        .route(
            "/rollback/check",
            any(async |State(s): Ctx, r: Request| check(&s, &s.rollbacks, r).await),
        )
        .route(
            "/rollback/open",
            any(async |State(s): Ctx, r: Request| open(&s, &s.rollbacks, r).await),
        )
        .route(
            "/rollback/close",
            any(async |State(s): Ctx, r: Request| close(&s, &s.rollbacks, r).await),
        )
        .fallback(any(task))
        .with_state(shared)
}

async fn metrics(State(shared): Ctx) -> Response {
    match shared.metrics.render() {
        Ok(text) => {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

impl Shared {
    /// The payload, or the answer to one that is unreadable or of a namespace that is not served.
    async fn payload(&self, request: Request<Body>) -> Result<Payload, Response> {
        let refuse = |text: String| (StatusCode::BAD_REQUEST, text).into_response();
        let body = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX);
        let body = timeout(BODY_TIMEOUT, body).await.map_err(|_| {
            let text = format!("failed to read the body: it took more than {BODY_TIMEOUT:?}");
            (StatusCode::REQUEST_TIMEOUT, text).into_response()
        })?;
        let body = body.map_err(|error| refuse(format!("failed to read the body: {error}")))?;
        let payload: Payload = serde_json::from_slice(&body)
            .map_err(|error| refuse(format!("failed to decode the body: {error}")))?;
        let namespace = self.settings.namespace.as_ref();
        if namespace.is_some_and(|wanted| !wanted.is_match(&payload.namespace)) {
            return Err((StatusCode::FORBIDDEN, "Forbidden").into_response());
        }
        Ok(payload)
    }
}

async fn check(shared: &Shared, gates: &Gates, request: Request) -> Response {
    match shared.payload(request).await {
        Err(refusal) => refusal,
        Ok(payload) => {
            let is_open = gates.is_open(&payload.canary());
            info!(
                canary = payload.canary(),
                approved = is_open,
                "Gate checked."
            );
            if is_open {
                "Approved".into_response()
            } else {
                (StatusCode::FORBIDDEN, "Forbidden").into_response()
            }
        }
    }
}

async fn open(shared: &Shared, gates: &Gates, request: Request) -> Response {
    match shared.payload(request).await {
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

async fn close(shared: &Shared, gates: &Gates, request: Request) -> Response {
    match shared.payload(request).await {
        Err(refusal) => refusal,
        Ok(payload) => {
            gates.close(&payload.canary());
            info!(canary = payload.canary(), "Gate closed.");
            StatusCode::ACCEPTED.into_response()
        }
    }
}

async fn task(State(shared): Ctx, request: Request) -> Response {
    let payload = match shared.payload(request).await {
        Ok(payload) => payload,
        Err(refusal) => return refusal,
    };
    let canary = payload.canary();
    let read = match payload.task(shared.settings.is_shell_allowed) {
        Ok(task) => task.prepared().await,
        Err(error) => Err(error),
    };
    match read {
        Ok(task) if task.is_awaited => awaited(&shared, canary, task).await,
        Ok(task) => match shared.queue.start(&canary, task) {
            Queued::Started | Queued::Running => StatusCode::ACCEPTED.into_response(),
            Queued::Full => full(),
        },
        Err(error) => {
            warn!(canary, %error, "Task refused.");
            let status = match error {
                TaskError::NoShell { .. } | TaskError::Off { .. } => StatusCode::FORBIDDEN,
                TaskError::Concord(_) => StatusCode::INTERNAL_SERVER_ERROR,
                TaskError::NoMetadata
                | TaskError::NoCommand
                | TaskError::TooLong
                | TaskError::Command(_)
                | TaskError::Call(_)
                | TaskError::Ngrinder(_)
                | TaskError::Unknown { .. } => StatusCode::BAD_REQUEST,
            };
            (status, error.to_string()).into_response()
        }
    }
}

fn full() -> Response {
    (StatusCode::TOO_MANY_REQUESTS, "too many tasks run already").into_response()
}

/// Runs a task to its end, even if the caller goes away, and answers how it ended.
async fn awaited(shared: &Arc<Shared>, canary: String, task: Task) -> Response {
    let Ok(place) = Arc::clone(&shared.places).try_acquire_owned() else {
        return full();
    };
    let runner = Arc::clone(&shared.runner);
    let (line, is_output_returned) = (task.line.clone(), task.is_output_returned);
    let is_command = match task.job {
        Job::Concord(_) => false,
        Job::Load(_) | Job::Calls(_) | Job::Probe(_) | Job::Program { .. } | Job::Ngrinder(_) => {
            true
        }
    };
    let running = tokio::spawn(async move {
        let ended = runner.run(&canary, task).await;
        drop(place);
        ended
    });
    let Ok(ended) = running.await else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the task broke off").into_response();
    };
    match ended.failure {
        Some(failure) => {
            let text = if is_command {
                format!("command {line} failed: {}: {failure}", ended.output)
            } else {
                failure
            };
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
        None if is_output_returned => ended.output.into_response(),
        None => StatusCode::OK.into_response(),
    }
}
