//! Names the one thing a canary waits for, in one wording for status, events, CLI and page.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    spec::{GateKind, UnknownAction},
    state::Closed,
    weight::Weight,
};

/// Why a canary does not move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitingOn {
    /// `spec.suspend`.
    Suspended,
    /// A cache that is not filled yet; which.
    Cache(&'static str),
    /// Something that is over in a moment as a rule, and is told only when it lasts: what, and until when it is a moment.
    Settling {
        /// The sentence.
        what: String,
        /// When it has lasted.
        until: DateTime<Utc>,
    },
    /// The target does not exist.
    Target {
        /// Its kind and name.
        name: String,
    },
    /// The target cannot be used; why.
    TargetFault(String),
    /// Pods.
    Pods {
        /// The workload.
        name: String,
        /// Available ones.
        available: u32,
        /// Needed ones.
        needed: u32,
        /// When patience ends.
        deadline: Option<DateTime<Utc>>,
        /// Flagger's sentence about it.
        text: String,
    },
    /// Routing objects that cannot be read; why.
    Routes(String),
    /// A check without a verdict.
    Metrics {
        /// The check.
        check: String,
        /// Why there is none.
        why: String,
        /// The event that tells of it, in Flagger's words.
        event: String,
        /// The weight that stays meanwhile.
        weight: Weight,
        /// The next attempt.
        next: DateTime<Utc>,
        /// How long this is borne.
        patience: Patience,
    },
    /// A closed gate.
    Gate {
        /// Which, and since when.
        closed: Closed,
        /// Its kind.
        kind: GateKind,
        /// What it said.
        detail: String,
        /// When.
        at: DateTime<Utc>,
        /// The next attempt.
        next: DateTime<Utc>,
        /// When it must be open; `None` is any time.
        deadline: Option<DateTime<Utc>>,
    },
    /// The next round of checks.
    Check {
        /// When.
        at: DateTime<Utc>,
    },
    /// Answers that were asked for in this round and have not come (the operator asks and decides again).
    Answers,
}

/// How long it is borne that checks give no verdict (`analysis.onUnknown`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// For ever.
    Endless,
    /// Until this moment; what comes then.
    Until(DateTime<Utc>, UnknownAction),
    /// It is over, the weight is held all the same; how long it was.
    Over(TimeDelta),
}

/// Of a wait for metrics that has lasted longer than the Canary allows; how long follows.
pub(crate) const NO_VERDICT: &str = ", without a verdict for ";

impl WaitingOn {
    /// The gate, when it is one.
    pub(crate) const fn gate(&self) -> Option<&Closed> {
        if let Self::Gate { closed, .. } = self {
            return Some(closed);
        }
        None
    }

    /// Of a gate whose deadline has passed: the sentence about it.
    pub(crate) fn overdue(&self, now: DateTime<Utc>) -> Option<String> {
        let Self::Gate {
            closed,
            kind,
            detail,
            deadline: Some(deadline),
            ..
        } = self
        else {
            return None;
        };
        (*deadline <= now).then(|| {
            let (name, kind, length) = (&closed.name, kind.as_str(), span(now - closed.since));
            format!("gate {name:?} ({kind}) stayed closed for {length}: {detail}")
        })
    }

    /// The sentence, with times left counted from `now`.
    #[must_use]
    pub const fn at(&self, now: DateTime<Utc>) -> Told<'_> {
        Told { waiting: self, now }
    }

    /// The sentence without times and counts: it stays the same while the wait goes on. It is stored.
    #[must_use]
    pub fn lasting(&self) -> Option<String> {
        Some(match self {
            Self::Target { name } => format!("waiting for {name}: it does not exist"),
            Self::TargetFault(why) => why.clone(),
            Self::Pods { name, .. } => format!("waiting for {name}: its pods are not ready"),
            Self::Routes(why) => format!("waiting for routes: {why}"),
            Self::Metrics {
                why,
                weight,
                patience,
                ..
            } => {
                let told = format!("waiting for metrics: {why}; weight stays at {weight} %");
                match patience {
                    Patience::Endless | Patience::Until(..) => told,
                    Patience::Over(length) => format!("{told}{NO_VERDICT}{}", span(*length)),
                }
            }
            Self::Gate {
                closed: Closed { name, .. },
                kind,
                detail,
                deadline,
                ..
            } => {
                let told = format!("waiting for gate {name:?} ({}): {detail}", kind.as_str());
                match deadline {
                    Some(end) => {
                        let end = end.format("%Y-%m-%d %H:%M:%S");
                        format!("{told}; rolled back unless it opens before {end} UTC")
                    }
                    None => told,
                }
            }
            Self::Cache(name) => format!("waiting for {name} to be read"),
            Self::Suspended | Self::Settling { .. } | Self::Check { .. } | Self::Answers => {
                return None;
            }
        })
    }
}

/// A wait told at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    waiting: &'a WaitingOn,
    now: DateTime<Utc>,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.waiting {
            WaitingOn::Suspended => f.write_str("suspended: spec.suspend is true"),
            WaitingOn::Settling { what, .. } => write!(f, "waiting for routes: {what}"),
            WaitingOn::Cache(name) => write!(f, "waiting for {name} to be read"),
            WaitingOn::Target { name } => write!(f, "waiting for {name}: it does not exist"),
            WaitingOn::TargetFault(why) => f.write_str(why),
            WaitingOn::Pods {
                name,
                available,
                needed,
                deadline,
                text: _,
            } => {
                write!(f, "waiting for {name}: {available} of {needed} pods ready")?;
                match deadline {
                    Some(end) if *end > self.now => write!(f, ", {} left", span(*end - self.now)),
                    Some(end) => write!(f, ", {} past its deadline", span(self.now - *end)),
                    None => Ok(()),
                }
            }
            WaitingOn::Routes(why) => write!(f, "waiting for routes: {why}"),
            WaitingOn::Metrics {
                check: _,
                event: _,
                why,
                weight,
                next,
                patience,
            } => {
                write!(
                    f,
                    "waiting for metrics: {why} (next try {}); weight stays at {weight} %",
                    Left(*next, self.now)
                )?;
                match patience {
                    Patience::Until(end, UnknownAction::Rollback) => {
                        write!(f, ", rolled back {}", Left(*end, self.now))
                    }
                    Patience::Over(length) => write!(f, "{NO_VERDICT}{}", span(*length)),
                    Patience::Endless | Patience::Until(_, UnknownAction::Hold) => Ok(()),
                }
            }
            WaitingOn::Gate {
                closed: Closed { name, .. },
                kind,
                detail,
                at,
                next: _,
                deadline,
            } => {
                let (kind, at) = (kind.as_str(), at.format("%H:%M:%S"));
                write!(f, "waiting for gate {name:?} ({kind}): {detail} at {at}")?;
                match deadline {
                    Some(end) => write!(f, ", rolled back {}", Left(*end, self.now)),
                    None => Ok(()),
                }
            }
            WaitingOn::Check { at } => write!(f, "next check {}", Left(*at, self.now)),
            WaitingOn::Answers => f.write_str("waiting for answers of metrics and webhooks"),
        }
    }
}

struct Left(DateTime<Utc>, DateTime<Utc>);

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(at, now) = self;
        if at > now {
            return write!(f, "in {}", span(*at - *now));
        }
        f.write_str("due")
    }
}

/// `8 min 20 s`, `3 h 5 min`, `40 s`: the two largest units.
#[must_use]
pub fn span(length: TimeDelta) -> String {
    let seconds = length.num_seconds().max(0);
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes, rest) {
        (0, 0, rest) => format!("{rest} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, rest) => format!("{minutes} min {rest} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}
