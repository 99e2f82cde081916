//! When requests are due, and when workers come and go. Pure.

use std::time::Duration;

use super::schedule::Schedule;
use super::{to_f64, to_u64};

/// How many requests are due in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Always as many.
    Constant(f64),
    /// By a schedule.
    Scheduled(Schedule),
}

/// How many requests may be open at one time, which is how many workers there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Concurrency {
    /// Always as many.
    Constant(usize),
    /// By a schedule.
    Scheduled(Schedule),
}

/// The time that a worker is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift {
    pub(super) from: Duration,
    /// The end of the load if absent.
    pub(super) until: Option<Duration>,
}

impl Pace {
    /// When the n-th request is due, counted from 0; `None` if that is beyond all time.
    pub(super) fn due(&self, n: u64) -> Option<Duration> {
        let time_s = match self {
            Self::Constant(rate) => to_f64(n) / rate,
            Self::Scheduled(schedule) => schedule.reaches(to_f64(n)),
        };
        Duration::try_from_secs_f64(time_s).ok()
    }

    /// How many requests are due before a time.
    pub(super) fn due_before(&self, time: Duration) -> u64 {
        let count = match self {
            Self::Constant(rate) => time.as_secs_f64() * rate,
            Self::Scheduled(schedule) => schedule.sum(time.as_secs_f64()),
        };
        to_u64(count.ceil())
    }
}

impl Concurrency {
    /// The most workers that there are at any time.
    #[must_use]
    pub fn highest(&self) -> usize {
        match self {
            Self::Constant(count) => *count,
            Self::Scheduled(schedule) => {
                usize::try_from(to_u64(schedule.highest())).unwrap_or(usize::MAX)
            }
        }
    }

    /// When the n-th worker is there, counted from 0 and below the highest number. Later workers
    /// never come sooner than earlier ones.
    pub(super) fn shift(&self, n: usize) -> Shift {
        let always = Shift {
            from: Duration::ZERO,
            until: None,
        };
        let schedule = match self {
            Self::Constant(_) => return always,
            Self::Scheduled(schedule) => schedule,
        };
        let needed = to_f64(u64::try_from(n).unwrap_or(u64::MAX)) + 1.0;
        let time = |time_s: f64| Duration::try_from_secs_f64(time_s).unwrap_or(Duration::MAX);
        let from = schedule.first(|count| count >= needed);
        match from.filter(|time_s| *time_s > 0.0) {
            Some(from) => Shift {
                from: time(from),
                ..always
            },
            None => Shift {
                until: schedule.first(|count| count < needed).map(time),
                ..always
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::schedule::Steps;

    fn schedule(start: u32, step: i32, end: Option<u32>, within_s: Option<u64>) -> Schedule {
        let steps = Steps {
            start,
            step,
            every: Duration::from_secs(1),
            end,
            within: within_s.map(Duration::from_secs),
            max: 1000,
        };
        Schedule::try_from(steps).unwrap()
    }

    /// Requests, and the milliseconds after which they are due.
    fn check(pace: Pace, wanted_ms: &[(u64, u128)]) {
        for (n, wanted_ms) in wanted_ms {
            let due = pace.due(*n).unwrap();
            assert_eq!(due.as_millis(), *wanted_ms, "{n} of {pace:?}");
            // Rounding may put it to either side of its own time.
            let before = [due.saturating_sub(MOMENT), due + MOMENT].map(|at| pace.due_before(at));
            assert_eq!(before, [*n, n + 1], "{n} of {pace:?}");
        }
    }

    const MOMENT: Duration = Duration::from_micros(10);

    #[test]
    fn requests_are_due_by_the_pace() {
        check(Pace::Constant(4.0), &[(0, 0), (1, 250), (400, 100_000)]);
        // 5, 10 and 15 a second.
        let up = Pace::Scheduled(schedule(5, 5, Some(15), None));
        check(
            up,
            &[
                (0, 0),
                (1, 200),
                (5, 1000),
                (6, 1100),
                (15, 2000),
                (30, 3000),
                (45, 4000),
            ],
        );
        // 8, 4 and then 2 a second.
        let down = Pace::Scheduled(schedule(8, -4, Some(2), None));
        check(
            down,
            &[
                (0, 0),
                (8, 1000),
                (10, 1500),
                (12, 2000),
                (13, 2500),
                (14, 3000),
            ],
        );
        // Two seconds of steps, and then 50 a second at once.
        let cut = Pace::Scheduled(schedule(10, 10, Some(50), Some(2)));
        check(cut, &[(10, 1000), (20, 1500), (30, 2000), (35, 2100)]);
        assert_eq!(Pace::Constant(1e-9).due(u64::MAX), None);
    }

    #[test]
    fn workers_come_and_go() {
        let shifts = |concurrency: Concurrency| -> Vec<_> {
            (0..concurrency.highest())
                .map(|n| concurrency.shift(n))
                .map(|shift| {
                    (
                        shift.from.as_secs(),
                        shift.until.map(|until| until.as_secs()),
                    )
                })
                .collect()
        };
        assert_eq!(shifts(Concurrency::Constant(2)), [(0, None); 2]);
        // 1, 3, 4.
        let up = Concurrency::Scheduled(schedule(1, 2, Some(4), None));
        assert_eq!(shifts(up), [(0, None), (1, None), (1, None), (2, None)]);
        // 4, 2, 1.
        let down = Concurrency::Scheduled(schedule(4, -2, Some(1), None));
        let wanted = [(0, None), (0, Some(2)), (0, Some(1)), (0, Some(1))];
        assert_eq!(shifts(down), wanted);
        // 1, and 3 at the end of the time.
        let cut = Concurrency::Scheduled(schedule(1, 1, Some(3), Some(1)));
        assert_eq!(shifts(cut), [(0, None), (1, None), (1, None)]);
        // Without an end it stays where it is then: 2.
        let stay = Concurrency::Scheduled(schedule(1, 1, None, Some(1)));
        assert_eq!(shifts(stay), [(0, None), (1, None)]);
    }
}
