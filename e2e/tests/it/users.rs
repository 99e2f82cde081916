//! Users who ask again and again, and count what fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::header::HOST;
use loadtester::load::{Concurrency, Limit, Pace, Plan};
use tokio::task::JoinHandle;

const RATE_PER_S: f64 = 50.0;
const LENGTH: Duration = Duration::from_secs(600);

/// Users under way; they stop when this is dropped.
pub(crate) struct Users {
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    good: AtomicU64,
    failed: AtomicU64,
    /// A bad version is out: its failures are its own.
    failures_expected: AtomicBool,
}

impl Users {
    pub(crate) fn start(gateway: &str, host: &'static str) -> Self {
        let seen = Arc::new(Seen::default());
        let mut plan = Plan::new(
            format!("http://{gateway}/").parse().unwrap(),
            Limit::Time(LENGTH),
        );
        plan.headers
            .insert(HOST, http::HeaderValue::from_static(host));
        plan.pace = Some(Pace::Constant(RATE_PER_S));
        plan.concurrency = Concurrency::Constant(20);
        let counted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let done = loadtester::load::run(plan, move |answer| {
                counted.count(answer.outcome.is_ok_and(|s| s.is_success()))
            });
            println!("the users ended: {:?}", done.await.map(|_| ()));
        });
        Self { seen, task }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.seen.good.load(Ordering::Relaxed)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.seen.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn expect_failures(&self, expected: bool) {
        self.seen
            .failures_expected
            .store(expected, Ordering::Relaxed);
    }

    /// Waits for the first good answer.
    pub(crate) async fn until_served(&self) -> Result<()> {
        let served = async {
            while self.requests() == 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), served)
            .await
            .context("no user was served by the first version")
    }

    /// For this long every user must be served.
    pub(crate) async fn quietly_for(&self, length: Duration) -> Result<()> {
        let before = (self.requests(), self.failed());
        tokio::time::sleep(length).await;
        ensure!(
            self.failed() == before.1,
            "{} requests failed after the rollback",
            self.failed() - before.1
        );
        ensure!(self.requests() > before.0, "nobody was served");
        Ok(())
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Seen {
    fn count(&self, is_good: bool) {
        if is_good {
            self.good.fetch_add(1, Ordering::Relaxed);
        } else if self.good.load(Ordering::Relaxed) > 0
            && !self.failures_expected.load(Ordering::Relaxed)
        {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}
