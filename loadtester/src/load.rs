//! Generates HTTP load in this process and says what came of it.
//!
//! With a rate the load is open: requests are due at fixed times, and one that had to wait
//! for a free worker counts from the time it was due, so that a slow server cannot hide its
//! slowness. Without a rate each worker sends as soon as its last answer came.

mod client;
mod connect;
mod identity;
mod pace;
mod plan;
mod rpc;
mod schedule;
mod summary;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

pub(crate) use client::in_turn;
pub(crate) use connect::{Http, client};
pub use identity::{Identity, IdentityError};
pub use pace::{Concurrency, Pace};
pub use plan::{
    CONCURRENCY_MAX, Calls, Fill, Filled, Limit, Plan, PlanError, RATE_MAX_PER_S, Trust,
};
pub use rpc::Code;
pub use schedule::{Schedule, ScheduleError, Steps};
pub use summary::{Fault, Summary};

use client::Sender;

/// One answer, as an observer sees it.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The status, or why there was none.
    pub outcome: Result<StatusCode, Fault>,
    /// Headers of the answer; empty if there was none.
    pub headers: &'a HeaderMap,
    /// From the time the request was due to the end of the answer's body.
    pub latency: Duration,
    /// Bytes of the answer's body.
    pub bytes: u64,
}

/// Carries out a plan. `observer` sees every answer, from several tasks. Dropping the future
/// stops the load.
///
/// # Errors
/// A plan that cannot be carried out, such as a URL that is not `http`.
pub async fn run<F>(plan: Plan, observer: F) -> Result<Summary, PlanError>
where
    F: Fn(&Answer<'_>) + Send + Sync + 'static,
{
    plan.check()?;
    let started = Instant::now();
    // What is beyond all time never comes.
    let end = plan.length().and_then(|length| started.checked_add(length));
    let is_rpc = plan.calls.is_some();
    let course = Arc::new(Course {
        sender: Sender::new(&plan)?,
        plan,
        started,
        end,
        next: AtomicU64::new(0),
        summary: Mutex::new(Summary::new(is_rpc)),
        observer,
    });
    staff(&course).await;
    let mut summary = course
        .summary
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    summary.took = started.elapsed();
    summary.missed = course.missed(summary.requests());
    Ok(summary)
}

/// A plan being carried out.
struct Course<F> {
    sender: Sender,
    plan: Plan,
    started: Instant,
    end: Option<Instant>,
    /// The number of the next request.
    next: AtomicU64,
    summary: Mutex<Summary>,
    observer: F,
}

impl<F> Course<F> {
    /// When the n-th request is due; `None` if it is not to be sent any more.
    fn due(&self, n: u64) -> Option<Instant> {
        if let Limit::Requests(count) = self.plan.limit
            && n >= count
        {
            return None;
        }
        let due = match self.plan.pace {
            Some(pace) => self.started.checked_add(pace.due(n)?)?,
            None => Instant::now(),
        };
        self.end
            .is_none_or(|end| due < end && Instant::now() < end)
            .then_some(due)
    }

    /// Requests that were due but never sent, for want of a free worker.
    fn missed(&self, sent: u64) -> u64 {
        let (Some(pace), Some(length)) = (self.plan.pace, self.plan.length()) else {
            return 0;
        };
        let due = pace.due_before(length);
        let due = match self.plan.limit {
            Limit::Requests(count) => due.min(count),
            Limit::Time(_) => due,
        };
        due.saturating_sub(sent)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a saturating cast is meant"
)]
fn to_u64(count: f64) -> u64 {
    count as u64
}

/// Has workers come at their times, and waits until all have gone.
async fn staff<F>(course: &Arc<Course<F>>)
where
    F: Fn(&Answer<'_>) + Send + Sync + 'static,
{
    let mut tasks = JoinSet::new();
    for worker in 0..course.plan.workers() {
        let shift = course.plan.concurrency.shift(worker);
        let Some(from) = course.started.checked_add(shift.from) else {
            break;
        };
        if !shift.from.is_zero() {
            // Where workers come later none goes before the load is over.
            tokio::select! {
                () = sleep_until(from) => {}
                _ = tasks.join_next() => break,
            }
        }
        let until = shift
            .until
            .and_then(|until| course.started.checked_add(until));
        tasks.spawn(work(Arc::clone(course), worker, until));
    }
    while tasks.join_next().await.is_some() {}
}

/// Sends requests until the load is over, or the worker is to go.
async fn work<F>(course: Arc<Course<F>>, worker: usize, until: Option<Instant>)
where
    F: Fn(&Answer<'_>) + Send + Sync + 'static,
{
    while until.is_none_or(|until| Instant::now() < until) {
        let n = course.next.fetch_add(1, Ordering::Relaxed);
        let Some(due) = course.due(n) else { return };
        let is_early = Instant::now() < due;
        if is_early {
            sleep_until(due).await;
        }
        // A free worker's timer wakes up to 1 ms late: that is ours, not the server's.
        let since = if is_early { Instant::now() } else { due };
        let sent = course.sender.send(n, worker);
        // A load of a given length ends on time; what is under way then is not counted.
        let sent = match course.end {
            Some(end) => {
                let last = end.checked_add(course.plan.grace()).unwrap_or(end);
                match timeout_at(last, sent).await {
                    Ok(sent) => sent,
                    Err(_) => return,
                }
            }
            None => sent.await,
        };
        let empty = HeaderMap::new();
        let (outcome, headers, bytes) = match &sent {
            Ok(got) => (Ok(got.status), &got.headers, got.bytes),
            Err(fault) => (Err(*fault), &empty, 0),
        };
        let answer = Answer {
            outcome,
            headers,
            latency: since.elapsed(),
            bytes,
        };
        course
            .summary
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(&answer);
        (course.observer)(&answer);
        if outcome.is_err() && course.plan.pace.is_none() {
            // A server that refuses at once must not turn into a busy loop.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
