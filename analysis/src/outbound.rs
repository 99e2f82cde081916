//! The seam between what is asked and how it gets there
//!
//! `Network` goes out through sockets; the simulation answers in the process.
//! One call is one attempt: retries and time limits lie above the seam.

mod http;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Url;
use serde_json::Value;
use thiserror::Error;

use crate::credentials::{Credentials, Secret};
use crate::provider::Kept;
use crate::wording;

pub use http::{HttpRequest, HttpResponse, KubernetesRequest, Method, Reach};

/// An answer that is on its way.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The way out of the process.
pub trait Outbound: Send + Sync {
    /// Runs an instant query, evaluated at the server's present. `now` is the
    /// time of the asker, for those that have no clock of their own.
    fn instant<'a>(
        &'a self,
        server: &'a PrometheusServer,
        query: &'a str,
        now: DateTime<Utc>,
    ) -> Asked<'a, Result<QueryResult, QueryFault>>;

    /// Sends one POST to a webhook.
    fn post<'a>(&'a self, request: &'a HookRequest) -> Asked<'a, Result<HookResponse, HookFault>>;

    /// Sends one HTTP request of a metric provider.
    fn exchange<'a>(
        &'a self,
        _request: &'a HttpRequest,
    ) -> Asked<'a, Result<HttpResponse, QueryFault>> {
        Box::pin(std::future::ready(Err(not_here())))
    }

    /// Sends one request to the Kubernetes API and reads the JSON answer; any
    /// status but success is `QueryFault::Status` with the API's message.
    fn kubernetes<'a>(
        &'a self,
        _request: &'a KubernetesRequest,
    ) -> Asked<'a, Result<Value, QueryFault>> {
        Box::pin(std::future::ready(Err(not_here())))
    }

    /// Reads a variable of the operator's environment that a cloud's default
    /// credentials are found by; none where there is no such environment.
    fn variable(&self, _name: &str) -> Option<Secret> {
        None
    }

    /// Where credentials that clouds lend are kept from one check to the next; none
    /// where each check fetches its own.
    fn kept(&self) -> Option<&Kept> {
        None
    }

    /// Reads a small text file that such a variable names; none if it cannot be
    /// read.
    fn file<'a>(&'a self, _path: &'a str) -> Asked<'a, Option<Secret>> {
        Box::pin(std::future::ready(None))
    }
}

fn not_here() -> QueryFault {
    QueryFault::Unreachable("is not reachable here".to_owned())
}

/// Reads an `http` or `https` address without the slash that its path ends
/// with; none if it is no such URL.
pub(crate) fn base_url(address: &str) -> Option<Url> {
    let mut url = Url::parse(address)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))?;
    url.host_str()?;
    // API paths are appended with their own slash.
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Some(url)
}

/// A Prometheus, and how to speak to it.
#[derive(Clone)]
pub struct PrometheusServer {
    url: Url,
    /// Custom headers; values may hold tokens.
    pub headers: Vec<(String, Secret)>,
    /// Who asks.
    pub credentials: Option<Credentials>,
    /// Accept any certificate.
    pub is_tls_unchecked: bool,
}

impl PrometheusServer {
    /// A server at an `http` or `https` URL, whose path is kept as prefix; none
    /// if the address is no such URL.
    #[must_use]
    pub fn at(address: &str) -> Option<Self> {
        let url = base_url(address)?;
        Some(Self {
            url,
            headers: Vec::new(),
            credentials: None,
            is_tls_unchecked: false,
        })
    }

    /// Takes what may be credentials out of a text: servers quote what they
    /// were sent.
    pub(crate) fn redact(&self, text: &str) -> String {
        let url = wording::url_secrets(self.url.as_str());
        let mut secrets: Vec<&str> = url.iter().map(String::as_str).collect();
        secrets.extend(self.headers.iter().map(|(_, value)| value.expose()));
        secrets.extend(self.credentials.iter().flat_map(Credentials::secrets));
        wording::redact(text, &secrets)
    }

    /// The address as it is asked; may hold a password.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The address as it may be shown: scheme, host and port.
    #[must_use]
    pub fn shown(&self) -> String {
        wording::origin(&self.url)
    }
}

/// What an instant query gave.
#[derive(Debug, Clone, PartialEq)]
pub enum QueryResult {
    /// Zero, one or more series.
    Vector(Vec<Series>),
    /// `resultType` is another; which.
    Other(String),
}

/// One series of a vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The number; none for a native histogram.
    pub value: Option<f64>,
    /// The time that the server says the value is of.
    pub at: DateTime<Utc>,
}

/// Why a query got no result. Holds no credentials.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueryFault {
    /// No connection; why.
    #[error("{0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("gave no answer within {} s", .0.as_secs_f64())]
    Slow(Duration),
    /// Another HTTP status than success; the error that the body tells.
    #[error("answered {status}{}", wording::after_colon(.message))]
    Status {
        /// HTTP status.
        status: u16,
        /// What Prometheus said, or nothing.
        message: String,
    },
    /// Success in HTTP, error in the body.
    #[error("answered with an error: {0}")]
    Refused(String),
    /// The body is longer than the limit.
    #[error("gave an answer longer than {0} bytes")]
    Long(usize),
    /// The body is not what Prometheus answers; what is wrong.
    #[error("gave an answer that cannot be read: {0}")]
    Unreadable(String),
}

/// One attempt to call a webhook.
#[derive(Clone)]
pub struct HookRequest {
    /// Where; may hold credentials.
    pub url: Secret,
    /// The JSON body.
    pub body: String,
    /// Value of the header `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// Time for the whole attempt.
    pub timeout: Duration,
    /// Accept any certificate, and use no proxy.
    pub is_tls_unchecked: bool,
}

/// What a webhook answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookResponse {
    /// HTTP status, redirects followed.
    pub status: u16,
    /// The body, cut at a limit; bytes that are not UTF-8 replaced.
    pub body: String,
    /// The header `Retry-After`, when it gives seconds.
    pub retry_after: Option<Duration>,
}

/// Why a webhook gave no answer. Holds no credentials.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HookFault {
    /// The URL is none, or not of http or https.
    #[error("the url is not an http or https URL")]
    Url,
    /// No connection, or it broke; why.
    #[error("{0}")]
    Unreachable(String),
    /// The certificate is not accepted; why.
    #[error("showed a certificate that is not valid: {0}")]
    Certificate(String),
    /// No answer in time.
    #[error("gave no answer within {} s", .0.as_secs_f64())]
    Slow(Duration),
    /// A redirect that is not followed; why.
    #[error("{0}")]
    Redirect(String),
    /// An address that must not be called; which.
    #[error("is at {0}, which must not be called")]
    Forbidden(String),
}

impl HookFault {
    /// Whether another attempt can help.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Slow(_) => true,
            Self::Url | Self::Certificate(_) | Self::Redirect(_) | Self::Forbidden(_) => false,
        }
    }
}
