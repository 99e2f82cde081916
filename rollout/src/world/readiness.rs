//! Judges whether a workload is ready, as `spec/flagger.md` 3.3 with its holes closed.
//!
//! The threshold is rounded up and at least one pod; a workload of no replicas is not ready; a status
//! older than the spec says nothing. It does not look at traffic.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::{Seen, Workload};
use crate::spec::{Percent, TargetKind};

/// Whether a workload can take its share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Enough pods of the latest version are available.
    Ready,
    /// Not yet; it is still moving, or its deadline has not passed.
    Pending(Shortfall),
    /// Not ready and out of time.
    Expired(Shortfall),
}

impl Readiness {
    /// What is missing, when anything is.
    #[must_use]
    pub const fn shortfall(&self) -> Option<&Shortfall> {
        match self {
            Self::Ready => None,
            Self::Pending(missing) | Self::Expired(missing) => Some(missing),
        }
    }
}

/// What is missing, with the counts to tell it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// Flagger's words: `waiting for rollout to finish: …`.
    pub text: String,
    /// Available pods.
    pub available: u32,
    /// Pods that must be available.
    pub needed: u32,
    /// When time is up; `None` when no deadline runs.
    pub deadline: Option<DateTime<Utc>>,
}

/// How a workload is to be judged.
#[derive(Debug, Clone, Copy)]
pub struct Bar<'a> {
    /// Name of the workload, to tell it by.
    pub name: &'a str,
    /// The kind of the target, which the primary shares.
    pub kind: TargetKind,
    /// Share of the desired pods that must be available.
    pub threshold: Percent,
    /// Time allowed without movement.
    pub deadline: TimeDelta,
    /// When the wait began; `None` starts no deadline.
    pub since: Option<DateTime<Utc>>,
}

const DEADLINE_EXCEEDED: &str = "ProgressDeadlineExceeded";

/// Judges `seen` against `bar`.
#[must_use]
pub fn readiness(seen: &Seen, bar: Bar<'_>, now: DateTime<Utc>) -> Readiness {
    let workload = match seen {
        Seen::Present(workload) => workload,
        Seen::Absent => {
            return pending_or_expired("it does not exist".into(), 0, 1, None, bar, now);
        }
        Seen::Unread => {
            return Readiness::Pending(Shortfall {
                text: "it has not been read yet".into(),
                available: 0,
                needed: 1,
                deadline: None,
            });
        }
    };
    match shortfall(workload, bar) {
        None => Readiness::Ready,
        Some((text, needed)) => {
            pending_or_expired(text, workload.available, needed, Some(workload), bar, now)
        }
    }
}

/// Pods that must be available: the threshold of the desired ones, rounded up, at least one.
#[must_use]
pub fn needed(workload: &Workload, threshold: Percent) -> u32 {
    let share = (u64::from(workload.desired) * u64::from(threshold.get())).div_ceil(100);
    u32::try_from(share).unwrap_or(u32::MAX).max(1)
}

/// True when at least one pod can answer, whatever its version.
#[must_use]
pub fn can_serve(seen: &Seen, kind: TargetKind) -> bool {
    seen.workload()
        .is_some_and(|workload| is_serving(workload, kind))
}

/// Since when a workload that no run has touched is broken, and not only short of pods: given up by its Deployment, or not
/// available. Without conditions to tell by: since `started`, while nothing answers.
#[must_use]
pub fn broken_since(
    workload: &Workload,
    kind: TargetKind,
    started: Option<DateTime<Utc>>,
) -> Option<DateTime<Utc>> {
    match (&workload.progressing, &workload.availability) {
        (Some(progressing), _) if progressing.reason == DEADLINE_EXCEEDED => {
            Some(progressing.updated)
        }
        (_, Some(available)) => (!available.is_true).then_some(available.updated),
        (_, None) => started.filter(|_| !is_serving(workload, kind)),
    }
}

fn is_serving(workload: &Workload, kind: TargetKind) -> bool {
    match kind {
        TargetKind::Service => true,
        TargetKind::Deployment | TargetKind::DaemonSet | TargetKind::Knative => {
            workload.desired > 0 && workload.available > 0
        }
    }
}

fn shortfall(workload: &Workload, bar: Bar<'_>) -> Option<(String, u32)> {
    let needed = needed(workload, bar.threshold);
    let Workload {
        desired,
        updated,
        total,
        available,
        ..
    } = *workload;
    let text = match bar.kind {
        TargetKind::Service => return None,
        TargetKind::Knative if available > 0 => return None,
        TargetKind::Knative => match &workload.availability {
            Some(ready) => format!("its condition Ready has reason {:?}", ready.reason),
            None => "it has no condition Ready yet".to_owned(),
        },
        TargetKind::Deployment | TargetKind::DaemonSet => {
            let (kind, pods) = words(bar.kind);
            if workload.generation > workload.observed_generation {
                format!(
                    "waiting for rollout to finish: observed {kind} generation less than desired generation"
                )
            } else if desired == 0 {
                "it is scaled to zero".to_owned()
            } else if updated < desired {
                format!(
                    "waiting for rollout to finish: {updated} out of {desired} new {pods} have been updated"
                )
            } else if bar.kind == TargetKind::Deployment && total > updated {
                format!(
                    "waiting for rollout to finish: {} old replicas are pending termination",
                    total.saturating_sub(updated)
                )
            } else if available < needed {
                format!(
                    "waiting for rollout to finish: {available} of {needed} (readyThreshold {}%) updated {pods} are available",
                    bar.threshold.get()
                )
            } else {
                return None;
            }
        }
    };
    Some((text, needed))
}

/// Flagger's words for a kind and its pods.
fn words(kind: TargetKind) -> (&'static str, &'static str) {
    match kind {
        TargetKind::DaemonSet => ("daemonset", "pods"),
        TargetKind::Deployment | TargetKind::Service | TargetKind::Knative => {
            ("deployment", "replicas")
        }
    }
}

fn pending_or_expired(
    text: String,
    available: u32,
    needed: u32,
    workload: Option<&Workload>,
    bar: Bar<'_>,
    now: DateTime<Utc>,
) -> Readiness {
    let deadline = bar
        .since
        .map(|since| last_movement(workload, since))
        .and_then(|moved| moved.checked_add_signed(bar.deadline));
    let is_exceeded = bar
        .since
        .is_some_and(|since| has_exceeded_own_deadline(workload, since));
    let is_late = is_exceeded || deadline.is_some_and(|end| end <= now);
    let text = match bar.kind {
        TargetKind::Deployment if is_exceeded => {
            format!("deployment {:?} exceeded its progress deadline", bar.name)
        }
        TargetKind::DaemonSet if is_late => {
            let seconds = bar.deadline.num_seconds();
            format!("exceeded its progressDeadlineSeconds: {seconds}")
        }
        TargetKind::Deployment
        | TargetKind::DaemonSet
        | TargetKind::Service
        | TargetKind::Knative => text,
    };
    let missing = Shortfall {
        text,
        available,
        needed,
        deadline,
    };
    if is_late {
        return Readiness::Expired(missing);
    }
    Readiness::Pending(missing)
}

/// The latest sign that the workload got on: a condition that changed, or else the start of the wait.
fn last_movement(workload: Option<&Workload>, since: DateTime<Utc>) -> DateTime<Utc> {
    let updates = workload.into_iter().flat_map(|workload| {
        [&workload.progressing, &workload.availability]
            .into_iter()
            .flatten()
            .map(|condition| condition.updated)
    });
    updates.fold(since, DateTime::max)
}

/// True when the Deployment itself gave up since the wait began. An older condition is left over from
/// an earlier version and says nothing. Its times are whole seconds.
fn has_exceeded_own_deadline(workload: Option<&Workload>, since: DateTime<Utc>) -> bool {
    let since = since.trunc_subsecs(0);
    workload.is_some_and(|workload| {
        workload.generation <= workload.observed_generation
            && workload.progressing.as_ref().is_some_and(|condition| {
                condition.reason == DEADLINE_EXCEEDED && condition.updated >= since
            })
    })
}
