//! Sends one request of a plan and reads its answer to the end.
//!
//! Keeps connections by hyper's pool; follows redirects; knows nothing of rates. TLS is in
//! `tls.rs`.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use super::{Fault, Plan, tls};

/// Redirects followed for one request.
const REDIRECTS_MAX: usize = 10;
/// Time to open a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time an idle connection is kept, below what common servers keep.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends the requests of one plan.
pub(super) struct Sender {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    timeout: Option<Duration>,
    redirects_max: usize,
}

/// An answer that was read.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) bytes: u64,
}

impl Sender {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let idle = if plan.is_keepalive {
            plan.concurrency
        } else {
            0
        };
        let client = Client::builder(TokioExecutor::new())
            .http2_only(plan.is_http2)
            .pool_max_idle_per_host(idle)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .build(tls::connector(connector, plan.is_http2));
        let mut headers = plan.headers.clone();
        if !plan.is_keepalive && !plan.is_http2 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Self {
            client,
            url: plan.url.clone(),
            method: plan.method.clone(),
            headers,
            body: plan.body.clone(),
            timeout: plan.timeout,
            redirects_max: if plan.follows_redirects {
                REDIRECTS_MAX
            } else {
                0
            },
        }
    }

    /// Sends one request and reads the answer.
    pub(super) async fn send(&self) -> Result<Got, Fault> {
        match self.timeout {
            Some(limit) => timeout(limit, self.follow())
                .await
                .map_err(|_| Fault::Timeout)?,
            None => self.follow().await,
        }
    }

    async fn follow(&self) -> Result<Got, Fault> {
        let (mut url, mut method, mut body) =
            (self.url.clone(), self.method.clone(), self.body.clone());
        let mut left = self.redirects_max;
        loop {
            let got = self.once(&url, &method, body.clone()).await?;
            let location = got
                .headers
                .get(header::LOCATION)
                .and_then(|value| value.to_str().ok());
            let (true, Some(location)) = (
                got.status.is_redirection() && self.redirects_max > 0,
                location,
            ) else {
                return Ok(got);
            };
            left = left.checked_sub(1).ok_or(Fault::Redirect)?;
            // Another host must not get the Host header, nor credentials, of the first.
            let next = join(&url, location).filter(|next| next.authority() == url.authority());
            url = next.ok_or(Fault::Redirect)?;
            let is_kept = matches!(
                got.status,
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
            );
            if !is_kept && method != Method::HEAD {
                (method, body) = (Method::GET, Bytes::new());
            }
        }
    }

    async fn once(&self, url: &Uri, method: &Method, body: Bytes) -> Result<Got, Fault> {
        let mut request = Request::new(Full::new(body));
        *request.uri_mut() = url.clone();
        *request.method_mut() = method.clone();
        *request.headers_mut() = self.headers.clone();
        let answer = self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                Fault::Connect
            } else {
                Fault::Broken
            }
        })?;
        let (parts, mut body) = answer.into_parts();
        let mut bytes = 0_u64;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Fault::Broken)?;
            bytes += frame
                .data_ref()
                .map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
        }
        Ok(Got {
            status: parts.status,
            headers: parts.headers,
            bytes,
        })
    }
}

/// A `Location` seen from the URL that gave it.
fn join(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default();
    if location.contains("://") {
        return location
            .parse()
            .ok()
            .filter(|url: &Uri| matches!(url.scheme_str(), Some("http" | "https")));
    }
    let path = if location.starts_with('/') {
        location.to_owned()
    } else {
        let folder = base
            .path()
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        format!("{folder}/{location}")
    };
    format!("{}://{}{path}", base.scheme_str()?, base.authority()?)
        .parse()
        .ok()
}
