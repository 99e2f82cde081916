//! Accepts client connections, within limits, and ends them gently.
//!
//! Two listeners: routed traffic, and `/metrics` with `/healthz`. Routes nothing itself.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::forward::{self, Tables};
use crate::metrics::Metrics;

/// Client connections at one time; further ones wait in the kernel.
const CONNECTIONS_MAX: u32 = 8192;
/// Connections to the metrics listener.
const ADMIN_CONNECTIONS_MAX: u32 = 32;
/// Header fields of one request.
const HEADERS_MAX: usize = 100;
/// Bytes of one request's head.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Time for a head to arrive, and the time a connection may idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// HTTP/2 streams of one connection.
const STREAMS_MAX: u32 = 256;
/// Interval and limit of HTTP/2 pings, which find dead clients.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Time for requests in flight at shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Wait after a failed accept, such as one for lack of descriptors.
const ACCEPT_WAIT: Duration = Duration::from_millis(50);

/// Connection settings of both listeners.
fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL);
    builder
}

/// Waits for the order to stop, or for nobody being left to give it.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The guard in the answer must not live across an await.
    drop(stop.wait_for(|stop| *stop).await);
}

/// Accepts until `stop` is set, then waits for open connections.
async fn accept(
    listener: &TcpListener,
    limit: u32,
    mut stop: watch::Receiver<bool>,
    serve: impl Fn(TcpStream, IpAddr, OwnedSemaphorePermit),
) {
    let slots = Arc::new(Semaphore::new(usize::try_from(limit).unwrap_or(usize::MAX)));
    loop {
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        tokio::select! {
            () = stopped(&mut stop) => break,
            (slot, accepted) = accepted => match (slot, accepted) {
                // IPv4 clients of an IPv6 socket are told by their own addresses.
                (Ok(slot), Ok((stream, peer))) => serve(stream, peer.ip().to_canonical(), slot),
                (Ok(_), Err(error)) => {
                    warn!(%error, "Connection not accepted.");
                    sleep(ACCEPT_WAIT).await;
                }
                (Err(_), _) => break,
            },
        }
    }
    if timeout(DRAIN_TIMEOUT, slots.acquire_many(limit))
        .await
        .is_err()
    {
        warn!("Connections were still open at the end of the drain time.");
    }
}

/// Serves routed traffic until `stop` is set and connections are over.
pub(crate) async fn traffic(
    listener: TcpListener,
    tables: Tables,
    metrics: Arc<Metrics>,
    stop: watch::Receiver<bool>,
) {
    let builder = builder();
    accept(
        &listener,
        CONNECTIONS_MAX,
        stop.clone(),
        |stream, peer, slot| {
            let (builder, tables, stop) = (builder.clone(), tables.clone(), stop.clone());
            let metrics = Arc::clone(&metrics);
            tokio::spawn(async move {
                metrics.connections.fetch_add(1, Ordering::Relaxed);
                if let Err(error) = client(&builder, stream, peer, tables, stop).await {
                    debug!(%error, "Client connection ended.");
                }
                metrics.connections.fetch_sub(1, Ordering::Relaxed);
                drop(slot);
            });
        },
    )
    .await;
}

/// Serves one client until it goes, idles for too long, or `stop` is set.
async fn client(
    builder: &auto::Builder<TokioExecutor>,
    stream: TcpStream,
    peer: IpAddr,
    tables: Tables,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    // hyper-util sets no limit to the wait for the first byte.
    tokio::select! {
        readable = timeout(HEAD_TIMEOUT, stream.readable()) => readable??,
        () = stopped(&mut stop) => return Ok(()),
    }
    let service = service_fn(|request: Request<Incoming>| {
        let tables = tables.clone();
        async move { Ok::<_, Infallible>(forward::answer(tables, peer, request).await) }
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}

/// Serves `/metrics` and `/healthz` until `stop` is set.
pub(crate) async fn admin(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    stop: watch::Receiver<bool>,
) {
    let builder = builder();
    accept(
        &listener,
        ADMIN_CONNECTIONS_MAX,
        stop.clone(),
        |stream, _, slot| {
            let (builder, metrics, mut stop) =
                (builder.clone(), Arc::clone(&metrics), stop.clone());
            tokio::spawn(async move {
                let service = service_fn(|request: Request<Incoming>| {
                    let answer = admin_answer(request.uri().path(), &metrics);
                    async move { Ok::<_, Infallible>(answer) }
                });
                let connection = builder.serve_connection(TokioIo::new(stream), service);
                tokio::pin!(connection);
                let ended = tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = stopped(&mut stop) => Ok(()),
                };
                if let Err(error) = ended {
                    debug!(%error, "Metrics connection ended.");
                }
                drop(slot);
            });
        },
    )
    .await;
}

fn admin_answer(path: &str, metrics: &Metrics) -> Response<Full<Bytes>> {
    let (status, kind, text) = match path {
        "/metrics" => (
            StatusCode::OK,
            "text/plain; version=0.0.4; charset=utf-8",
            metrics.render(),
        ),
        "/healthz" => (StatusCode::OK, "text/plain", "OK".to_owned()),
        _ => (
            StatusCode::NOT_FOUND,
            "text/plain",
            "only /metrics and /healthz are here\n".to_owned(),
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}
