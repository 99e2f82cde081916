//! Makes HTTP answers: JSON, text, refusals, streams.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt};
use http::{HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use serde_json::Value;

use super::Broken;
use crate::status::ApiError;

/// The body of an answer: at once, or the lines of a watch.
pub type ReplyBody = UnsyncBoxBody<Bytes, Broken>;

/// An answer in JSON.
pub(crate) fn json(code: u16, value: &Value) -> Response<ReplyBody> {
    with_type(code, "application/json", Bytes::from(value.to_string()))
}

/// An answer in text.
pub(crate) fn text(words: &'static str) -> Response<ReplyBody> {
    with_type(
        200,
        "text/plain; charset=utf-8",
        Bytes::from_static(words.as_bytes()),
    )
}

/// The answer for a path that nothing serves: plain text, as Go's router words it.
pub(crate) fn no_such_page() -> Response<ReplyBody> {
    with_type(
        404,
        "text/plain; charset=utf-8",
        Bytes::from_static(b"404 page not found\n"),
    )
}

/// An answer of a given media type.
pub(crate) fn with_type(code: u16, media_type: &'static str, body: Bytes) -> Response<ReplyBody> {
    let body = Full::new(body)
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// A refusal as `metav1.Status`.
pub(crate) fn refusal(error: &ApiError) -> Response<ReplyBody> {
    let mut response = json(error.code, &error.to_value());
    if let Some(seconds) = error.retry_after_s {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The lines of a watch.
pub(crate) fn stream(lines: impl Stream<Item = Bytes> + Send + 'static) -> Response<ReplyBody> {
    let frames = lines.map(|line| Ok(Frame::data(line)));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// Says when it was answered.
pub(crate) fn date(response: &mut Response<ReplyBody>, now: DateTime<Utc>) {
    let told = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(value) = HeaderValue::from_str(&told) {
        response.headers_mut().insert(header::DATE, value);
    }
}

/// Adds warnings that clients show to their users.
pub(crate) fn warn(response: &mut Response<ReplyBody>, warnings: &[String]) {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
}
