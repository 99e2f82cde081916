//! Words the request for a backend: filters, rewrites, forwarding headers.
//!
//! Pure. The head can be turned into a request more than once, for retries and mirrors.

use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri, Version};

use crate::body::Upload;
use crate::rewrite::strip_hop_by_hop;
use crate::table::{Backend, Found};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A request's head as backends see it.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    /// Path and query.
    target: String,
    host: HeaderValue,
    headers: HeaderMap,
}

/// Applies the rule's and the backend's filters to a client's head.
pub(super) fn build(
    parts: &http::request::Parts,
    authority: &str,
    peer: IpAddr,
    found: &Found<'_>,
    backend: &Backend,
) -> Head {
    let mut headers = parts.headers.clone();
    strip_hop_by_hop(&mut headers);
    // We answer the expectation ourselves, by reading the body.
    headers.remove(header::EXPECT);
    join_cookies(&mut headers);
    forwarded(&mut headers, peer);
    let mut host = HeaderValue::from_str(authority).unwrap_or(HeaderValue::from_static(""));
    let mut target = parts
        .uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str)
        .to_owned();
    for filters in [&found.rule.filters, &backend.filters] {
        // A set or added Host means the authority, which HTTP/2 keeps elsewhere.
        headers.insert(header::HOST, host.clone());
        filters.request.apply(&mut headers);
        host = headers.remove(header::HOST).unwrap_or(host);
        if let Some(url) = &filters.url {
            host = url.host.clone().unwrap_or(host);
            if let Some(edit) = &url.path {
                target = edit.target(&parts.uri, found.prefix);
            }
        }
    }
    Head {
        method: parts.method.clone(),
        target,
        host,
        headers,
    }
}

/// HTTP/2 clients may send cookies apart; HTTP/1 knows one header (RFC 9113 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let all: Vec<&[u8]> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if all.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, joined);
    }
}

fn forwarded(headers: &mut HeaderMap, peer: IpAddr) {
    let peer = peer.to_canonical().to_string();
    let before = headers
        .get_all(X_FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let list: Vec<&str> = before.chain(std::iter::once(peer.as_str())).collect();
    if let Ok(list) = list.join(", ").parse() {
        headers.insert(X_FORWARDED_FOR, list);
    }
    headers
        .entry(X_FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static("http"));
}

impl Head {
    /// Asks the backend to change the protocol, as the client did.
    pub(super) fn upgrade(&mut self, protocol: HeaderValue) {
        self.headers
            .insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        self.headers.insert(header::UPGRADE, protocol);
    }

    /// Whether the method may be repeated (RFC 9110 9.2.2).
    pub(super) fn is_idempotent(&self) -> bool {
        self.method.is_idempotent()
    }

    /// A request in the form of HTTP/1.1 or, for `h2c`, of HTTP/2.
    pub(super) fn request(&self, h2c: bool, body: Upload) -> Request<Upload> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = self.headers.clone();
        let host = String::from_utf8_lossy(self.host.as_bytes());
        let uri = if h2c {
            format!("http://{host}{}", self.target)
        } else {
            self.target.clone()
        };
        // Path and host came from a parsed request or a checked filter.
        *request.uri_mut() = uri.parse().unwrap_or(Uri::from_static("/"));
        if h2c {
            *request.version_mut() = Version::HTTP_2;
        } else {
            request
                .headers_mut()
                .insert(header::HOST, self.host.clone());
        }
        request
    }
}
