//! Words the outcome of a pass over a Kustomization: conditions, history, events.
//!
//! Conditions, reasons and messages are Flux's (`spec/flux-sync.md` 3.2, 3.10).
//! A pass that changed nothing writes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::kustomization::{KustomizationStatus, Snapshot};
use api::{ConditionStatus, Time};
use chrono::{DateTime, Utc};
use kube::api::DynamicObject;
use kube::runtime::controller::Action;

use crate::conditions::{
    self, Editor, PROGRESSING, PROGRESSING_WITH_RETRY, READY, RECONCILING, STALLED,
};
use crate::context::Controller;
use crate::events::Note;
use crate::failure::Failure;
use crate::kustomization::observe::{Seen, Work, retry_interval};
use crate::record::RecordError;
use crate::subject;

pub(super) const HEALTHY: &str = "Healthy";
pub(super) const REVISION_KEY: &str = "kustomize.toolkit.fluxcd.io/revision";
const SUCCEEDED: &str = "ReconciliationSucceeded";
const HISTORY_MAX: usize = 5;
/// Flux's default: without it, kstatus would take a new object for a finished one.
const NEVER_OBSERVED: i64 = -1;

/// What a pass did.
pub(super) enum Done {
    /// The object may go.
    Finalized,
    /// Nothing was to be done.
    Held,
    /// The pass ended; `effect` says how far it came.
    Passed {
        effect: Box<Effect>,
        outcome: Result<Box<Work>, Failure>,
    },
}

/// How far a pass came and what it changed.
pub(super) struct Effect {
    /// The object as last written by this pass.
    pub(super) object: Arc<DynamicObject>,
    /// Status as it is in that object.
    pub(super) before: Option<KustomizationStatus>,
    /// Status being made: inventory and attempted revision are filled in by `act`.
    pub(super) status: KustomizationStatus,
    /// What the pass was about last; the words of Reconciling.
    pub(super) progress: String,
    /// Digest of the build, once there is one.
    pub(super) digest: Option<String>,
    /// Whether anything in the cluster was changed.
    pub(super) has_changes: bool,
    /// How long the health checks took, when there are any.
    pub(super) health_passed_in: Option<Duration>,
    pub(super) started: DateTime<Utc>,
    pub(super) notes: Vec<Note>,
}

impl Effect {
    pub(super) fn new(seen: &Seen, started: DateTime<Utc>) -> Self {
        Self {
            object: Arc::clone(&seen.object),
            before: seen.status.clone(),
            status: seen.status.clone().unwrap_or_default(),
            progress: "Reconciliation in progress".to_owned(),
            digest: None,
            has_changes: false,
            health_passed_in: None,
            started,
            notes: Vec::new(),
        }
    }

    /// Marks the status as under way, for the write in the middle of a pass.
    pub(super) fn mark_progress(&mut self, generation: Option<i64>, now: DateTime<Utc>) {
        let mut edit = Editor::new(&mut self.status.conditions, generation, now);
        edit.set(
            READY,
            ConditionStatus::Unknown,
            PROGRESSING,
            "Reconciliation in progress",
        )
        .hold(RECONCILING, PROGRESSING, &self.progress)
        .sort();
    }
}

/// Writes the status once, tells the events, and says when the next pass is due.
pub(super) async fn record(
    controller: &Controller,
    seen: &Seen,
    done: Done,
) -> Result<Action, RecordError> {
    let (mut effect, outcome) = match done {
        Done::Finalized => {
            controller.drop_finalizer(&seen.object).await?;
            controller.recent.forget(&seen.key);
            controller.attempts.succeeded(&seen.key);
            return Ok(Action::await_change());
        }
        Done::Held => {
            let mut status = seen.status.clone().unwrap_or_default();
            note_request(&mut status, &seen.object);
            controller
                .record(&seen.object, seen.status.as_ref(), &status)
                .await?;
            return Ok(Action::await_change());
        }
        Done::Passed { effect, outcome } => (*effect, outcome),
    };
    finish(&mut effect, &outcome, controller.now());
    let object = controller
        .record(&effect.object, effect.before.as_ref(), &effect.status)
        .await?;
    controller.tell(&object, &effect.notes).await;
    Ok(match &outcome {
        Ok(work) => controller.after_success(&seen.key, work.interval),
        Err(failure) => {
            tracing::warn!(name = %seen.key, reason = failure.reason, error = failure.message, "Kustomization not applied.");
            controller.after_failure(&seen.key, failure, retry_interval(seen))
        }
    })
}

fn note_request(status: &mut KustomizationStatus, object: &DynamicObject) {
    if let Some(at) = subject::requested_at(object) {
        status.last_handled_reconcile_at = Some(at.to_owned());
    }
}

/// Puts the outcome into status and events. Pure.
fn finish(effect: &mut Effect, outcome: &Result<Box<Work>, Failure>, now: DateTime<Utc>) {
    let generation = effect.object.metadata.generation;
    let requested = effect.status.last_handled_reconcile_at.clone();
    note_request(&mut effect.status, &effect.object);
    let is_requested = effect.status.last_handled_reconcile_at != requested;
    match outcome {
        Ok(work) => {
            let is_news =
                is_requested || effect.has_changes || !is_settled(&effect.status, work, generation);
            succeed(effect, work, generation, is_news, now);
        }
        Err(failure) => fail(effect, failure, generation, now),
    }
}

/// Whether the status already says all that a good pass would say.
fn is_settled(status: &KustomizationStatus, work: &Work, generation: Option<i64>) -> bool {
    conditions::is_true(&status.conditions, READY)
        && status.observed_generation == generation
        && status.last_applied_revision.as_deref() == Some(&work.artifact.revision)
}

fn succeed(
    effect: &mut Effect,
    work: &Work,
    generation: Option<i64>,
    is_news: bool,
    now: DateTime<Utc>,
) {
    let revision = &work.artifact.revision;
    let status = &mut effect.status;
    let has_checks = work.spec.wait || !work.spec.health_checks.is_empty();
    let mut edit = Editor::new(&mut status.conditions, generation, now);
    edit.remove(RECONCILING).remove(STALLED);
    if !has_checks {
        edit.remove(HEALTHY);
    } else if let Some(passed_in) = effect.health_passed_in.filter(|_| is_news) {
        edit.hold(
            HEALTHY,
            "Succeeded",
            &format!(
                "Health check passed in {}",
                api::duration::format(passed_in)
            ),
        );
    }
    edit.hold(READY, SUCCEEDED, &format!("Applied revision: {revision}"))
        .sort();
    status.observed_generation = generation;
    status.last_applied_revision = Some(revision.clone());
    status.last_applied_origin_revision = origin_revision(work);
    if !is_news {
        return;
    }
    remember(effect, work, SUCCEEDED, now);
    let message = format!(
        "Reconciliation finished in {}, next run in {}",
        api::duration::format(elapsed(effect.started, now)),
        api::duration::format(work.interval)
    );
    effect
        .notes
        .push(Note::normal(SUCCEEDED, message).with(REVISION_KEY, revision));
}

fn fail(effect: &mut Effect, failure: &Failure, generation: Option<i64>, now: DateTime<Utc>) {
    let status = &mut effect.status;
    let mut edit = Editor::new(&mut status.conditions, generation, now);
    if failure.reason == "HealthCheckFailed" {
        edit.deny(HEALTHY, failure.reason, &failure.message);
    }
    edit.deny(READY, failure.reason, &failure.message);
    if failure.is_stalled() {
        edit.hold(STALLED, failure.reason, &failure.message);
    } else {
        edit.hold(RECONCILING, PROGRESSING_WITH_RETRY, &effect.progress);
    }
    edit.sort();
    // AccessDenied may pass without a change of the spec: a flag decides it.
    if failure.is_stalled() && failure.reason != "AccessDenied" {
        status.observed_generation = generation;
    } else if status.observed_generation.is_none() {
        status.observed_generation = Some(NEVER_OBSERVED);
    }
    if failure.is_told {
        let mut note = Note::warning(failure.reason, failure.message.clone());
        if let Some(revision) = &effect.status.last_attempted_revision {
            note = note.with(REVISION_KEY, revision);
        }
        effect.notes.push(note);
    }
}

/// Enters the result into the history: the same build with the same result counts up.
pub(super) fn remember(effect: &mut Effect, work: &Work, result: &str, now: DateTime<Utc>) {
    let Some(digest) = effect.digest.clone() else {
        return;
    };
    let history = &mut effect.status.history;
    let is_same = |one: &Snapshot| {
        one.digest == digest && one.last_reconciled_status.as_deref() == Some(result)
    };
    let mut entry = match history.iter().position(is_same) {
        Some(at) => history.remove(at),
        None => Snapshot {
            digest: digest.clone(),
            first_reconciled: Some(Time::whole(now)),
            ..Snapshot::default()
        },
    };
    entry.last_reconciled = Some(Time::whole(now));
    entry.last_reconciled_duration = Some(api::duration::format(elapsed(effect.started, now)));
    entry.last_reconciled_status = Some(result.to_owned());
    entry.total_reconciliations = entry.total_reconciliations.saturating_add(1);
    entry.metadata = BTreeMap::from([("revision".to_owned(), work.artifact.revision.clone())]);
    if let Some(origin) = origin_revision(work) {
        entry.metadata.insert("originRevision".to_owned(), origin);
    }
    history.insert(0, entry);
    history.truncate(HISTORY_MAX);
}

fn origin_revision(work: &Work) -> Option<String> {
    work.artifact
        .metadata
        .as_ref()?
        .get("org.opencontainers.image.revision")
        .cloned()
}

/// Time passed, in whole milliseconds; nothing when the clock went back.
pub(super) fn elapsed(started: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    Duration::from_millis(u64::try_from((now - started).num_milliseconds()).unwrap_or(0))
}
