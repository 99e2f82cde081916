//! Smart HTTP (gitprotocol-http): `<name>/info/refs?service=git-upload-pack`
//! and `<name>/git-upload-pack`. Serves no dumb HTTP and takes no pushes.

use std::io::Read;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use flate2::read::GzDecoder;

use super::upload::Refusal;
use super::{GitServer, pktline, upload};

const REQUEST_BYTES_MAX: usize = 8 * 1024 * 1024;

pub(super) fn router(git: GitServer) -> Router {
    // Names may have slashes, so the path is taken apart by its end.
    Router::new()
        .fallback(answer)
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(git)
}

async fn answer(
    State(git): State<GitServer>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().trim_start_matches('/');
    if let (&Method::GET, Some(name)) = (&method, path.strip_suffix("/info/refs")) {
        return advertise(&git, name, uri.query().unwrap_or_default(), &headers);
    }
    if let (&Method::POST, Some(name)) = (&method, path.strip_suffix("/git-upload-pack")) {
        return upload_pack(&git, name, &headers, &body);
    }
    StatusCode::NOT_FOUND.into_response()
}

fn is_v2(headers: &HeaderMap) -> bool {
    let asked = headers
        .get("git-protocol")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    asked.split(':').any(|key| key == "version=2")
}

fn typed(content_type: &'static str, body: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, body).into_response()
}

fn advertise(git: &GitServer, name: &str, query: &str, headers: &HeaderMap) -> Response {
    if !query
        .split('&')
        .any(|pair| pair == "service=git-upload-pack")
    {
        return (StatusCode::FORBIDDEN, "only git-upload-pack is served").into_response();
    }
    let Some(repository) = git.find(name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let body = upload::advertise(&repository.inner(), is_v2(headers));
    typed("application/x-git-upload-pack-advertisement", body)
}

fn upload_pack(git: &GitServer, name: &str, headers: &HeaderMap, body: &Bytes) -> Response {
    let Some(repository) = git.find(name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let is_gzip = headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|v| v == "gzip" || v == "x-gzip");
    let packets = if is_gzip {
        gunzip(body).and_then(|bytes| pktline::read(&bytes))
    } else {
        pktline::read(body)
    };
    let Some(packets) = packets else {
        return (StatusCode::BAD_REQUEST, "body is no pkt-lines").into_response();
    };
    let inner = repository.inner();
    let answered = if is_v2(headers) {
        upload::answer_v2(&inner, &packets)
    } else {
        upload::answer_v0(&inner, &packets)
    };
    let body = answered.unwrap_or_else(|Refusal(text)| {
        let mut out = pktline::Packets::default();
        out.line(&format!("ERR {text}"));
        out.0
    });
    typed("application/x-git-upload-pack-result", body)
}

fn gunzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let limit = u64::try_from(REQUEST_BYTES_MAX).unwrap_or(u64::MAX);
    let read = GzDecoder::new(body)
        .take(limit + 1)
        .read_to_end(&mut out)
        .ok()?;
    (read <= REQUEST_BYTES_MAX).then_some(out)
}
