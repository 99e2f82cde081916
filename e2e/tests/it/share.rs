//! Who answered: the share of requests that reached a canary, by the name of the pod that podinfo tells.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use reqwest::header::HOST;
use serde_json::Value;
use tokio::task::JoinSet;

/// How far a share may be from its weight.
pub(crate) const DEVIATION_MAX_POINTS: f64 = 3.0;
/// Requests at least.
const REQUESTS_MIN: f64 = 1000.0;
/// Standard deviations in `DEVIATION_MAX_POINTS`: a true split misses by chance once in two million.
const SIGMAS: f64 = 5.0;
const WORKERS: usize = 16;
const TIMEOUT: Duration = Duration::from_secs(10);

/// Answers by who gave them: is it the canary, and its message.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Answers(BTreeMap<(bool, String), u32>);

impl Answers {
    /// Asks `http://<address>/` for this host, so often that chance cannot hide a wrong split.
    pub(crate) async fn ask(address: &str, host: &str, weight_percent: u32) -> Result<Self> {
        let left = Arc::new(AtomicI64::new(requests(weight_percent)));
        let client = Client::builder().no_proxy().timeout(TIMEOUT).build()?;
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            let request = client.get(format!("http://{address}/")).header(HOST, host);
            workers.spawn(work(request, Arc::clone(&left)));
        }
        let mut all = Self::default();
        while let Some(done) = workers.join_next().await {
            for (who, count) in done??.0 {
                *all.0.entry(who).or_default() += count;
            }
        }
        Ok(all)
    }

    pub(crate) fn requests(&self) -> u32 {
        self.0.values().sum()
    }

    /// The canary's share.
    pub(crate) fn canary_percent(&self) -> f64 {
        let all = self.0.iter().filter(|((is_canary, _), _)| *is_canary);
        let canary: u32 = all.map(|(_, count)| count).sum();
        100.0 * f64::from(canary) / f64::from(self.requests())
    }

    /// What each side said; one message a side, unless a wrong version answered.
    pub(crate) fn messages(&self) -> Vec<(bool, &str)> {
        let all = self.0.keys();
        all.map(|(is_canary, said)| (*is_canary, said.as_str()))
            .collect()
    }
}

/// Enough for the deviation to be so many standard deviations of a binomial share.
#[expect(clippy::cast_possible_truncation, reason = "some thousands")]
fn requests(weight_percent: u32) -> i64 {
    let share = f64::from(weight_percent) / 100.0;
    let needed = share * (1.0 - share) * (100.0 * SIGMAS / DEVIATION_MAX_POINTS).powi(2);
    needed.max(REQUESTS_MIN).ceil() as i64
}

async fn work(request: reqwest::RequestBuilder, left: Arc<AtomicI64>) -> Result<Answers> {
    let mut seen = Answers::default();
    while left.fetch_sub(1, Ordering::Relaxed) > 0 {
        let request = request.try_clone().context("no body to stream")?;
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        let told = String::from_utf8_lossy(&body);
        ensure!(status.is_success(), "answered {status}: {told}");
        let told: Value = serde_json::from_slice(&body).with_context(|| told.into_owned())?;
        let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
        let is_canary = !text("hostname").starts_with("podinfo-primary-");
        *seen.0.entry((is_canary, text("message"))).or_default() += 1;
    }
    Ok(seen)
}
