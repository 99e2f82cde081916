//! New Relic: an NRQL query to the Insights API

use api::metric_template::MetricProvider;
use reqwest::Url;
use serde::Deserialize;

use super::answer::{Answer, Point};
use super::{Keys, Plain, When, address, below, several, shown};
use crate::context::Unusable;
use crate::credentials::Secret;
use crate::outbound::{HttpRequest, Method};

const ADDRESS: &str = "https://insights-api.newrelic.com";

const WANTED: &str = "newrelic_account_id and newrelic_query_key";

pub(super) struct Newrelic {
    address: Url,
    account_id: Secret,
    query_key: Secret,
}

impl Newrelic {
    pub(super) fn read(spec: &MetricProvider, keys: &Keys<'_>) -> Result<Self, Unusable> {
        Ok(Self {
            address: address(spec, Some(ADDRESS))?,
            account_id: keys.need("newrelic_account_id", WANTED)?,
            query_key: keys.need("newrelic_query_key", WANTED)?,
        })
    }

    fn ask(&self, query: &str, when: &When) -> Result<HttpRequest, String> {
        let account = self.account_id.expose().trim();
        let is_number = !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number {
            // It becomes part of the path.
            return Err(
                "cannot be asked: newrelic_account_id of its Secret is not a number".to_owned(),
            );
        }
        let mut url = below(&self.address, &format!("/v1/accounts/{account}/query"));
        let seconds = when.interval.num_seconds();
        url.query_pairs_mut()
            .append_pair("nrql", &format!("{query} SINCE {seconds} seconds ago"));
        Ok(HttpRequest::new(Method::Get, url)
            .secret_header("x-query-key", "", &self.query_key)
            .hiding(&self.account_id))
    }
}

impl Plain for Newrelic {
    fn shown(&self) -> String {
        shown("newrelic", &self.address)
    }

    fn query(&self, query: &str, when: &When) -> Result<HttpRequest, String> {
        self.ask(query, when)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Option<Point>, String> {
        let body: Body = answer.json()?;
        match body.results.as_slice() {
            [] => Ok(None),
            [one] => Ok(one.result.map(|value| Point::new(value, None))),
            [_, _, ..] => Err(several(body.results.len(), "results")),
        }
    }

    fn probe(&self, when: &When) -> Result<HttpRequest, String> {
        self.ask("SELECT * FROM Metric", when)
    }
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    results: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    result: Option<f64>,
}
