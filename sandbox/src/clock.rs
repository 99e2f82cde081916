//! Tells the sandbox's time: an epoch plus what tokio's clock has run, so that
//! paused time pauses it too. Never reads the machine's clock by itself.

use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

/// An epoch and the instant of tokio's clock that belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: DateTime<Utc>,
    started: Instant,
}

impl Clock {
    /// A clock that shows `epoch` at this moment.
    #[must_use]
    pub fn starting_at(epoch: DateTime<Utc>) -> Self {
        Self {
            epoch,
            started: Instant::now(),
        }
    }

    /// The time it shows.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let passed =
            chrono::TimeDelta::from_std(self.started.elapsed()).unwrap_or(chrono::TimeDelta::MAX);
        self.epoch
            .checked_add_signed(passed)
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// The time it shows, in Unix milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now().timestamp_millis()
    }

    /// The time as the Kubernetes API writes it, in whole seconds.
    pub(crate) fn stamp(&self) -> Time {
        Time(Timestamp::from_second(self.now().timestamp()).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// How long ago a time of the API was; nothing when it lies ahead.
    pub(crate) fn since(&self, time: &Time) -> Duration {
        let passed_ms = self.now_ms().saturating_sub(time.0.as_millisecond());
        Duration::from_millis(u64::try_from(passed_ms).unwrap_or(0))
    }
}
