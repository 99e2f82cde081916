//! Scrapes targets over HTTP and dates their samples. A target that fails has
//! `up 0` and its series end, as with the real one.

use std::time::Duration;

use axum::body::Body;
use futures::stream::{self, StreamExt};
use http::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use promql::{Labels, parse_exposition};

use super::{Prometheus, Target, locked};

const SCRAPE_TIMEOUT: Duration = Duration::from_secs(5);
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
const CONCURRENT_MAX: usize = 64;

#[derive(Debug, thiserror::Error)]
enum ScrapeError {
    #[error("failed to build the request")]
    Build(#[source] http::Error),
    #[error("failed to ask the target")]
    Ask(#[source] hyper_util::client::legacy::Error),
    #[error("target answered {0}")]
    Refused(http::StatusCode),
    #[error("failed to read the body")]
    Read(#[source] axum::Error),
    #[error("body is no UTF-8")]
    Encoding(#[source] std::string::FromUtf8Error),
    #[error("failed to parse the body")]
    Parse(#[source] promql::ExpositionError),
    #[error("target did not answer in time")]
    TimedOut,
}

pub(super) async fn round(prometheus: &Prometheus) {
    let targets: Vec<(String, Target)> = locked(&prometheus.inner.targets)
        .iter()
        .map(|(name, target)| (name.clone(), target.clone()))
        .collect();
    let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
    stream::iter(targets)
        .for_each_concurrent(CONCURRENT_MAX, |(name, target)| {
            let client = client.clone();
            async move { one(prometheus, &client, &name, &target).await }
        })
        .await;
}

async fn one(
    prometheus: &Prometheus,
    client: &Client<HttpConnector, Body>,
    name: &str,
    target: &Target,
) {
    let asked = tokio::time::timeout(SCRAPE_TIMEOUT, ask(client, target)).await;
    let samples = asked.unwrap_or(Err(ScrapeError::TimedOut));
    // A target that was removed meanwhile has ended its series; they must not begin again.
    if !locked(&prometheus.inner.targets).contains_key(name) {
        return;
    }
    let mut now = Vec::new();
    let mut put = |labels: Labels, v: f64| {
        if let Err(error) = prometheus.append(&labels, v) {
            tracing::debug!(target = name, %error, "Sample refused.");
        }
        now.push(labels);
    };
    let mut up = target.labels.clone();
    up.set(promql::METRIC_NAME, "up");
    match samples {
        Ok(samples) => {
            put(up, 1.0);
            for (labels, v) in samples {
                put(labels, v);
            }
        }
        Err(error) => {
            tracing::debug!(target = name, %error, "Target not scraped.");
            put(up, 0.0);
        }
    }
    prometheus.end_series(name, &now);
}

async fn ask(
    client: &Client<HttpConnector, Body>,
    target: &Target,
) -> Result<Vec<(Labels, f64)>, ScrapeError> {
    let uri = format!("http://{}{}", target.address, target.path);
    let request = Request::get(uri)
        .body(Body::empty())
        .map_err(ScrapeError::Build)?;
    let response = client.request(request).await.map_err(ScrapeError::Ask)?;
    if !response.status().is_success() {
        return Err(ScrapeError::Refused(response.status()));
    }
    let body = Body::new(response.into_body());
    let bytes = axum::body::to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(ScrapeError::Read)?;
    let text = String::from_utf8(bytes.to_vec()).map_err(ScrapeError::Encoding)?;
    let read = parse_exposition(&text).map_err(ScrapeError::Parse)?;
    let labelled = read.samples.into_iter().map(|sample| {
        let mut labels = sample.labels;
        for (name, value) in target.labels.iter() {
            labels.set(name, value);
        }
        (labels, sample.v)
    });
    Ok(labelled.collect())
}
