//! Sends one request of a metric provider; reads small files of credentials

use reqwest::Client;
use reqwest::header::HeaderValue;
use tokio::io::AsyncReadExt;

use super::words;
use crate::credentials::Secret;
use crate::outbound::{HttpRequest, HttpResponse, Method, QueryFault};

/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Longest file of credentials that is read.
const FILE_BYTES_MAX: u64 = 64 * 1024;

pub(super) async fn exchange(
    client: &Client,
    request: &HttpRequest,
) -> Result<HttpResponse, QueryFault> {
    let method = match request.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Delete => reqwest::Method::DELETE,
    };
    let mut builder = client
        .request(method, request.url.clone())
        .timeout(request.timeout);
    for (name, value) in &request.headers {
        let mut value = HeaderValue::try_from(value.expose()).map_err(|_| {
            QueryFault::Unreachable(format!("cannot be asked: header {name:?} is not valid"))
        })?;
        value.set_sensitive(true);
        builder = builder.header(*name, value);
    }
    if !request.body.is_empty() {
        builder = builder.body(request.body.clone());
    }
    let fault = |error: &reqwest::Error| match words::query_fault(error) {
        QueryFault::Slow(_) => QueryFault::Slow(request.timeout),
        fault @ (QueryFault::Unreachable(_)
        | QueryFault::Status { .. }
        | QueryFault::Refused(_)
        | QueryFault::Long(_)
        | QueryFault::Unreadable(_)) => fault,
    };
    let mut response = builder.send().await.map_err(|error| fault(&error))?;
    let status = response.status().as_u16();
    let (body, is_cut) = super::body(&mut response, ANSWER_BYTES_MAX)
        .await
        .map_err(|error| fault(&error))?;
    Ok(HttpResponse {
        status,
        body,
        is_cut,
    })
}

pub(super) async fn file(path: &str) -> Option<Secret> {
    let file = tokio::fs::File::open(path).await.ok()?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .await
        .ok()?;
    Some(Secret::new(text))
}
