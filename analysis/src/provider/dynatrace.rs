//! Dynatrace: `GET /api/v2/metrics/query`, aggregated over the whole window

use api::metric_template::MetricProvider;
use reqwest::Url;
use serde::Deserialize;

use super::answer::{Answer, Point, unix_ms};
use super::{Keys, Plain, When, address, below, several, shown};
use crate::context::Unusable;
use crate::credentials::Secret;
use crate::outbound::{HttpRequest, Method};

pub(super) struct Dynatrace {
    address: Url,
    token: Secret,
}

impl Dynatrace {
    pub(super) fn read(spec: &MetricProvider, keys: &Keys<'_>) -> Result<Self, Unusable> {
        Ok(Self {
            address: address(spec, None)?,
            token: keys.need("dynatrace_token", "dynatrace_token")?,
        })
    }

    fn get(&self, url: Url) -> HttpRequest {
        HttpRequest::new(Method::Get, url).secret_header("authorization", "Api-Token ", &self.token)
    }
}

impl Plain for Dynatrace {
    fn shown(&self) -> String {
        shown("dynatrace", &self.address)
    }

    fn query(&self, query: &str, when: &When) -> Result<HttpRequest, String> {
        let mut url = below(&self.address, "/api/v2/metrics/query");
        url.query_pairs_mut()
            .append_pair("from", &when.start().timestamp_millis().to_string())
            .append_pair("metricSelector", query)
            .append_pair("resolution", "Inf")
            .append_pair("to", &when.now.timestamp_millis().to_string());
        Ok(self.get(url))
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Option<Point>, String> {
        let body: Body = answer.json()?;
        let data: Vec<&Series> = body.result.iter().flat_map(|one| &one.data).collect();
        let series = match data.as_slice() {
            [] => return Ok(None),
            [one] => *one,
            [_, _, ..] => return Err(several(data.len(), "series")),
        };
        let at = series.timestamps.first().copied().and_then(unix_ms);
        let value = series.values.first().copied().flatten();
        Ok(value.map(|value| Point::new(value, at)))
    }

    fn probe(&self, _when: &When) -> Result<HttpRequest, String> {
        let mut url = below(&self.address, "/api/v2/metrics");
        url.set_query(Some("pageSize=1"));
        Ok(self.get(url))
    }
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    result: Vec<Collection>,
}

#[derive(Deserialize)]
struct Collection {
    #[serde(default)]
    data: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    timestamps: Vec<f64>,
    #[serde(default)]
    values: Vec<Option<f64>>,
}
