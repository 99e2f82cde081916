//! Splunk Observability: a SignalFlow program over HTTP
//!
//! Flagger runs it over a WebSocket. `POST /v2/signalflow/execute` on the same
//! host takes the same program and parameters, and answers with the same
//! messages as server-sent events; the stream ends when the program does.

use std::collections::BTreeSet;

use api::metric_template::MetricProvider;
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use super::answer::{Answer, Point, unix_ms, unreadable};
use super::{Keys, Plain, When, below, several, shown};
use crate::context::Unusable;
use crate::credentials::Secret;
use crate::outbound::{HttpRequest, Method, base_url};

pub(super) struct Splunk {
    /// `https://stream.<realm>.signalfx.com`.
    stream: Url,
    /// `https://api.<realm>.signalfx.com`.
    api: Url,
    token: Secret,
}

impl Splunk {
    pub(super) fn read(spec: &MetricProvider, keys: &Keys<'_>) -> Result<Self, Unusable> {
        let given = spec.address.as_deref().unwrap_or_default();
        // ws and wss are what Flagger speaks: the same ports, the same TLS.
        let http = match given.strip_prefix("ws") {
            Some(rest) => format!("http{rest}"),
            None => given.to_owned(),
        };
        let url = base_url(&http).ok_or(Unusable::Address)?;
        Ok(Self {
            stream: host(&url, "api", "stream"),
            api: host(&url, "stream", "api"),
            token: keys.need("sf_token_key", "sf_token_key")?,
        })
    }

    fn request(&self, method: Method, url: Url) -> HttpRequest {
        HttpRequest::new(method, url).secret_header("x-sf-token", "", &self.token)
    }
}

/// The URL with the first `from` of its host replaced.
fn host(url: &Url, from: &str, to: &str) -> Url {
    let mut out = url.clone();
    let renamed = url.host_str().map(|host| host.replacen(from, to, 1));
    // A host that was valid stays valid; if not, the address is kept.
    let _ = out.set_host(renamed.as_deref());
    out
}

impl Plain for Splunk {
    fn shown(&self) -> String {
        shown("splunk", &self.stream)
    }

    fn query(&self, query: &str, when: &When) -> Result<HttpRequest, String> {
        let mut url = below(&self.stream, "/v2/signalflow/execute");
        url.query_pairs_mut()
            .append_pair("start", &when.start().timestamp_millis().to_string())
            .append_pair("stop", &when.now.timestamp_millis().to_string())
            .append_pair("immediate", "true");
        Ok(self
            .request(Method::Post, url)
            .header("accept", "text/event-stream")
            .body("text/plain", query))
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Option<Point>, String> {
        let mut series = BTreeSet::new();
        let mut last = None;
        let events = events(answer.text()?);
        if events.is_empty() {
            // Even a program without output starts with a control message.
            return Err(unreadable("it is not a stream of events"));
        }
        for (event, data) in events {
            let bad = |error: serde_json::Error| unreadable(&answer.quote(&error.to_string()));
            let refused = |why: &str| format!("answered with an error: {}", answer.quote(why));
            match event {
                "data" => {
                    let batch: Batch = serde_json::from_str(&data).map_err(bad)?;
                    let at = batch.logical_timestamp_ms.and_then(unix_ms);
                    for datum in batch.data {
                        let Some(value) = datum.value else { continue };
                        series.insert(datum.ts_id);
                        last = Some(Point::new(value, at));
                    }
                }
                "error" => return Err(refused(&data)),
                "control-message" => {
                    let message: Value = serde_json::from_str(&data).map_err(bad)?;
                    if message.get("event").and_then(Value::as_str) == Some("CHANNEL_ABORT") {
                        return Err(refused(&message.to_string()));
                    }
                }
                // Metadata and hints, and what may be added to the protocol.
                _ => {}
            }
        }
        if series.len() > 1 {
            return Err(several(series.len(), "time series"));
        }
        Ok(last)
    }

    fn probe(&self, _when: &When) -> Result<HttpRequest, String> {
        let mut url = below(&self.api, "/v2/metric");
        url.set_query(Some("limit=1"));
        Ok(self.request(Method::Get, url))
    }
}

/// Server-sent events: the type, and the lines of data put together.
fn events(text: &str) -> Vec<(&str, String)> {
    let mut events = Vec::new();
    let (mut event, mut data) = ("message", Vec::new());
    for line in text.lines().chain([""]) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => event = value,
            "data" => data.push(value),
            "" if line.is_empty() => {
                if !data.is_empty() {
                    events.push((event, data.join("\n")));
                }
                (event, data) = ("message", Vec::new());
            }
            // Comments, and fields that matter to reconnecting only.
            _ => {}
        }
    }
    events
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    logical_timestamp_ms: Option<f64>,
    #[serde(default)]
    data: Vec<Datum>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Datum {
    ts_id: String,
    value: Option<f64>,
}
