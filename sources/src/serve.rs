//! Serves the store's files over plain HTTP, read only.
//!
//! `GET /` answers 200 for readiness probes and lists the kinds; folders are
//! listed, files sent whole. There is no authentication: consumers verify the
//! digest, and a NetworkPolicy keeps strangers away.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::files::RelPath;
use crate::store::Store;

const CONNECTIONS_MAX: usize = 256;
const HEADER_TIMEOUT_S: u64 = 10;
const LISTING_ENTRIES_MAX: usize = 10_000;

/// Answers on `listener` until the future is dropped.
pub async fn serve(listener: TcpListener, store: Store) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "Artifact connection not accepted.");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let store = store.clone();
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let store = store.clone();
                async move {
                    Ok::<_, Infallible>(
                        answer(&store, request.method(), request.uri().path()).await,
                    )
                }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(HEADER_TIMEOUT_S))
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "Artifact connection ended early.");
            }
            drop(slot);
        });
    }
}

async fn answer(store: &Store, method: &Method, path: &str) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        return plain(
            StatusCode::METHOD_NOT_ALLOWED,
            "text/plain",
            Bytes::from_static(b"method not allowed\n"),
        );
    }
    let not_found = || {
        plain(
            StatusCode::NOT_FOUND,
            "text/plain",
            Bytes::from_static(b"404 page not found\n"),
        )
    };
    let Ok(relative) = RelPath::normalize(&unescape(path)) else {
        return not_found();
    };
    let target = relative.map_or_else(
        || store.root().to_path_buf(),
        |path| store.root().join(path.as_str()),
    );
    let found = tokio::task::spawn_blocking(move || read(&target)).await;
    match found {
        Ok(Some((kind, bytes))) => plain(StatusCode::OK, kind, bytes),
        Ok(None) | Err(_) => not_found(),
    }
}

/// Content type and bytes of a file or a listing; links are not followed.
fn read(target: &Path) -> Option<(&'static str, Bytes)> {
    let metadata = std::fs::symlink_metadata(target).ok()?;
    if metadata.is_file() {
        let kind = if target.to_string_lossy().ends_with(".tar.gz") {
            "application/gzip"
        } else {
            "application/octet-stream"
        };
        return Some((kind, std::fs::read(target).ok()?.into()));
    }
    if !metadata.is_dir() {
        return None;
    }
    let mut names: Vec<String> = std::fs::read_dir(target)
        .ok()?
        .take(LISTING_ENTRIES_MAX)
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let mut page = String::from("<pre>\n");
    for name in names {
        let name = name
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('"', "&quot;");
        // Writing to a String does not fail.
        let _ = writeln!(page, "<a href=\"{name}\">{name}</a>");
    }
    page.push_str("</pre>\n");
    Some(("text/html; charset=utf-8", page.into()))
}

fn plain(status: StatusCode, kind: &'static str, bytes: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static(kind),
    );
    response
}

/// Undoes percent-encoding; OCI file names hold a colon that clients may escape.
fn unescape(path: &str) -> String {
    let mut out = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = (byte == b'%').then(|| after.get(..2)).flatten();
        let code = code.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        rest = if code.is_some() {
            after.get(2..).unwrap_or_default()
        } else {
            after
        };
        out.push(code.unwrap_or(byte));
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Slot;

    #[tokio::test]
    async fn files_and_listings_are_served_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), "x").unwrap();
        let slot = Slot::new("gitrepository", "ns", "app").unwrap();
        let now = chrono::DateTime::from_timestamp(0, 0).unwrap();
        let stored = store
            .put(&slot, "a.tar.gz", Bytes::from_static(b"content"), now)
            .await
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(serve(listener, store));
        let get = |path: String| {
            let base = base.clone();
            async move {
                let response = reqwest::get(format!("{base}{path}")).await.unwrap();
                (response.status().as_u16(), response.text().await.unwrap())
            }
        };
        assert_eq!(
            get(format!("/{}", stored.path)).await,
            (200, "content".to_owned())
        );
        assert_eq!(
            get("/gitrepository/ns/%61pp/a.tar.gz".to_owned()).await.0,
            200
        );
        let (status, listing) = get("/".to_owned()).await;
        assert!(
            status == 200 && listing.contains("gitrepository"),
            "{listing}"
        );
        assert_eq!(get("/absent".to_owned()).await.0, 404);
        assert_eq!(
            get("/..%2f..%2f..%2f..%2fetc/passwd".to_owned()).await.0,
            404
        );
        let response = reqwest::Client::new()
            .delete(format!("{base}/{}", stored.path))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), 405);
        server.abort();
    }
}
