//! The flags by which ghz varies the rate (`--load-…`) and the workers (`--concurrency-…`).
//!
//! Both have the same: a schedule, its start, step and end, and two times.

use std::time::Duration;

use super::{PROGRAM, bad};
use crate::command::CommandError;
use crate::load::{Schedule, Steps};
use crate::settings::parse_seconds;

/// Time from step to step on a `line`, as ghz has it.
const LINE_STEP: Duration = Duration::from_secs(1);

/// How a number goes on.
#[derive(Clone, Copy)]
enum Kind {
    Const,
    Step,
    Line,
}

/// One family of flags.
pub(super) struct Ramp {
    /// What their names begin with.
    family: &'static str,
    kind: Kind,
    steps: Steps,
}

impl Ramp {
    /// No schedule yet, with ghz's step where a line gives none.
    pub(super) const fn new(family: &'static str, step: i32, max: u32) -> Self {
        Self {
            family,
            kind: Kind::Const,
            steps: Steps {
                start: 0,
                step,
                every: Duration::ZERO,
                end: None,
                within: None,
                max,
            },
        }
    }

    /// Whether the flag is of this family.
    pub(super) fn take(&mut self, name: &str, text: &str) -> Result<bool, CommandError> {
        let own = name.strip_prefix(self.family);
        let Some(own) = own.and_then(|own| own.strip_prefix('-')) else {
            return Ok(false);
        };
        let wrong = || bad(name, Some(text));
        let length = || parse_seconds(text).ok_or_else(wrong);
        let steps = &mut self.steps;
        match own {
            "schedule" => {
                self.kind = match text.to_ascii_lowercase().as_str() {
                    "const" => Kind::Const,
                    "step" => Kind::Step,
                    "line" => Kind::Line,
                    _ => return Err(wrong()),
                }
            }
            "start" => steps.start = text.parse().map_err(|_| wrong())?,
            "step" => steps.step = text.parse().map_err(|_| wrong())?,
            "end" => steps.end = Some(text.parse().map_err(|_| wrong())?).filter(|end| *end > 0),
            "step-duration" => steps.every = length()?,
            "max-duration" => steps.within = Some(length()?).filter(|within| !within.is_zero()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The schedule, if the number is to vary.
    pub(super) fn schedule(&self) -> Result<Option<Schedule>, CommandError> {
        let every = match self.kind {
            Kind::Const => return Ok(None),
            Kind::Step => self.steps.every,
            Kind::Line => LINE_STEP,
        };
        let schedule = Schedule::try_from(Steps {
            every,
            ..self.steps
        });
        schedule.map(Some).map_err(|source| CommandError::Schedule {
            program: PROGRAM,
            flags: format!("--{}-*", self.family),
            source,
        })
    }
}
