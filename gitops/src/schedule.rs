//! Chooses when the next pass is due: intervals spread a little, failures spaced out.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::failure::Failure;
use crate::subject::Key;

/// Reads a duration field of a spec.
pub(crate) fn read(field: &str, value: &str) -> Result<Duration, Failure> {
    let duration = api::duration::parse(value).map_err(|error| {
        Failure::stalled("InvalidSpec", format!("{field} cannot be read: {error}"))
    })?;
    if duration.is_zero() {
        return Err(Failure::stalled(
            "InvalidSpec",
            format!("{field} is {value:?}; it must be longer than zero, for example \"10m\""),
        ));
    }
    Ok(duration)
}

/// The interval, moved by up to `percent` of itself either way. The same object at the same
/// moment gets the same answer; different objects spread.
pub(crate) fn jitter(interval: Duration, percent: u32, key: &Key, now: DateTime<Utc>) -> Duration {
    let mut hasher = DefaultHasher::new();
    (key, now.timestamp_micros()).hash(&mut hasher);
    // -1000 to 1000 thousandths of the allowed spread.
    let share = i128::from(hasher.finish() % 2001) - 1000;
    let interval_ns = i128::try_from(interval.as_nanos()).unwrap_or(i128::MAX / 1_000_000);
    let moved = interval_ns
        .saturating_mul(share)
        .saturating_mul(i128::from(percent.min(100)))
        / 100_000;
    let total = interval_ns.saturating_add(moved);
    Duration::from_nanos(u64::try_from(total).unwrap_or(u64::MAX))
}

/// How often objects failed in a row.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<BTreeMap<Key, u32>>);

impl Attempts {
    /// The delay after one more failure: doubled each time, between the two bounds.
    pub(crate) fn failed(&self, key: &Key, min: Duration, max: Duration) -> Duration {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(key.clone()).or_insert(0);
        let delay = min.saturating_mul(2_u32.saturating_pow(*count)).min(max);
        *count = count.saturating_add(1);
        delay
    }

    /// Starts counting anew.
    pub(crate) fn succeeded(&self, key: &Key) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_its_share_and_spreads() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let at = |n: usize| {
            jitter(
                Duration::from_secs(100),
                5,
                &Key::new("a", &n.to_string()),
                now,
            )
        };
        let all: Vec<_> = (0..200).map(at).collect();
        assert!(
            all.iter()
                .all(|d| (95_000..=105_000).contains(&d.as_millis())),
            "{all:?}"
        );
        assert!(all.iter().any(|d| d.as_secs() < 98) && all.iter().any(|d| d.as_secs() > 102));
        assert_eq!(
            jitter(Duration::from_secs(7), 0, &Key::new("a", "b"), now),
            Duration::from_secs(7)
        );
    }

    #[test]
    fn delays_double_and_stop() {
        let attempts = Attempts::default();
        let key = Key::new("a", "b");
        let next = || {
            attempts
                .failed(&key, Duration::from_millis(750), Duration::from_secs(900))
                .as_millis()
        };
        assert_eq!([next(), next(), next()], [750, 1500, 3000]);
        for _ in 0..60 {
            next();
        }
        assert_eq!(next(), 900_000);
        attempts.succeeded(&key);
        assert_eq!(
            attempts
                .failed(&key, Duration::from_secs(1), Duration::from_secs(2))
                .as_secs(),
            1
        );
    }

    #[test]
    fn bad_intervals_stall_naming_the_field() {
        for value in ["", "0s", "-1s", "1y", "x"] {
            let failure = read("spec.interval", value).unwrap_err();
            assert!(
                failure.is_stalled() && failure.message.contains("spec.interval"),
                "{failure:?}"
            );
        }
    }
}
