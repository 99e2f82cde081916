//! Sends one request of a plan and reads its answer to the end.
//!
//! Follows redirects; knows nothing of rates. Connections are `connect.rs`'s.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use tokio::time::timeout;

use super::connect::{self, Http};
use super::plan::Filled;
use super::rpc::Code;
use super::{Fault, Plan, PlanError};

/// Redirects followed for one request.
const REDIRECTS_MAX: usize = 10;

/// Sends the requests of one plan.
pub(super) struct Sender {
    /// One, or as many as gRPC calls are spread over.
    clients: Vec<Http>,
    plan: Plan,
    headers: HeaderMap,
    redirects_max: usize,
}

/// An answer that was read.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) bytes: u64,
    /// How a gRPC call ended; of no meaning for other answers.
    code: Code,
}

impl Sender {
    pub(super) fn new(plan: &Plan) -> Result<Self, PlanError> {
        let connections = plan.calls.as_ref().map_or(1, |calls| calls.connections);
        let clients: Result<_, _> = (0..connections.max(1))
            .map(|_| connect::client(plan))
            .collect();
        let mut headers = plan.headers.clone();
        if !plan.is_keepalive && !plan.is_http2 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(Self {
            clients: clients?,
            plan: plan.clone(),
            headers,
            redirects_max: if plan.follows_redirects {
                REDIRECTS_MAX
            } else {
                0
            },
        })
    }

    /// Sends the n-th request, for a worker, and reads the answer.
    pub(super) async fn send(&self, n: u64, worker: usize) -> Result<Got, Fault> {
        match self.plan.timeout {
            Some(limit) => timeout(limit, self.exchange(n, worker))
                .await
                .map_err(|_| Fault::Timeout)?,
            None => self.exchange(n, worker).await,
        }
    }

    async fn exchange(&self, n: u64, worker: usize) -> Result<Got, Fault> {
        let client = self.clients.get(worker % self.clients.len().max(1));
        let client = client.ok_or(Fault::Connect)?;
        let Some(calls) = &self.plan.calls else {
            return self.follow(client).await;
        };
        let (headers, body) = match &calls.fill {
            None => (self.headers.clone(), in_turn(&calls.bodies, n)),
            Some(fill) => {
                let Filled { body, mut headers } = fill.fill(n, worker).ok_or(Fault::Unfilled)?;
                headers.extend(self.headers.clone());
                (headers, body.unwrap_or_else(|| in_turn(&calls.bodies, n)))
            }
        };
        let got = self
            .once(client, &self.plan.url, &self.plan.method, headers, body)
            .await?;
        if got.code == Code::OK {
            Ok(got)
        } else {
            Err(Fault::Rpc(got.code))
        }
    }

    async fn follow(&self, client: &Http) -> Result<Got, Fault> {
        let plan = &self.plan;
        let (mut url, mut method, mut body) =
            (plan.url.clone(), plan.method.clone(), plan.body.clone());
        let mut left = self.redirects_max;
        loop {
            let headers = self.headers.clone();
            let got = self
                .once(client, &url, &method, headers, body.clone())
                .await?;
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

    async fn once(
        &self,
        client: &Http,
        url: &Uri,
        method: &Method,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Got, Fault> {
        let mut request = Request::new(Full::new(body));
        *request.uri_mut() = url.clone();
        *request.method_mut() = method.clone();
        *request.headers_mut() = headers;
        let answer = client.request(request).await?;
        let (parts, mut body) = answer.into_parts();
        let (mut bytes, mut trailers) = (0_u64, None);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Fault::Broken)?;
            bytes += frame
                .data_ref()
                .map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
            trailers = frame.into_trailers().ok().or(trailers);
        }
        Ok(Got {
            code: Code::read(parts.status, &parts.headers, trailers.as_ref()),
            status: parts.status,
            headers: parts.headers,
            bytes,
        })
    }
}

/// The body of the n-th request.
pub(crate) fn in_turn(bodies: &[Bytes], n: u64) -> Bytes {
    let count = u64::try_from(bodies.len()).unwrap_or(u64::MAX).max(1);
    // The remainder is below a length, so it fits.
    let place = usize::try_from(n % count).unwrap_or(0);
    bodies.get(place).cloned().unwrap_or_default()
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
