//! Requests to servers that run tests for us: bounded in time and size, never redirected.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

/// Time for one request, as Flagger has it for Concord.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Characters of an answer that are told.
const QUOTED_CHARS_MAX: usize = 200;

/// A client that checks certificates: these requests carry credentials.
pub(super) fn client() -> Result<Client, String> {
    Client::builder()
        .timeout(TIMEOUT)
        .redirect(Policy::none())
        .build()
        .map_err(|error| format!("failed to set up the HTTP client: {error}"))
}

/// Sends a request and reads a JSON answer of success. `server` names whom in errors.
pub(super) async fn ask(request: RequestBuilder, server: &str) -> Result<Value, String> {
    let gone = |error: reqwest::Error| {
        // Without the URL, which may hold a password.
        format!("{server} could not be asked: {}", error.without_url())
    };
    let mut answer = request.send().await.map_err(gone)?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(gone)? {
        if body.len().saturating_add(part.len()) > ANSWER_BYTES_MAX {
            return Err(format!(
                "{server} gave an answer longer than {ANSWER_BYTES_MAX} bytes"
            ));
        }
        body.extend_from_slice(&part);
    }
    let text = String::from_utf8_lossy(&body);
    let quoted: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    if !status.is_success() {
        return Err(format!("{server} answered {status}: {quoted}"));
    }
    serde_json::from_str(&text)
        .map_err(|error| format!("{server} gave an answer that is not JSON ({error}): {quoted}"))
}
