//! The users: they ask again and again, and count what fails.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use http::header::HOST;
use http::{HeaderValue, Uri};
use loadtester::load::{Answer, Concurrency, Limit, Pace, Plan};
use tokio::task::JoinHandle;

use super::manifests::{self, VERSIONS};

/// Requests a second.
const RATE_PER_S: f64 = 60.0;

/// Requests under way at once: enough for a slow version not to hold up the others.
const CONCURRENCY: usize = 64;

/// Longest time they go on.
const LENGTH: Duration = Duration::from_secs(600);

/// Longest time until the first version answers.
const FIRST_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The header in which the application tells its version.
const VERSION: &str = "x-version";

/// What the users have seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Requests answered by a good version, or by none.
    pub(crate) requests: u64,
    /// Of those, the ones that failed.
    pub(crate) failed: u64,
    /// Requests that each version answered, and those that it answered with an error.
    pub(crate) by_version: BTreeMap<String, Answered>,
}

/// What one version answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answered {
    /// All.
    pub(crate) requests: u64,
    /// With an error.
    pub(crate) failed: u64,
}

/// Users under way; they stop when this is dropped.
pub(crate) struct Users {
    tally: Arc<Mutex<Counts>>,
    task: JoinHandle<()>,
}

impl Users {
    /// Lets them come to the gateway.
    pub(crate) fn start(gateway: SocketAddr) -> Self {
        let tally = Arc::new(Mutex::new(Counts::default()));
        let seen = Arc::clone(&tally);
        let task = tokio::spawn(async move {
            let Ok(url) = format!("http://{gateway}/").parse::<Uri>() else {
                return;
            };
            let mut plan = Plan::new(url, Limit::Time(LENGTH));
            plan.headers
                .insert(HOST, HeaderValue::from_static(manifests::HOST));
            plan.pace = Some(Pace::Constant(RATE_PER_S));
            plan.concurrency = Concurrency::Constant(CONCURRENCY);
            if let Err(error) =
                loadtester::load::run(plan, move |answer| locked(&seen).add(answer)).await
            {
                tracing::error!(%error, "The users cannot come.");
            }
        });
        Self { tally, task }
    }

    /// What they have seen so far.
    pub(crate) fn counts(&self) -> Counts {
        locked(&self.tally).clone()
    }

    /// Waits until the first version has answered.
    pub(crate) async fn until_served(&self) -> Result<()> {
        let served = async {
            while self.counts().by_version.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(FIRST_ANSWER_TIMEOUT, served)
            .await
            .context("no user was served by the first version")
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn locked(tally: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Counts {
    /// Failures of a bad version are its own; everything else that fails is the rollout's fault.
    fn add(&mut self, answer: &Answer<'_>) {
        let version = answer.headers.get(VERSION).and_then(|v| v.to_str().ok());
        let failed = u64::from(!answer.outcome.is_ok_and(|status| status.is_success()));
        if let Some(version) = version {
            let answered = self.by_version.entry(version.to_owned()).or_default();
            answered.requests = answered.requests.saturating_add(1);
            answered.failed = answered.failed.saturating_add(failed);
        }
        let is_by_bad_version = VERSIONS.iter().any(|v| v.is_bad && Some(v.tag) == version);
        // Before the first version has answered nothing is there to fail.
        if is_by_bad_version || self.by_version.is_empty() {
            return;
        }
        self.requests = self.requests.saturating_add(1);
        self.failed = self.failed.saturating_add(failed);
    }
}
