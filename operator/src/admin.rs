//! Serves /metrics and /healthz, before leadership and until the end.
//!
//! It holds no metrics of its own: it renders the registry that it is given.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// How long open requests may still take after the end.
const GRACE: Duration = Duration::from_secs(3);
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Why the server does not serve.
#[derive(Debug, Error)]
pub enum AdminError {
    /// The port is taken or not ours.
    #[error("failed to listen on {addr} for /metrics and /healthz")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// Opens the port; the address is the one in use, also for port 0.
pub async fn listen(addr: SocketAddr) -> Result<TcpListener, AdminError> {
    TcpListener::bind(addr)
        .await
        .map_err(|source| AdminError::Listen { addr, source })
}

/// Serves until `shutdown`.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>, shutdown: CancellationToken) {
    let app = Router::new()
        .route("/healthz", get(|| async { "OK" }))
        .route("/metrics", get(move || async move { render(&metrics) }));
    let ended = shutdown.clone();
    let server =
        axum::serve(listener, app).with_graceful_shutdown(async move { ended.cancelled().await });
    let limit = async {
        shutdown.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = server => if let Err(error) = served {
            tracing::error!(%error, "Admin server ended.");
        },
        () = limit => {}
    }
}

fn render(metrics: &Metrics) -> axum::response::Response {
    match metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
