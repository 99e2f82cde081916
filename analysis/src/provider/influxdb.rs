//! InfluxDB 2: a Flux query, answered as annotated CSV
//!
//! The first record's `_value` counts, and only as a double, as Flagger has it.
//! An empty result is no data here; Flagger takes it for 0.

mod csv;

use std::collections::BTreeSet;
use std::time::Duration;

use api::metric_template::MetricProvider;
use chrono::{DateTime, Utc};
use reqwest::Url;
use serde_json::json;

use super::answer::{Answer, Point, unreadable};
use super::{Keys, Plain, When, address, below, several, shown};
use crate::context::Unusable;
use crate::credentials::Secret;
use crate::outbound::{HttpRequest, Method};
use csv::Record;

/// Flagger's time for a Flux query.
const TIMEOUT: Duration = Duration::from_secs(15);

const PROBE: &str = r#"from(bucket: "default") |> range(start: -2h)"#;

const WANTED: &str = "token and org";

pub(super) struct Influxdb {
    address: Url,
    /// Token and organisation.
    access: Option<(Secret, Secret)>,
}

impl Influxdb {
    pub(super) fn read(spec: &MetricProvider, keys: &Keys<'_>) -> Result<Self, Unusable> {
        let access = if keys.is_named() {
            Some((keys.need("token", WANTED)?, keys.need("org", WANTED)?))
        } else {
            None
        };
        Ok(Self {
            address: address(spec, None)?,
            access,
        })
    }

    fn post(&self, query: &str) -> HttpRequest {
        let mut url = below(&self.address, "/api/v2/query");
        let org = self.access.as_ref().map_or("", |(_, org)| org.expose());
        url.query_pairs_mut().append_pair("org", org.trim());
        let annotations = ["datatype", "group", "default"];
        let dialect = json!({ "annotations": annotations, "delimiter": ",", "header": true });
        let body = json!({ "query": query, "type": "flux", "dialect": dialect });
        let mut request = HttpRequest::new(Method::Post, url)
            .header("accept", "text/csv")
            .body("application/json", body.to_string());
        request.timeout = TIMEOUT;
        match &self.access {
            Some((token, org)) => request
                .secret_header("authorization", "Token ", token)
                .hiding(org),
            None => request,
        }
    }
}

impl Plain for Influxdb {
    fn shown(&self) -> String {
        shown("influxdb", &self.address)
    }

    fn query(&self, query: &str, _when: &When) -> Result<HttpRequest, String> {
        Ok(self.post(query))
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Option<Point>, String> {
        let records = records(answer)?;
        let tables: BTreeSet<_> = records
            .iter()
            .map(|record| (record.get("result"), record.get("table")))
            .collect();
        if tables.len() > 1 {
            return Err(several(tables.len(), "tables"));
        }
        let Some(first) = records.first() else {
            return Ok(None);
        };
        let raw = first.get("_value").unwrap_or_default();
        if raw.is_empty() {
            return Ok(None);
        }
        match first.datatype("_value") {
            Some("double") => {}
            other => {
                let other = answer.quote(other.unwrap_or("value without a type"));
                return Err(format!(
                    "answered with a {other}, not a double; use float() or toFloat() in the query"
                ));
            }
        }
        let value = number(raw)
            .ok_or_else(|| unreadable(&format!("{:?} is not a number", answer.quote(raw))))?;
        Ok(Some(Point::new(value, first.get("_time").and_then(time))))
    }

    fn probe(&self, _when: &When) -> Result<HttpRequest, String> {
        Ok(self.post(PROBE))
    }

    fn is_online(&self, answer: &Answer<'_>) -> Result<(), String> {
        answer.check_success()?;
        // The bucket may hold more than is read; what counts is that it answers.
        match answer.text() {
            Ok(_) => records(answer).map(drop),
            Err(_) => Ok(()),
        }
    }
}

/// All records; a table of errors is an error.
fn records<'a>(answer: &'a Answer<'_>) -> Result<Vec<Record<'a>>, String> {
    let text = answer.text()?;
    let records = csv::records(text).ok_or_else(|| unreadable("it is not annotated CSV"))?;
    if let Some(error) = records.iter().find_map(|record| record.get("error")) {
        return Err(format!("answered with an error: {}", answer.quote(error)));
    }
    Ok(records)
}

fn number(raw: &str) -> Option<f64> {
    match raw {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        _ => raw.parse().ok().filter(|value: &f64| value.is_finite()),
    }
}

fn time(raw: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(raw).ok()?;
    Some(time.with_timezone(&Utc))
}
