//! Serves /metrics and /healthz, before leadership and until the end.
//!
//! One request a connection, each with its time: a client that says or reads nothing is let go. It holds no metrics of
//! its own: it renders the registry that it is given.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::metrics::Metrics;

/// Time to send the head of a request (spec flagger 8.3).
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Time to take the answer (spec flagger 8.3).
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long open requests may still take after the end.
const GRACE: Duration = Duration::from_secs(3);
/// Connections served at one time.
const CONNECTIONS_MAX: usize = 512;
/// Wait after a failed accept, such as one for lack of descriptors.
const ACCEPT_WAIT: Duration = Duration::from_millis(50);
/// Prometheus asks for others too, and takes this one.
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

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
    crate::listen::listen(addr)
        .await
        .map_err(|source| AdminError::Listen { addr, source })
}

/// Serves until `shutdown`.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>, shutdown: CancellationToken) {
    let app = Router::new()
        .route("/healthz", get(|| async { "OK" }))
        .route("/metrics", get(move || async move { render(&metrics) }));
    let open = TaskTracker::new();
    tokio::select! {
        () = accept(&listener, &app, &open) => {}
        () = shutdown.cancelled() => {}
    }
    open.close();
    // Whoever is still served then is cut off with the program.
    let _ = timeout(GRACE, open.wait()).await;
}

async fn accept(listener: &TcpListener, app: &Router, open: &TaskTracker) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let answering = answer(stream, app.clone());
                open.spawn(async move {
                    answering.await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "Connection to /metrics or /healthz not accepted.");
                sleep(ACCEPT_WAIT).await;
            }
        }
    }
}

/// Answers one request.
async fn answer(stream: TcpStream, app: Router) {
    let served = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(READ_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    match timeout(READ_TIMEOUT + WRITE_TIMEOUT, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "Request of /metrics or /healthz broke off."),
        Err(_) => tracing::debug!("Answer of /metrics or /healthz not taken in time."),
    }
}

fn render(metrics: &Metrics) -> axum::response::Response {
    match metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, PLAIN)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn get(addr: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let (path, accept) = path.split_once(' ').unwrap_or((path, "*/*"));
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn answers_until_the_end() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let addr = listener.local_addr().unwrap();
        assert!(
            listen(addr)
                .await
                .unwrap_err()
                .to_string()
                .contains("failed to listen on 127.0.0.1")
        );
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve(
            listener,
            Arc::new(Metrics::new("istio")),
            shutdown.clone(),
        ));
        assert!(get(addr, "/healthz").await.ends_with("OK"));
        let metrics = get(addr, "/metrics application/openmetrics-text;version=1.0.0").await;
        assert!(
            metrics.contains("# TYPE sluice_writes_total counter")
                && metrics.contains("# HELP sluice_writes_total ")
                && metrics.contains("sluice_writes_total 0")
                && metrics.contains("# TYPE flagger_info gauge")
                && metrics.contains(PLAIN)
                && !metrics.contains("# EOF"),
            "{metrics}"
        );
        assert!(get(addr, "/else").await.starts_with("HTTP/1.1 404"));
        let mut silent = TcpStream::connect(addr).await.unwrap();
        tokio::time::pause();
        let mut nothing = Vec::new();
        let left = silent.read_to_end(&mut nothing).await;
        assert!(left.is_ok_and(|length| length == 0), "let go unheard");
        tokio::time::resume();
        shutdown.cancel();
        task.await.unwrap();
    }
}
