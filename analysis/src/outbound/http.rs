//! Plain HTTP requests and requests to the Kubernetes API, as values
//!
//! Metric providers build these and read what comes back; who sends them is
//! behind the seam.

use std::time::Duration;

use reqwest::Url;
use serde_json::Value;

use crate::credentials::Secret;
use crate::wording;

/// What is done with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Read it.
    Get,
    /// Make it, or ask with a body.
    Post,
    /// Put it in place.
    Put,
    /// Remove it.
    Delete,
}

/// Whom a request may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// What the egress rules allow.
    Outside,
    /// The cloud's own credential service, at an address that is not from any
    /// manifest: outside the egress rules, past proxies, without redirects.
    CloudIdentity,
}

/// One HTTP request. Has no Debug: it holds credentials.
#[derive(Clone)]
pub struct HttpRequest {
    /// What is done.
    pub method: Method,
    /// Where, with the query string.
    pub url: Url,
    /// Headers; names in lower case, values may be secret.
    pub headers: Vec<(&'static str, Secret)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// Time for the whole exchange.
    pub timeout: Duration,
    /// Accept any certificate, and use no proxy.
    pub is_tls_unchecked: bool,
    /// Whom it may reach.
    pub reach: Reach,
    /// What no text about this request may hold.
    pub(crate) secrets: Vec<Secret>,
}

impl HttpRequest {
    /// Time for one exchange, as Flagger has it for most providers.
    const TIMEOUT: Duration = Duration::from_secs(5);

    /// A request without headers and body.
    #[must_use]
    pub fn new(method: Method, url: Url) -> Self {
        let mut secrets = vec![Secret::new(url.username())];
        secrets.extend(url.password().map(Secret::new));
        Self {
            method,
            url,
            headers: Vec::new(),
            body: Vec::new(),
            timeout: Self::TIMEOUT,
            is_tls_unchecked: false,
            reach: Reach::Outside,
            secrets,
        }
    }

    /// Adds a header that may be shown.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, Secret::new(value)));
        self
    }

    /// Adds a header made of a prefix and a secret, without the line break that
    /// Secrets made from files end with.
    #[must_use]
    pub fn secret_header(mut self, name: &'static str, prefix: &str, secret: &Secret) -> Self {
        let value = secret.expose().trim();
        self.headers
            .push((name, Secret::new(format!("{prefix}{value}"))));
        self.secrets.push(Secret::new(value));
        self
    }

    /// Sets the body and its type.
    #[must_use]
    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut request = self.header("content-type", content_type);
        request.body = body.into();
        request
    }

    /// Names one more value that no text may hold.
    #[must_use]
    pub fn hiding(mut self, secret: &Secret) -> Self {
        self.secrets.push(Secret::new(secret.expose().trim()));
        self
    }

    /// Takes this request's secrets out of a text.
    pub(crate) fn redact(&self, text: &str) -> String {
        let secrets: Vec<&str> = self.secrets.iter().map(Secret::expose).collect();
        wording::redact(text, &secrets)
    }
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// HTTP status.
    pub status: u16,
    /// The body, cut at a limit.
    pub body: Vec<u8>,
    /// Whether the body was longer than the limit.
    pub is_cut: bool,
}

/// One request to the API server of the operator's own cluster, with the
/// operator's own rights.
#[derive(Debug, Clone, PartialEq)]
pub struct KubernetesRequest {
    /// What is done.
    pub method: Method,
    /// Path and query, starting with `/apis/`.
    pub path: String,
    /// The object to send; none for GET and DELETE.
    pub body: Option<Value>,
}
