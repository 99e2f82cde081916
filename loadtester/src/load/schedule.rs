//! A number that moves by equal steps over time and then rests: a rate, or how many work.
//!
//! ```text
//! rest                 ┌──────────      start + step·k from the k-th multiple of `every` on, until
//!               ┌──────┘                the end is reached or the time for it is over, as ghz's
//! start  ───────┘                       --load-… and --concurrency-… flags have it. Pure.
//! ```

use std::time::Duration;

use super::{to_f64, to_u64};

/// A number over time. It is above 0 at any time and never turns back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    start: f64,
    step: f64,
    every_s: f64,
    /// Steps that are made before the rest.
    steps: u64,
    rest_from_s: f64,
    rest: f64,
}

/// What a schedule is made of.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// The first number.
    pub start: u32,
    /// What is added each time; taken away if below 0.
    pub step: i32,
    /// Time from step to step.
    pub every: Duration,
    /// Where to rest; at `max`, or at 1 on the way down, if absent.
    pub end: Option<u32>,
    /// Time after which to rest at the end, or where the steps have led if that is absent.
    pub within: Option<Duration>,
    /// The highest number that is allowed.
    pub max: u32,
}

/// Why numbers make no schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The start is out of bounds.
    #[error("failed to start at {start}: give 1 to {max}")]
    Start {
        /// What was given.
        start: u32,
        /// The highest that is allowed.
        max: u32,
    },
    /// There is no step.
    #[error("failed to step by 0: give a step above 0 to go up, below 0 to go down")]
    Step,
    /// Steps take no time.
    #[error("failed to step every 0s: give a step duration")]
    Every,
    /// The end is not in the direction of the steps, or out of bounds.
    #[error(
        "failed to go from {start} to {end} by steps of {step}: give an end of 1 to {max} that the steps lead to"
    )]
    End {
        /// Where it starts.
        start: u32,
        /// What was given.
        end: u32,
        /// What is added each time.
        step: i32,
        /// The highest that is allowed.
        max: u32,
    },
}

impl TryFrom<Steps> for Schedule {
    type Error = ScheduleError;

    fn try_from(given: Steps) -> Result<Self, ScheduleError> {
        let Steps {
            start,
            step,
            every,
            end,
            within,
            max,
        } = given;
        if !(1..=max).contains(&start) {
            return Err(ScheduleError::Start { start, max });
        }
        if step == 0 {
            return Err(ScheduleError::Step);
        }
        if every.is_zero() {
            return Err(ScheduleError::Every);
        }
        let goal = end.unwrap_or(if step > 0 { max } else { 1 });
        let is_ahead = if step > 0 { goal > start } else { goal < start };
        if !(1..=max).contains(&goal) || (end.is_some() && !is_ahead) {
            return Err(ScheduleError::End {
                start,
                end: goal,
                step,
                max,
            });
        }
        let to_goal = u64::from(goal.abs_diff(start).div_ceil(step.unsigned_abs()));
        let in_time = within.map(|within| within.as_nanos() / every.as_nanos());
        let in_time = in_time.map(|steps| u64::try_from(steps).unwrap_or(u64::MAX));
        let (start, step, every_s) = (f64::from(start), f64::from(step), every.as_secs_f64());
        let (steps, rest_from_s, rest) = match (in_time, within) {
            (Some(steps), Some(within)) if steps < to_goal => {
                let reached = start + step * to_f64(steps);
                (steps, within.as_secs_f64(), end.map_or(reached, f64::from))
            }
            _ => (to_goal, every_s * to_f64(to_goal), f64::from(goal)),
        };
        Ok(Self {
            start,
            step,
            every_s,
            steps,
            rest_from_s,
            rest,
        })
    }
}

impl Schedule {
    /// The number from the k-th step on, for the steps before the rest.
    fn at(&self, k: u64) -> f64 {
        self.start + self.step * to_f64(k)
    }

    /// What the number has added up to at the k-th step, a second counting once.
    fn sum_at(&self, k: u64) -> f64 {
        let steps = to_f64(k);
        let pairs = steps * (steps - 1.0) / 2.0;
        self.every_s * (self.start * steps + self.step * pairs)
    }

    /// What it adds up to before the rest.
    fn sum_before_rest(&self) -> f64 {
        let last_s = self.rest_from_s - to_f64(self.steps) * self.every_s;
        self.sum_at(self.steps) + last_s * self.at(self.steps)
    }

    /// What the number has added up to by a time, in seconds: of a rate, how many.
    pub(super) fn sum(&self, time_s: f64) -> f64 {
        if time_s >= self.rest_from_s {
            return self.sum_before_rest() + (time_s - self.rest_from_s) * self.rest;
        }
        let k = to_u64(time_s / self.every_s);
        self.sum_at(k) + (time_s - to_f64(k) * self.every_s) * self.at(k)
    }

    /// When, in seconds, it has added up to `sum`.
    pub(super) fn reaches(&self, sum: f64) -> f64 {
        let before_rest = self.sum_before_rest();
        if sum >= before_rest {
            return self.rest_from_s + (sum - before_rest) / self.rest;
        }
        // The sum at step 0 is 0, so that one step at least has begun.
        let k = count_while(self.steps, |k| self.sum_at(k) <= sum).saturating_sub(1);
        to_f64(k) * self.every_s + (sum - self.sum_at(k)) / self.at(k)
    }

    /// When, in seconds, `is_so` holds of the number; `None` if never. It must hold ever after.
    pub(super) fn first(&self, is_so: impl Fn(f64) -> bool) -> Option<f64> {
        let k = count_while(self.steps, |k| !is_so(self.at(k)));
        let time_s = to_f64(k) * self.every_s;
        if k <= self.steps && time_s < self.rest_from_s {
            return Some(time_s);
        }
        is_so(self.rest).then_some(self.rest_from_s)
    }

    /// The highest number of all time.
    pub(super) fn highest(&self) -> f64 {
        self.start.max(self.rest)
    }
}

/// How many of `0..=last` hold, which must be the first of them.
fn count_while(last: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut from, mut to) = (0, last.saturating_add(1));
    while from < to {
        let middle = from + (to - from) / 2;
        if holds(middle) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    from
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start, step, end (0: none) and seconds until rest (0: no limit), every two seconds, at
    /// most 100.
    fn schedule(start: u32, step: i32, end: u32, within_s: u64) -> Result<Schedule, ScheduleError> {
        Schedule::try_from(Steps {
            start,
            step,
            every: Duration::from_secs(2),
            end: Some(end).filter(|end| *end > 0),
            within: Some(Duration::from_secs(within_s)).filter(|within| !within.is_zero()),
            max: 100,
        })
    }

    /// Sums at times; each time is found again by its sum.
    fn check(course: (u32, i32, u32, u64), sums: &[(f64, f64)]) {
        let schedule = schedule(course.0, course.1, course.2, course.3).unwrap();
        for (time_s, wanted) in sums {
            let sum = schedule.sum(*time_s);
            assert!((sum - wanted).abs() < 1e-9, "{course:?} {time_s}: {sum}");
            let back_s = schedule.reaches(sum);
            assert!((back_s - time_s).abs() < 1e-9, "{course:?} {sum}: {back_s}");
        }
    }

    #[test]
    fn numbers_move_by_steps_and_rest() {
        // 5, 15, 20 and so on: the last step is shorter.
        let up = [
            (0.0, 0.0),
            (1.0, 5.0),
            (2.0, 10.0),
            (3.0, 25.0),
            (4.0, 40.0),
            (5.0, 60.0),
        ];
        check((5, 10, 20, 0), &up);
        // 30, 20, 10, 10.
        check(
            (30, -10, 10, 0),
            &[(2.0, 60.0), (4.0, 100.0), (5.0, 110.0), (9.0, 150.0)],
        );
        // The time ends in the middle of the second step: stay, or go to the end.
        check(
            (5, 10, 0, 3),
            &[(2.0, 10.0), (3.0, 25.0), (4.0, 40.0), (8.0, 100.0)],
        );
        check((5, 10, 50, 3), &[(2.0, 10.0), (3.0, 25.0), (4.0, 75.0)]);
        // The end comes before the time is over.
        check((5, 10, 20, 60), &up);
        // Neither end nor time: up to the highest, down to 1.
        check((40, 50, 0, 0), &[(2.0, 80.0), (4.0, 260.0), (5.0, 360.0)]);
        check((3, -5, 0, 0), &[(2.0, 6.0), (4.0, 8.0)]);
        // Nowhere left to go.
        check((100, 1, 0, 0), &[(1.0, 100.0)]);
    }

    #[test]
    fn what_is_no_schedule() {
        let start = |start| Err(ScheduleError::Start { start, max: 100 });
        assert_eq!(schedule(0, 1, 5, 0), start(0));
        assert_eq!(schedule(101, -1, 5, 0), start(101));
        assert_eq!(schedule(1, 0, 5, 0), Err(ScheduleError::Step));
        for (from, step, end) in [(5, 1, 5), (5, 1, 4), (5, -1, 6), (5, 1, 101)] {
            let wanted = ScheduleError::End {
                start: from,
                end,
                step,
                max: 100,
            };
            assert_eq!(schedule(from, step, end, 0), Err(wanted));
        }
        let no_time = Schedule::try_from(Steps {
            start: 1,
            step: 1,
            every: Duration::ZERO,
            end: None,
            within: None,
            max: 5,
        });
        assert_eq!(no_time, Err(ScheduleError::Every));
    }
}
