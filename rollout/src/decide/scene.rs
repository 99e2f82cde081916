//! What a decision looks at, with the questions that several states ask of it.

use api::Time;
use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    answers::Answers,
    spec::{Autoscaler, TargetKind, ValidSpec},
    waiting::WaitingOn,
    world::{
        Readiness, Revision, Seen, Snapshot, World,
        readiness::{Bar, Shortfall, broken_since, can_serve, readiness},
    },
};

/// The facts of one decision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) spec: &'a ValidSpec,
    pub(crate) world: &'a World,
    pub(crate) answers: &'a Answers,
    pub(crate) now: DateTime<Utc>,
}

/// How long a gateway may take to look at a new route before that is worth a word.
const ROUTE_MOMENT: TimeDelta = TimeDelta::seconds(5);

/// A workload that has to be ready, named as users know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Primary,
    Canary,
}

impl<'a> Scene<'a> {
    /// Now, as finely as times are stored.
    pub(crate) fn stamp(&self) -> DateTime<Utc> {
        Time::fine(self.now).0
    }

    /// A wait for the gateway to take up a route written at `since`: quiet for a moment, told when it lasts.
    pub(crate) fn settling(&self, what: &str, since: Option<DateTime<Utc>>) -> WaitingOn {
        let until = since.and_then(|since| since.checked_add_signed(ROUTE_MOMENT));
        match until {
            Some(until) if until > self.now => WaitingOn::Settling {
                what: what.to_owned(),
                until,
            },
            Some(_) | None => WaitingOn::Routes(what.to_owned()),
        }
    }

    /// What the target runs, or why that cannot be told.
    pub(crate) fn target_snapshot(&self) -> Result<&'a Snapshot, WaitingOn> {
        match &self.world.target {
            Seen::Unread => Err(match self.world.target_fault.clone() {
                Some(fault) => WaitingOn::TargetFault(fault),
                None => WaitingOn::Cache("the target"),
            }),
            Seen::Absent => Err(WaitingOn::Target {
                name: format!(
                    "{} {}",
                    self.spec.target.kind.as_str(),
                    self.spec.target.name
                ),
            }),
            Seen::Present(workload) => {
                let fault = self.world.target_fault.clone();
                match (&workload.snapshot, fault) {
                    (Some(snapshot), None) => Ok(snapshot),
                    (Some(_) | None, Some(fault)) => Err(WaitingOn::TargetFault(fault)),
                    (None, None) => Err(WaitingOn::Cache("the target's configs")),
                }
            }
        }
    }

    /// What was last copied into the primary, when it says so.
    pub(crate) fn primary_snapshot(&self) -> Option<&'a Snapshot> {
        self.world.primary.workload()?.snapshot.as_ref()
    }

    /// True when the primary may be given all traffic: some pods of it are available, and it runs what was
    /// last promoted, or what passed its analysis. Where nothing is promoted any more, what it runs is all there is.
    pub(crate) fn is_primary_good(
        &self,
        promoted: Option<&Revision>,
        passed: Option<&Snapshot>,
    ) -> bool {
        let is_known = self.primary_snapshot().is_none_or(|snapshot| {
            promoted.is_none_or(|known| *known == snapshot.revision) || passed == Some(snapshot)
        });
        is_known && self.can_serve(Side::Primary)
    }

    /// True when at least one pod can answer.
    pub(crate) fn can_serve(&self, side: Side) -> bool {
        can_serve(self.seen(side), self.spec.target.kind)
    }

    /// Judges a side. The wait is taken to begin at `since`; a primary that nobody touched in the run
    /// is judged by its own conditions.
    pub(crate) fn readiness(&self, side: Side, since: Option<DateTime<Utc>>) -> Readiness {
        let threshold = match side {
            Side::Primary => self.spec.primary_ready_threshold,
            Side::Canary => self.spec.canary_ready_threshold,
        };
        let name = self.workload_name(side);
        let bar = Bar {
            name: &name,
            kind: self.spec.target.kind,
            threshold,
            deadline: self.spec.progress_deadline,
            since,
        };
        readiness(self.seen(side), bar, self.now)
    }

    /// Judges the primary in a run that has not touched it: trouble that is older than the run counts, and a primary
    /// that is only short of pods is waited for without end.
    pub(crate) fn idle_primary(&self, started: Option<DateTime<Utc>>) -> Readiness {
        let kind = self.spec.target.kind;
        let primary = self.world.primary.workload();
        let since = primary.and_then(|primary| broken_since(primary, kind, started));
        self.readiness(Side::Primary, since)
    }

    /// The wait for the pods of a side.
    pub(crate) fn pods(&self, side: Side, missing: &Shortfall) -> WaitingOn {
        WaitingOn::Pods {
            name: self.workload_name(side),
            available: missing.available,
            needed: missing.needed,
            deadline: missing.deadline,
            text: self.not_ready(side, &missing.text),
        }
    }

    /// Flagger's sentence about a workload that is not ready.
    pub(crate) fn not_ready(&self, side: Side, text: &str) -> String {
        let dotted = format!("{}.{}", self.workload_name(side), self.spec.namespace);
        match (side, self.spec.target.kind) {
            (Side::Primary, TargetKind::Deployment | TargetKind::Service) => {
                format!("{dotted} not ready: {text}")
            }
            (Side::Primary | Side::Canary, TargetKind::Knative) => {
                format!("Knative Revision {dotted} is not ready: {text}")
            }
            (Side::Primary, TargetKind::DaemonSet) => {
                format!("primary daemonset {dotted} not ready: {text}")
            }
            (Side::Canary, TargetKind::Deployment | TargetKind::Service) => {
                format!("canary deployment {dotted} not ready: {text}")
            }
            (Side::Canary, TargetKind::DaemonSet) => {
                format!("canary daemonset {dotted} not ready: {text}")
            }
        }
    }

    /// Of a Knative Service: its revision.
    pub(crate) fn workload_name(&self, side: Side) -> String {
        if self.spec.target.kind == TargetKind::Knative
            && let Some(seen) = self.seen(side).workload()
            && let Some(snapshot) = &seen.snapshot
        {
            return snapshot.revision.to_string();
        }
        match side {
            Side::Primary => self.spec.primary_name(),
            Side::Canary => self.spec.target.name.clone(),
        }
    }

    /// The autoscaler, when it is one that has to be paused and resumed (KEDA); an HPA rests by itself
    /// while its target has no replicas.
    pub(crate) fn pausable_scaler(&self) -> Option<&'a Autoscaler> {
        self.spec
            .autoscaler
            .as_ref()
            .filter(|scaler| scaler.kind == "ScaledObject")
    }

    /// `from` and one interval.
    pub(crate) fn after_interval(&self, from: DateTime<Utc>) -> DateTime<Utc> {
        later(from, self.spec.interval)
    }

    pub(crate) const fn seen(&self, side: Side) -> &'a Seen {
        match side {
            Side::Primary => &self.world.primary,
            Side::Canary => &self.world.target,
        }
    }
}

/// `from` and `length`, at most the end of time.
pub(crate) fn later(from: DateTime<Utc>, length: TimeDelta) -> DateTime<Utc> {
    from.checked_add_signed(length)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}
