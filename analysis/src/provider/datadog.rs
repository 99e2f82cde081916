//! Datadog: `GET /api/v1/query`
//!
//! The oldest point of the window counts, as Flagger has it: the newest is of a
//! time that is not over.

use api::metric_template::MetricProvider;
use reqwest::Url;
use serde::Deserialize;

use super::answer::{Answer, Point, unix_ms};
use super::{Keys, Plain, When, address, below, several, shown};
use crate::context::Unusable;
use crate::credentials::Secret;
use crate::outbound::{HttpRequest, Method};

const ADDRESS: &str = "https://api.datadoghq.com";

const WANTED: &str = "datadog_api_key and datadog_application_key";

pub(super) struct Datadog {
    address: Url,
    api_key: Secret,
    application_key: Secret,
}

impl Datadog {
    pub(super) fn read(spec: &MetricProvider, keys: &Keys<'_>) -> Result<Self, Unusable> {
        Ok(Self {
            address: address(spec, Some(ADDRESS))?,
            api_key: keys.need("datadog_api_key", WANTED)?,
            application_key: keys.need("datadog_application_key", WANTED)?,
        })
    }

    fn get(&self, url: Url) -> HttpRequest {
        HttpRequest::new(Method::Get, url)
            .secret_header("dd-api-key", "", &self.api_key)
            .secret_header("dd-application-key", "", &self.application_key)
    }
}

impl Plain for Datadog {
    fn shown(&self) -> String {
        shown("datadog", &self.address)
    }

    fn query(&self, query: &str, when: &When) -> Result<HttpRequest, String> {
        let mut url = below(&self.address, "/api/v1/query");
        url.query_pairs_mut()
            .append_pair("from", &when.start().timestamp().to_string())
            .append_pair("query", query)
            .append_pair("to", &when.now.timestamp().to_string());
        Ok(self.get(url))
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Option<Point>, String> {
        let body: Body = answer.json()?;
        if let Some(error) = body.error.filter(|error| !error.is_empty()) {
            return Err(format!("answered with an error: {}", answer.quote(&error)));
        }
        let series = match body.series.as_slice() {
            [] => return Ok(None),
            [one] => one,
            [_, _, ..] => return Err(several(body.series.len(), "series")),
        };
        let oldest = series
            .pointlist
            .iter()
            .find_map(|(at, value)| Some((*at, (*value)?)));
        Ok(oldest.map(|(at, value)| {
            let point = Point::new(value, at.and_then(unix_ms));
            point.covering(series.interval.unwrap_or_default())
        }))
    }

    fn probe(&self, _when: &When) -> Result<HttpRequest, String> {
        Ok(self.get(below(&self.address, "/api/v1/validate")))
    }
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    series: Vec<Series>,
    /// Datadog tells some errors with status 200.
    error: Option<String>,
}

/// Points are `[milliseconds, value]`.
#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    pointlist: Vec<(Option<f64>, Option<f64>)>,
    /// Seconds from point to point.
    interval: Option<f64>,
}
