//! An answer over HTTP, and the texts that may be made of it
//!
//! Whatever is quoted has gone through `quote`, which takes secrets out before
//! it cuts.

use chrono::{DateTime, TimeDelta, Utc};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::outbound::{HttpRequest, Outbound, QueryFault};
use crate::wording;

/// One number, and the time it is of where the server tells it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) value: f64,
    pub(super) at: Option<DateTime<Utc>>,
    /// How long after `at` it tells of: servers name buckets by their start.
    pub(super) covers: TimeDelta,
}

impl Point {
    /// A number of a moment.
    pub(super) const fn new(value: f64, at: Option<DateTime<Utc>>) -> Self {
        Self {
            value,
            at,
            covers: TimeDelta::zero(),
        }
    }

    /// A number of a bucket of that many seconds; all but lengths are ignored.
    pub(super) fn covering(mut self, seconds: f64) -> Self {
        let length = std::time::Duration::try_from_secs_f64(seconds).ok();
        let length = length.and_then(|length| TimeDelta::from_std(length).ok());
        self.covers = length.unwrap_or_default();
        self
    }
}

/// What came back for a request.
pub(super) struct Answer<'r> {
    pub(super) status: u16,
    body: Vec<u8>,
    is_cut: bool,
    request: &'r HttpRequest,
}

impl<'r> Answer<'r> {
    /// Sends the request once, within its time.
    pub(super) async fn get(
        request: &'r HttpRequest,
        outbound: &dyn Outbound,
    ) -> Result<Self, String> {
        let exchange = tokio::time::timeout(request.timeout, outbound.exchange(request));
        let response = exchange
            .await
            .unwrap_or(Err(QueryFault::Slow(request.timeout)))
            .map_err(|fault| request.redact(&fault.to_string()))?;
        Ok(Self {
            status: response.status,
            body: response.body,
            is_cut: response.is_cut,
            request,
        })
    }

    /// Any status of success.
    pub(super) fn check_success(&self) -> Result<(), String> {
        if (200..300).contains(&self.status) {
            Ok(())
        } else {
            Err(self.failure())
        }
    }

    /// `answered 403: Forbidden`.
    pub(super) fn failure(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let message = serde_json::from_str::<Value>(&text)
            .ok()
            .and_then(|body| message(&body))
            .or_else(|| tag(&text, "Message").map(str::to_owned))
            .unwrap_or_else(|| text.into_owned());
        let said = wording::after_colon(&self.quote(&message));
        format!("answered {}{said}", self.status)
    }

    /// The body as UTF-8.
    pub(super) fn text(&self) -> Result<&str, String> {
        if self.is_cut {
            return Err(QueryFault::Long(self.body.len()).to_string());
        }
        std::str::from_utf8(&self.body).map_err(|_| unreadable("it is not UTF-8"))
    }

    /// The body as JSON of a shape.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, String> {
        let text = self.text()?;
        if text.trim().is_empty() {
            return Err(unreadable("it is empty"));
        }
        serde_json::from_str(text).map_err(|error| {
            if text.trim_start().starts_with('<') {
                return unreadable("it is HTML, not JSON");
            }
            unreadable(&self.quote(&error.to_string()))
        })
    }

    /// What the server wrote, fit to be shown.
    pub(super) fn quote(&self, text: &str) -> String {
        wording::first_line(&self.request.redact(text))
    }
}

/// Words for an answer that is not what the provider answers.
pub(super) fn unreadable(why: &str) -> String {
    QueryFault::Unreadable(why.to_owned()).to_string()
}

/// Where the providers' errors have their text.
fn message(body: &Value) -> Option<String> {
    const PLACES: [&str; 9] = [
        "/error/message",
        "/error_description",
        "/message",
        "/Message",
        "/errors/0/message",
        "/errors/0",
        "/error",
        "/__type",
        "/0/error/message",
    ];
    let found = PLACES
        .iter()
        .find_map(|place| body.pointer(place)?.as_str());
    found.map(str::to_owned)
}

/// The text of an XML element without children, where it comes first. AWS writes
/// what is asked for here without entities.
pub(super) fn tag<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inner)
}

/// A time in milliseconds since 1970, as JSON has it.
pub(super) fn unix_ms(ms: f64) -> Option<DateTime<Utc>> {
    if !ms.is_finite() || ms.abs() > 1e15 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded above; parts of a millisecond do not matter"
    )]
    DateTime::from_timestamp_millis(ms as i64)
}
