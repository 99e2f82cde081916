//! Google Cloud Monitoring: an MQL query to `projects/<project>`

mod token;

use reqwest::Url;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Point, unreadable};
use super::kept::Source;
use super::{Keys, When, several};
use crate::context::Unusable;
use crate::credentials::Secret;
use crate::outbound::{HttpRequest, Method, Outbound};

use chrono::{DateTime, Utc};

const ADDRESS: &str = "https://monitoring.googleapis.com";

const WANTED: &str =
    "project, and serviceAccountKey unless the operator itself may read the metrics";

/// Cloud Monitoring of one project.
#[derive(Clone)]
pub(super) struct Stackdriver {
    project: Secret,
    /// JSON key of a service account; without it, who the operator is.
    account_key: Option<Secret>,
}

impl Stackdriver {
    pub(super) fn read(keys: &Keys<'_>) -> Result<Self, Unusable> {
        Ok(Self {
            project: keys.need("project", WANTED)?,
            account_key: keys.find("serviceAccountKey")?,
        })
    }

    #[expect(clippy::unused_self, reason = "the project is from a Secret")]
    pub(super) fn shown(&self) -> String {
        format!("stackdriver {ADDRESS}")
    }

    pub(super) async fn ask(
        &self,
        query: &str,
        when: &When,
        outbound: &dyn Outbound,
    ) -> Result<Option<Point>, String> {
        let (request, source) = self.request(query, when, outbound).await?;
        let answer = Answer::get(&request, outbound).await?;
        forget(&source, &answer, outbound);
        answer.check_success()?;
        read(&answer)
    }

    /// A query of nothing must be refused as an invalid argument.
    pub(super) async fn probe(&self, when: &When, outbound: &dyn Outbound) -> Result<(), String> {
        let (request, source) = self.request("", when, outbound).await?;
        let answer = Answer::get(&request, outbound).await?;
        forget(&source, &answer, outbound);
        if answer.status == 400 && answer.json::<Refusal>()?.error.status == "INVALID_ARGUMENT" {
            return Ok(());
        }
        answer.check_success()
    }

    async fn request(
        &self,
        query: &str,
        when: &When,
        outbound: &dyn Outbound,
    ) -> Result<(HttpRequest, Source), String> {
        let project = self.project.expose().trim();
        // Domain-scoped projects have a colon and dots.
        let is_project = !project.is_empty()
            && project
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'.'));
        let url = Url::parse(&format!("{ADDRESS}/v3/projects/{project}/timeSeries:query"));
        let (true, Ok(url)) = (is_project, url) else {
            return Err("cannot be asked: project of its Secret is not a project id".to_owned());
        };
        let (token, source) = token::find(self.account_key.as_ref(), when.now, outbound)
            .await
            .map_err(|why| format!("cannot be asked: {why}"))?;
        let request = HttpRequest::new(Method::Post, url)
            .secret_header("authorization", "Bearer ", &token)
            .body("application/json", json!({ "query": query }).to_string())
            .hiding(&self.project);
        Ok((request, source))
    }
}

/// A token that was refused is not used again.
fn forget(source: &Source, answer: &Answer<'_>, outbound: &dyn Outbound) {
    if let (401 | 403, Some(kept)) = (answer.status, outbound.kept()) {
        kept.forget(source);
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: Status,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(default)]
    time_series_data: Vec<Series>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Series {
    #[serde(default)]
    point_data: Vec<PointData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PointData {
    #[serde(default)]
    values: Vec<TypedValue>,
    time_interval: Option<TimeInterval>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypedValue {
    double_value: Option<Double>,
    /// A text, as JSON has 64-bit integers of protocol buffers.
    int64_value: Option<String>,
}

/// Protocol buffers write what JSON has no numbers for as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Double {
    Finite(f64),
    Special(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TimeInterval {
    end_time: Option<DateTime<Utc>>,
}

fn read(answer: &Answer<'_>) -> Result<Option<Point>, String> {
    let body: Body = answer.json()?;
    let series = match body.time_series_data.as_slice() {
        [] => return Ok(None),
        [one] => one,
        [_, _, ..] => return Err(several(body.time_series_data.len(), "time series")),
    };
    // Points are sorted from new to old.
    let Some(newest) = series.point_data.first() else {
        return Ok(None);
    };
    let Some(typed) = newest.values.first() else {
        return Ok(None);
    };
    let value = match (&typed.double_value, &typed.int64_value) {
        (Some(Double::Finite(value)), _) => Some(*value),
        (Some(Double::Special(text)), _) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        (None, Some(text)) => text.parse().ok(),
        (None, None) => None,
    };
    let value = value.ok_or_else(|| unreadable("its first value is not a number"))?;
    let at = newest.time_interval.as_ref().and_then(|time| time.end_time);
    Ok(Some(Point::new(value, at)))
}
