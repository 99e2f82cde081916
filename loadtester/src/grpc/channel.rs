//! Makes single gRPC calls and reads their answers, for what must be known before load is sent.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use tokio::time::timeout;

use super::frame::{frame, unframe};
use super::with_path;
use crate::load::{self, Code, Fault, Http, Plan, PlanError};

/// Bytes of an answer's body.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Time for one call of a plan without a limit.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(20);

/// A server to call.
pub(crate) struct Channel {
    http: Http,
    plan: Plan,
    headers: HeaderMap,
}

impl Channel {
    /// A channel to where the plan goes. `headers` are sent with every call.
    pub(crate) fn new(plan: &Plan, headers: HeaderMap) -> Result<Self, PlanError> {
        let mut plan = plan.clone();
        plan.is_http2 = true;
        Ok(Self {
            http: load::client(&plan)?,
            plan,
            headers,
        })
    }

    /// Host and port, to be told.
    pub(super) fn host(&self) -> String {
        let host = self.plan.connect_to.as_ref().unwrap_or(&self.plan.url);
        host.authority()
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    /// Sends one message to a path and gives the messages of the answer.
    pub(super) async fn call(&self, path: &str, message: &[u8]) -> Result<Vec<Bytes>, Fault> {
        let limit = self.plan.timeout.unwrap_or(TIMEOUT_DEFAULT);
        timeout(limit, self.exchange(path, message, limit))
            .await
            .map_err(|_| Fault::Timeout)?
    }

    async fn exchange(
        &self,
        path: &str,
        message: &[u8],
        limit: Duration,
    ) -> Result<Vec<Bytes>, Fault> {
        let mut request = Request::new(Full::new(frame(message)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = with_path(&self.plan.url, path).ok_or(Fault::Broken)?;
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().extend(super::headers(Some(limit)));
        let answer = self.http.request(request).await?;
        let (parts, mut body) = answer.into_parts();
        let (mut bytes, mut trailers) = (BytesMut::new(), None);
        while let Some(part) = body.frame().await {
            let part = part.map_err(|_| Fault::Broken)?;
            match part.into_data() {
                Ok(part) if bytes.len().saturating_add(part.len()) > ANSWER_BYTES_MAX => {
                    return Err(Fault::Broken);
                }
                Ok(part) => bytes.extend_from_slice(&part),
                Err(part) => trailers = part.into_trailers().ok().or(trailers),
            }
        }
        let code = Code::read(parts.status, &parts.headers, trailers.as_ref());
        if code != Code::OK {
            return Err(Fault::Rpc(code));
        }
        unframe(bytes.freeze()).ok_or(Fault::Broken)
    }
}
