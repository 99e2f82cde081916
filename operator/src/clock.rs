//! Tells the time, from tokio: a paused runtime pauses it too.
//!
//! One wall-clock reading at the start, set right by the API server's, then monotonic time only, so that neither a
//! jump of the node's clock nor a start on another node moves a decision. It does not sleep.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::{Request, header::DATE};
use kube::client::Body;
use tokio::time::Instant;

/// Time the API server may take to tell its own.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);
/// Clocks that differ by no more are the same: the API server tells whole seconds, and its answer took a moment.
const SAME_MAX: TimeDelta = TimeDelta::seconds(2);

/// The wall time at the start plus the monotonic time since.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: DateTime<Utc>,
    started: Instant,
}

impl Clock {
    /// Starts at the node's wall time.
    pub fn system() -> Self {
        Self::starting_at(Utc::now())
    }

    /// Starts at `epoch`: for tests and the sandbox.
    pub fn starting_at(epoch: DateTime<Utc>) -> Self {
        Self {
            epoch,
            started: Instant::now(),
        }
    }

    /// The same, set right by the API server's clock: deadlines are counted from times that were stored, which another
    /// node's clock may have told. Without an answer it stays as it is.
    pub async fn set_by(self, client: &kube::Client) -> Self {
        let asked = tokio::time::timeout(ASK_TIMEOUT, told(client)).await;
        let Some(theirs) = asked.ok().flatten() else {
            tracing::warn!("The API server did not tell the time; using this node's clock.");
            return self;
        };
        let off = theirs.signed_duration_since(self.now());
        if off.abs() <= SAME_MAX {
            return self;
        }
        let off_s = off.num_seconds();
        tracing::warn!(off_s, "This node's clock is off; using the API server's.");
        Self::starting_at(theirs)
    }

    /// The time now.
    pub fn now(&self) -> DateTime<Utc> {
        let passed = TimeDelta::from_std(self.started.elapsed()).unwrap_or(TimeDelta::MAX);
        self.epoch
            .checked_add_signed(passed)
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// The instant at which this clock shows `time`; now, if that has passed.
    pub fn instant(&self, time: DateTime<Utc>) -> Instant {
        let left = time
            .signed_duration_since(self.now())
            .to_std()
            .unwrap_or_default();
        let now = Instant::now();
        now.checked_add(left).unwrap_or(now)
    }
}

/// What the API server's clock shows, in whole seconds (RFC 9110, 6.6.1).
async fn told(client: &kube::Client) -> Option<DateTime<Utc>> {
    let request = Request::get("/version").body(Body::empty()).ok()?;
    let answer = client.send(request).await.ok()?;
    let date = answer.headers().get(DATE)?.to_str().ok()?;
    let date = DateTime::parse_from_rfc2822(date).ok()?;
    Some(date.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn follows_paused_time() {
        let clock = Clock::starting_at(DateTime::UNIX_EPOCH);
        let later = DateTime::UNIX_EPOCH + TimeDelta::seconds(90);
        assert_eq!(
            clock.instant(later) - Instant::now(),
            Duration::from_secs(90)
        );
        tokio::time::sleep_until(clock.instant(later)).await;
        assert_eq!(clock.now(), later);
        assert_eq!(clock.instant(DateTime::UNIX_EPOCH), Instant::now());
        assert!(clock.instant(DateTime::<Utc>::MAX_UTC) >= Instant::now());
    }
}
