//! Tells the time, from tokio: a paused runtime pauses it too.
//!
//! One wall-clock reading at the start, then monotonic time only, so that a jump of the
//! node's clock moves no decision. It does not sleep.

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
