//! Graphite: `GET /render`, whose query string the query is

use api::metric_template::MetricProvider;
use base64::Engine as _;
use chrono::TimeDelta;
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use super::answer::{Answer, Point, unix_ms, unreadable};
use super::{Keys, Plain, When, address, below, several, shown};
use crate::context::Unusable;
use crate::credentials::{Credentials, Secret};
use crate::outbound::{HttpRequest, Method};

pub(super) struct Graphite {
    address: Url,
    credentials: Option<Credentials>,
    is_tls_unchecked: bool,
}

impl Graphite {
    pub(super) fn read(spec: &MetricProvider, keys: &Keys<'_>) -> Result<Self, Unusable> {
        Ok(Self {
            address: address(spec, None)?,
            credentials: keys.basic("username and password")?,
            is_tls_unchecked: spec.insecure_skip_verify,
        })
    }

    fn get(&self, query: &str) -> HttpRequest {
        let mut url = below(&self.address, "/render");
        let collapsed = query.split_whitespace().collect::<Vec<_>>().join(" ");
        url.set_query(Some(&collapsed));
        // Read and written again, so that what manifests leave unescaped is escaped.
        let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        pairs.retain(|(name, _)| name != "format");
        pairs.push(("format".to_owned(), "json".to_owned()));
        pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
        url.query_pairs_mut().clear().extend_pairs(pairs);
        let mut request = HttpRequest::new(Method::Get, url);
        request.is_tls_unchecked = self.is_tls_unchecked;
        match &self.credentials {
            Some(Credentials::Basic { username, password })
                if !username.expose().is_empty() && !password.expose().is_empty() =>
            {
                let pair = format!("{}:{}", username.expose(), password.expose());
                let pair = base64::engine::general_purpose::STANDARD.encode(pair);
                request
                    .secret_header("authorization", "Basic ", &Secret::new(pair))
                    .hiding(username)
                    .hiding(password)
            }
            Some(Credentials::Basic { .. } | Credentials::Bearer(_)) | None => request,
        }
    }
}

impl Plain for Graphite {
    fn shown(&self) -> String {
        shown("graphite", &self.address)
    }

    /// Graphite does not know Go's `1m`; seconds it knows everywhere.
    fn interval(&self, length: TimeDelta) -> String {
        format!("{}s", length.num_seconds().max(1))
    }

    fn query(&self, query: &str, _when: &When) -> Result<HttpRequest, String> {
        Ok(self.get(query))
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Option<Point>, String> {
        let targets: Vec<Target> = answer.json()?;
        let mut points = Vec::new();
        for target in &targets {
            let (mut last, mut before, mut step) = (None, None, 0.0);
            for (value, at) in &target.datapoints {
                let value = number(value).map_err(|raw| bad(answer, raw))?;
                let at = number(at).map_err(|raw| bad(answer, raw))?;
                if let (Some(at), Some(before)) = (at, before) {
                    step = at - before;
                }
                before = at;
                if let Some(value) = value {
                    let at = at.and_then(|seconds| unix_ms(seconds * 1000.0));
                    last = Some(Point::new(value, at));
                }
            }
            let last = last.map(|point| point.covering(step));
            points.extend(last);
        }
        match points.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(*one)),
            [_, _, ..] => Err(several(points.len(), "targets")),
        }
    }

    fn probe(&self, _when: &When) -> Result<HttpRequest, String> {
        Ok(self.get("target=test"))
    }

    fn is_online(&self, answer: &Answer<'_>) -> Result<(), String> {
        answer.check_success()?;
        answer.json::<Vec<Target>>().map(drop)
    }
}

/// Points are `[value, seconds]`; either may be a text.
#[derive(Deserialize)]
struct Target {
    #[serde(default)]
    datapoints: Vec<(Value, Value)>,
}

fn number(raw: &Value) -> Result<Option<f64>, &Value> {
    match raw {
        Value::Null => Ok(None),
        Value::Number(number) => number.as_f64().map(Some).ok_or(raw),
        Value::String(text) => text.parse().map(Some).map_err(|_| raw),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(raw),
    }
}

fn bad(answer: &Answer<'_>, raw: &Value) -> String {
    let raw = answer.quote(&raw.to_string());
    unreadable(&format!("a datapoint has {raw} in place of a number"))
}
