//! Sends a request to an endpoint, and to another one when nothing was lost by it.
//!
//! Repeated are: requests that were not sent, and requests without body whose method is
//! idempotent and whose connection broke; answers with a code that the route's `retry`
//! names. So clients do not see an endpoint that leaves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::head::Head;
use super::{Refusal, Way};
use crate::body::Upload;
use crate::live::Upstream;
use crate::pool::{Lease, Pool, SendError};
use crate::table::Backend;

pub(super) const BROKEN: Refusal = Refusal(
    StatusCode::BAD_GATEWAY,
    "the backend closed the connection\n",
);
const REFUSED: Refusal = Refusal(
    StatusCode::SERVICE_UNAVAILABLE,
    "no endpoint took the connection\n",
);
const TOO_LATE: Refusal = Refusal(
    StatusCode::GATEWAY_TIMEOUT,
    "the backend did not answer in time\n",
);

/// Endpoints asked for one request, besides retries of answers.
const TRIES_MAX: u32 = 4;
/// Wait when every endpoint has been tried; doubles each time. A newer table may know more.
const ALL_TRIED_WAIT: Duration = Duration::from_millis(10);
/// Time for a mirror's answer, which nobody waits for.
const MIRROR_TIMEOUT: Duration = Duration::from_secs(15);

impl Way<'_> {
    /// An answer from the backend within the rule's time limits.
    pub(super) async fn exchange(
        &mut self,
        backend: &Backend,
        upstream: &Upstream,
        first: Option<Arc<Pool>>,
        head: Head,
        body: Upload,
    ) -> Result<(Response<Incoming>, Lease), Refusal> {
        let limit = self.found.rule.timeout;
        let tries = self.tries(backend, upstream, first, &head, body);
        match limit {
            Some(limit) => timeout(limit, tries).await.unwrap_or(Err(TOO_LATE)),
            None => tries.await,
        }
    }

    async fn tries(
        &mut self,
        backend: &Backend,
        upstream: &Upstream,
        first: Option<Arc<Pool>>,
        head: &Head,
        body: Upload,
    ) -> Result<(Response<Incoming>, Lease), Refusal> {
        let rule = self.found.rule;
        let is_bare = matches!(body, Upload::Empty);
        let mut pool = first
            .or_else(|| upstream.pick(&[]).cloned())
            .ok_or(super::NO_ENDPOINT)?;
        let mut request = head.request(pool.is_h2c(), body);
        let (mut tried, mut tries, mut retries) = (Vec::new(), 0, 0);
        loop {
            let sent = match rule.backend_timeout {
                Some(limit) => timeout(limit, pool.send(request))
                    .await
                    .map_err(|_| TOO_LATE)?,
                None => pool.send(request).await,
            };
            tries += 1;
            let refusal = match sent {
                Ok((answer, _))
                    if is_bare
                        && retries < rule.retry.attempts
                        && rule.retry.codes.contains(&answer.status()) =>
                {
                    retries += 1;
                    sleep(rule.retry.backoff).await;
                    request = head.request(pool.is_h2c(), Upload::Empty);
                    continue;
                }
                Ok(answered) => return Ok(answered),
                Err(SendError::NotSent {
                    address,
                    request: unsent,
                    source,
                }) => {
                    debug!(%address, error = %source, "Endpoint did not take a request.");
                    request = *unsent;
                    REFUSED
                }
                Err(SendError::Broken { address, source }) => {
                    debug!(%address, error = %source, "Endpoint broke a request off.");
                    if !(is_bare && head.is_idempotent()) {
                        return Err(BROKEN);
                    }
                    request = head.request(pool.is_h2c(), Upload::Empty);
                    BROKEN
                }
            };
            if tries >= TRIES_MAX {
                return Err(refusal);
            }
            tried.push(pool.address);
            pool = self
                .next(backend, upstream, &mut tried, tries)
                .await
                .ok_or(refusal)?;
        }
    }

    /// Another endpoint, by the newest table.
    async fn next(
        &mut self,
        backend: &Backend,
        upstream: &Upstream,
        tried: &mut Vec<SocketAddr>,
        tries: u32,
    ) -> Option<Arc<Pool>> {
        for is_fresh in [true, false] {
            let live = Arc::clone(&self.tables.borrow_and_update());
            let known = live
                .backend(self.found.rule, &backend.service)
                .map(|live| &live.upstream);
            if let Some(pool) = known.unwrap_or(upstream).pick(tried) {
                return Some(Arc::clone(pool));
            }
            if is_fresh {
                let wait = ALL_TRIED_WAIT.saturating_mul(1 << tries.min(TRIES_MAX));
                // Ends early when a new table comes; its sender ends only with the gateway.
                let _ = timeout(wait, self.tables.changed()).await;
                tried.clear();
            }
        }
        None
    }
}

/// Sends a copy and drops the answer.
pub(super) fn mirror(pool: Arc<Pool>, request: Request<Upload>) {
    tokio::spawn(async move {
        let exchange = async {
            let (answer, lease) = pool.send(request).await?;
            let mut body = answer.into_body();
            while let Some(Ok(_)) = http_body_util::BodyExt::frame(&mut body).await {}
            lease.give_back();
            Ok::<_, SendError>(())
        };
        match timeout(MIRROR_TIMEOUT, exchange).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "Mirror did not answer."),
            Err(_) => debug!(address = %pool.address, "Mirror did not answer in time."),
        }
    });
}
