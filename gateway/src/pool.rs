//! Kept-alive connections to one endpoint.
//!
//! A pool tells apart requests that were not sent (their bodies are whole, any endpoint
//! may take them) from those that were. It chooses no endpoints and retries nothing itself
//! but stale connections. When the last user of a pool drops it, its idle connections close.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::body::Upload;

/// Time to open a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Idle connections kept for one endpoint.
const IDLE_MAX: usize = 64;
/// Time an idle connection is kept; below the 60 s after which common servers close.
const IDLE_TIME: Duration = Duration::from_secs(30);
/// Time a connection may take to become ready again after an answer.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(1);
/// Time an endpoint is avoided after it refused a connection.
const AVOID_MS: u64 = 2000;
/// Size of an answer's head and read buffer.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Connections to one endpoint.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) address: SocketAddr,
    wire: Wire,
    busy: AtomicUsize,
    born: Instant,
    /// Milliseconds after `born` until which the endpoint is avoided.
    avoid_until_ms: AtomicU64,
}

#[derive(Debug)]
enum Wire {
    Http1(Mutex<Vec<(http1::SendRequest<Upload>, Instant)>>),
    Http2(Mutex<Option<http2::SendRequest<Upload>>>),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// Nothing was sent; the request is whole.
    #[error("failed to connect to {address}")]
    NotSent {
        address: SocketAddr,
        request: Box<Request<Upload>>,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The request may have been acted upon.
    #[error("failed to get an answer from {address}")]
    Broken {
        address: SocketAddr,
        source: hyper::Error,
    },
}

/// The use of a connection; gives it back to the pool or, dropped, closes it.
#[derive(Debug)]
pub(crate) struct Lease {
    pool: Arc<Pool>,
    sender: Option<http1::SendRequest<Upload>>,
}

/// Counts a request in flight.
struct Busy<'a>(&'a AtomicUsize);

impl<'a> Busy<'a> {
    fn start(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lease {
    /// The endpoint that answered.
    pub(crate) fn address(&self) -> SocketAddr {
        self.pool.address
    }

    /// Keeps the connection for the next request.
    pub(crate) fn give_back(mut self) {
        let Some(mut sender) = self.sender.take() else {
            return;
        };
        let pool = Arc::clone(&self.pool);
        if sender.is_ready() {
            pool.keep(sender);
        } else if !sender.is_closed() {
            // The connection's task has yet to see that the answer is over.
            tokio::spawn(async move {
                if let Ok(Ok(())) = timeout(SETTLE_TIMEOUT, sender.ready()).await {
                    pool.keep(sender);
                }
            });
        }
    }
}

impl Pool {
    pub(crate) fn new(address: SocketAddr, h2c: bool) -> Self {
        let wire = if h2c {
            Wire::Http2(Mutex::default())
        } else {
            Wire::Http1(Mutex::default())
        };
        let (busy, avoid_until_ms) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self {
            address,
            wire,
            busy,
            born: Instant::now(),
            avoid_until_ms,
        }
    }

    /// Whether it speaks HTTP/2.
    pub(crate) fn is_h2c(&self) -> bool {
        match self.wire {
            Wire::Http1(_) => false,
            Wire::Http2(_) => true,
        }
    }

    /// Requests in flight.
    pub(crate) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// Whether it refused a connection a moment ago.
    pub(crate) fn is_avoided(&self) -> bool {
        let until = self.avoid_until_ms.load(Ordering::Relaxed);
        until > 0 && self.age_ms() < until
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Sends one request. The lease must live as long as the answer's body.
    pub(crate) async fn send(
        self: &Arc<Self>,
        request: Request<Upload>,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        let busy = Busy::start(&self.busy);
        let answer = match &self.wire {
            Wire::Http1(idle) => self.send_http1(idle, request).await,
            Wire::Http2(shared) => self.send_http2(shared, request).await,
        };
        let (answer, sender) = answer?;
        // The lease takes over the count.
        std::mem::forget(busy);
        Ok((
            answer,
            Lease {
                pool: Arc::clone(self),
                sender,
            },
        ))
    }

    async fn send_http1(
        &self,
        idle: &Mutex<Vec<(http1::SendRequest<Upload>, Instant)>>,
        mut request: Request<Upload>,
    ) -> Result<(Response<Incoming>, Option<http1::SendRequest<Upload>>), SendError> {
        loop {
            let kept = take_idle(idle);
            let is_kept = kept.is_some();
            let mut sender = match kept {
                Some(sender) => sender,
                None => match self.connect_http1().await {
                    Ok(sender) => sender,
                    Err(source) => return Err(self.not_sent(request, source)),
                },
            };
            match sender.try_send_request(request).await {
                Ok(answer) => return Ok((answer, Some(sender))),
                Err(mut error) => match (error.take_message(), is_kept) {
                    (Some(unsent), true) => request = unsent,
                    (Some(unsent), false) => {
                        return Err(self.not_sent(unsent, Box::new(error.into_error())));
                    }
                    (None, _) => return Err(self.broken(error.into_error())),
                },
            }
        }
    }

    async fn send_http2(
        &self,
        shared: &Mutex<Option<http2::SendRequest<Upload>>>,
        request: Request<Upload>,
    ) -> Result<(Response<Incoming>, Option<http1::SendRequest<Upload>>), SendError> {
        let kept = shared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut sender = match kept.filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => match self.connect_http2().await {
                Ok(sender) => {
                    *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.clone());
                    sender
                }
                Err(source) => return Err(self.not_sent(request, source)),
            },
        };
        match sender.try_send_request(request).await {
            Ok(answer) => Ok((answer, None)),
            Err(mut error) => match error.take_message() {
                Some(unsent) => Err(self.not_sent(unsent, Box::new(error.into_error()))),
                None => Err(self.broken(error.into_error())),
            },
        }
    }

    fn not_sent(
        &self,
        request: Request<Upload>,
        source: Box<dyn std::error::Error + Send + Sync>,
    ) -> SendError {
        self.avoid_until_ms
            .store(self.age_ms().saturating_add(AVOID_MS), Ordering::Relaxed);
        SendError::NotSent {
            address: self.address,
            request: Box::new(request),
            source,
        }
    }

    fn broken(&self, source: hyper::Error) -> SendError {
        SendError::Broken {
            address: self.address,
            source,
        }
    }

    async fn connect(&self) -> std::io::Result<TokioIo<TcpStream>> {
        let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(self.address)).await??;
        stream.set_nodelay(true)?;
        Ok(TokioIo::new(stream))
    }

    async fn connect_http1(
        &self,
    ) -> Result<http1::SendRequest<Upload>, Box<dyn std::error::Error + Send + Sync>> {
        let stream = self.connect().await?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake(stream)
            .await?;
        // Its end is seen by the sender; the error has nothing to add.
        tokio::spawn(async move { drop(connection.with_upgrades().await) });
        self.avoid_until_ms.store(0, Ordering::Relaxed);
        Ok(sender)
    }

    async fn connect_http2(
        &self,
    ) -> Result<http2::SendRequest<Upload>, Box<dyn std::error::Error + Send + Sync>> {
        let stream = self.connect().await?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .handshake(stream)
            .await?;
        tokio::spawn(async move { drop(connection.await) });
        self.avoid_until_ms.store(0, Ordering::Relaxed);
        Ok(sender)
    }

    fn keep(&self, sender: http1::SendRequest<Upload>) {
        if let Wire::Http1(idle) = &self.wire {
            let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE_MAX {
                idle.push((sender, Instant::now()));
            }
        }
    }

    /// Closes connections that were idle for too long.
    pub(crate) fn sweep(&self) {
        if let Wire::Http1(idle) = &self.wire {
            let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < IDLE_TIME);
        }
    }
}

/// The connection used last, if it is still good.
fn take_idle(
    idle: &Mutex<Vec<(http1::SendRequest<Upload>, Instant)>>,
) -> Option<http1::SendRequest<Upload>> {
    let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
    while let Some((sender, since)) = idle.pop() {
        if sender.is_ready() && since.elapsed() < IDLE_TIME {
            return Some(sender);
        }
    }
    None
}
