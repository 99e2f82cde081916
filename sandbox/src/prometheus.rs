//! A Prometheus in the process: scrapes HTTP targets, takes samples of
//! simulated traffic, answers PromQL in process and over its HTTP API. Keeps
//! everything in memory; has no rules, no alerts, no federation.

mod http;
mod scrape;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use promql::{AppendError, Labels, Limits, QueryError, Store, Value};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::clock::Clock;

/// Something that answers `/metrics`.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// The path, `/metrics` as a rule.
    pub path: String,
    /// Labels given to each of its samples; they win over the target's own.
    pub labels: Labels,
}

/// A handle to the Prometheus of a sandbox; clones share it.
#[derive(Clone, Debug)]
pub struct Prometheus {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    store: Mutex<Store>,
    targets: Mutex<BTreeMap<String, Target>>,
    /// The series of each target's last scrape, to mark those that vanish.
    scraped: Mutex<BTreeMap<String, Vec<Labels>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Prometheus {
    /// An empty one that dates samples by `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let inner = Inner {
            clock,
            store: Mutex::new(Store::new(Limits::default())),
            targets: Mutex::default(),
            scraped: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Appends a sample dated now.
    ///
    /// # Errors
    /// When the series already has a sample at this time, or a limit is reached.
    pub fn append(&self, labels: &Labels, v: f64) -> Result<(), AppendError> {
        let now_ms = self.inner.clock.now_ms();
        locked(&self.inner.store).append(labels, now_ms, v)
    }

    /// Answers a query at a time.
    ///
    /// # Errors
    /// When the query is no PromQL or cannot be evaluated.
    pub fn query(&self, text: &str, at: DateTime<Utc>) -> Result<Value, QueryError> {
        promql::query(&locked(&self.inner.store), text, at.timestamp_millis())
    }

    /// Answers a query at the sandbox's present time.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub fn query_now(&self, text: &str) -> Result<Value, QueryError> {
        self.query(text, self.inner.clock.now())
    }

    /// Answers a query at each step of a range, times in Unix milliseconds.
    ///
    /// # Errors
    /// As [`Self::query`], and when the range is too long or upside down.
    pub fn query_range(
        &self,
        text: &str,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
    ) -> Result<Value, QueryError> {
        promql::query_range(&locked(&self.inner.store), text, start_ms, end_ms, step_ms)
    }

    /// Scrapes a target from the next round on; the same name replaces it.
    pub fn add_target(&self, name: &str, target: Target) {
        locked(&self.inner.targets).insert(name.to_owned(), target);
    }

    /// Scrapes a target no more; its series end at once.
    pub fn remove_target(&self, name: &str) {
        if locked(&self.inner.targets).remove(name).is_some() {
            self.end_series(name, &[]);
        }
    }

    /// Scrapes every target once, all at the same time.
    pub async fn scrape(&self) {
        scrape::round(self).await;
    }

    /// Scrapes every target each `interval`, until dropped.
    pub(crate) async fn run(self, interval: Duration) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            self.scrape().await;
        }
    }

    /// Answers the HTTP API v1 on a listener, until the task is aborted.
    #[must_use]
    pub fn serve(&self, listener: TcpListener) -> JoinHandle<()> {
        let router = http::router(self.clone());
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "Prometheus stopped serving.");
            }
        })
    }

    /// The HTTP API v1 as a router, to be served elsewhere.
    pub fn router(&self) -> axum::Router {
        http::router(self.clone())
    }

    /// Ends the series of a target that its newest scrape no longer has.
    fn end_series(&self, name: &str, now: &[Labels]) {
        let mut scraped = locked(&self.inner.scraped);
        let before = if now.is_empty() {
            scraped.remove(name)
        } else {
            scraped.insert(name.to_owned(), now.to_vec())
        };
        drop(scraped);
        let kept: std::collections::BTreeSet<&Labels> = now.iter().collect();
        for labels in before
            .iter()
            .flatten()
            .filter(|labels| !kept.contains(labels))
        {
            if let Err(error) = self.append(labels, promql::stale_nan()) {
                tracing::debug!(%error, "Series not ended.");
            }
        }
    }
}
