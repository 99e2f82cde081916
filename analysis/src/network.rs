//! The way out through sockets: HTTP to metric servers and to webhooks
//!
//! Follows redirects to the same host only, reads bodies up to a limit, and calls
//! no address that `egress` forbids. Does not retry, and judges no answer.

mod egress;
mod exchange;
mod prometheus;
mod words;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, Response, Url, redirect};
use thiserror::Error;

use crate::credentials::Secret;
use crate::outbound::{
    Asked, HookFault, HookRequest, HookResponse, HttpRequest, HttpResponse, Outbound,
    PrometheusServer, QueryFault, QueryResult, Reach,
};
use crate::provider::Kept;

pub use egress::Egress;

/// Longest body of a webhook's answer that is kept.
const HOOK_BODY_BYTES_MAX: usize = 64 * 1024;

/// Time to connect, within the time of the whole.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections to one host that are kept for later: each has some 40 KB of buffers.
const IDLE_MAX: usize = 8;
const IDLE_TIME_MAX: Duration = Duration::from_secs(60);

/// Redirects to the same host that are followed.
const REDIRECTS_MAX: usize = 5;

/// Why no client could be made.
#[derive(Debug, Error)]
#[error("failed to set up the HTTP client")]
pub struct NetworkError(#[source] reqwest::Error);

/// The real way out. Connections are kept and shared; cloning is cheap.
#[derive(Clone)]
pub struct Network {
    checked: Client,
    /// Accepts any certificate.
    unchecked: Client,
    /// Accepts any certificate, and uses no proxy: for webhooks with `disableTLS`.
    direct: Client,
    /// For the cloud's credential service: no proxy, no redirects, no egress rules.
    identity: Client,
    egress: Arc<Egress>,
    kept: Arc<Kept>,
}

impl Network {
    /// Sets up the clients; connects to nothing.
    ///
    /// # Errors
    /// When the platform's certificates cannot be loaded.
    pub fn new(egress: Egress) -> Result<Self, NetworkError> {
        let egress = Arc::new(egress);
        let checked = client(&egress).build().map_err(NetworkError)?;
        let unchecked = || client(&egress).tls_danger_accept_invalid_certs(true);
        let direct = unchecked().no_proxy().build().map_err(NetworkError)?;
        let unchecked = unchecked().build().map_err(NetworkError)?;
        let identity = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            .no_proxy();
        let identity = identity.build().map_err(NetworkError)?;
        Ok(Self {
            checked,
            unchecked,
            direct,
            identity,
            egress,
            kept: Arc::default(),
        })
    }

    /// The client that asks for metrics.
    const fn client(&self, is_tls_unchecked: bool) -> &Client {
        if is_tls_unchecked {
            &self.unchecked
        } else {
            &self.checked
        }
    }

    async fn send(&self, request: &HookRequest) -> Result<HookResponse, HookFault> {
        let url = Url::parse(request.url.expose())
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or(HookFault::Url)?;
        self.egress
            .check(&url)
            .map_err(|address| HookFault::Forbidden(address.to_string()))?;
        let client = if request.is_tls_unchecked {
            &self.direct
        } else {
            &self.checked
        };
        let mut builder = client
            .post(url)
            .timeout(request.timeout)
            .header(CONTENT_TYPE, "application/json")
            .body(request.body.clone());
        if let Some(key) = &request.idempotency_key {
            builder = builder.header("Idempotency-Key", key);
        }
        let fault = |error: &reqwest::Error| words::hook_fault(error, request.timeout);
        let mut response = builder.send().await.map_err(|error| fault(&error))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let (body, _) = body(&mut response, HOOK_BODY_BYTES_MAX)
            .await
            .map_err(|error| fault(&error))?;
        Ok(HookResponse {
            status,
            body: String::from_utf8_lossy(&body).into_owned(),
            retry_after,
        })
    }
}

impl Outbound for Network {
    fn instant<'a>(
        &'a self,
        server: &'a PrometheusServer,
        query: &'a str,
        _now: DateTime<Utc>,
    ) -> Asked<'a, Result<QueryResult, QueryFault>> {
        Box::pin(async move {
            self.egress.check(server.url()).map_err(forbidden)?;
            prometheus::instant(self.client(server.is_tls_unchecked), server, query).await
        })
    }

    fn post<'a>(&'a self, request: &'a HookRequest) -> Asked<'a, Result<HookResponse, HookFault>> {
        Box::pin(self.send(request))
    }

    fn exchange<'a>(
        &'a self,
        request: &'a HttpRequest,
    ) -> Asked<'a, Result<HttpResponse, QueryFault>> {
        Box::pin(async move {
            let client = match request.reach {
                Reach::CloudIdentity => &self.identity,
                Reach::Outside => {
                    self.egress.check(&request.url).map_err(forbidden)?;
                    self.client(request.is_tls_unchecked)
                }
            };
            exchange::exchange(client, request).await
        })
    }

    fn kept(&self) -> Option<&Kept> {
        Some(&self.kept)
    }

    fn variable(&self, name: &str) -> Option<Secret> {
        std::env::var(name).ok().map(Secret::new)
    }

    fn file<'a>(&'a self, path: &'a str) -> Asked<'a, Option<Secret>> {
        Box::pin(exchange::file(path))
    }
}

fn forbidden(address: IpAddr) -> QueryFault {
    QueryFault::Unreachable(format!("is at {address}, which must not be called"))
}

fn client(egress: &Arc<Egress>) -> ClientBuilder {
    let resolver = egress::Resolver(Arc::clone(egress));
    Client::builder()
        .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(IDLE_MAX)
        .pool_idle_timeout(IDLE_TIME_MAX)
        .dns_resolver(Arc::new(resolver))
        .redirect(redirect::Policy::custom(follow))
}

/// Follows a redirect only to the same host, and never from https to http.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    if attempt.previous().len() > REDIRECTS_MAX {
        return attempt.error(words::REDIRECTS);
    }
    let is_same = attempt.previous().first().is_some_and(|first| {
        let next = attempt.url();
        let is_downgrade = first.scheme() == "https" && next.scheme() != "https";
        first.host_str() == next.host_str() && !is_downgrade
    });
    if is_same {
        attempt.follow()
    } else {
        attempt.error(words::OTHER_HOST)
    }
}

/// Reads a body up to a limit; tells whether there is more.
async fn body(
    response: &mut Response,
    bytes_max: usize,
) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = bytes_max.saturating_sub(body.len());
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if chunk.len() > room {
            return Ok((body, true));
        }
    }
    Ok((body, false))
}

/// `Retry-After` in seconds, or as a date read against the server's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text| DateTime::parse_from_rfc2822(text).ok();
    let server_time = date(headers.get(DATE)?.to_str().ok()?)?;
    date(text)?.signed_duration_since(server_time).to_std().ok()
}
