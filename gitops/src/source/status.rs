//! Words the outcome of a pass over a GitRepository: conditions, status, events.
//!
//! Conditions, reasons and messages are Flux's (`spec/flux-sync.md` 1.4, 1.5).

use std::sync::Arc;
use std::time::Duration;

use api::source::{Artifact, GitRepositoryStatus};
use chrono::{DateTime, Utc};
use kube::runtime::controller::Action;
use sources::store::Presence;

use crate::conditions::{self, Editor, PROGRESSING_WITH_RETRY, READY, RECONCILING, STALLED};
use crate::context::Controller;
use crate::events::Note;
use crate::failure::Failure;
use crate::record::RecordError;
use crate::schedule;
use crate::source::act::Done;
use crate::source::observe::{Fetch, Seen};
use crate::subject;

const IN_STORAGE: &str = "ArtifactInStorage";
const OUTDATED: &str = "ArtifactOutdated";
const FETCH_FAILED: &str = "FetchFailed";
const STORAGE_FAILED: &str = "StorageOperationFailed";
const REVISION_KEY: &str = "source.toolkit.fluxcd.io/revision";
const DIGEST_KEY: &str = "source.toolkit.fluxcd.io/digest";
/// Flux's default: without it, kstatus would take a new object for a finished one.
const NEVER_OBSERVED: i64 = -1;
/// Characters of the commit subject that the event shows.
const SUBJECT_CHARS_MAX: usize = 50;
/// Reasons of errors of the storage, as against those of the upstream.
const STORAGE_REASONS: [&str; 6] = [
    "InvalidPath",
    "DirectoryCreationFailed",
    "ArchiveOperationFailed",
    "ReadOperationFailed",
    "ArtifactVerificationFailed",
    "GarbageCollectionFailed",
];

/// Writes the status once, tells the events, and says when the next pass is due.
pub(super) async fn record(
    controller: &Controller,
    seen: &Seen,
    done: Done,
) -> Result<Action, RecordError> {
    if matches!(done, Done::Removed) {
        controller.drop_finalizer(&seen.object).await?;
        controller.recent.forget(&seen.key);
        controller.attempts.succeeded(&seen.key);
        return Ok(Action::await_change());
    }
    let (status, notes) = next(seen, &done, controller.now());
    let object = controller
        .record(&seen.object, seen.status.as_ref(), &status)
        .await?;
    controller.tell(&Arc::clone(&object), &notes).await;
    Ok(match &done {
        Done::Removed | Done::Held => Action::await_change(),
        Done::Unchanged(fetch) | Done::Stored { fetch, .. } => {
            controller.after_success(&seen.key, fetch.interval)
        }
        Done::Failed { failure, .. } => {
            tracing::warn!(name = %seen.key, reason = failure.reason, error = failure.message, "GitRepository not fetched.");
            controller.after_failure(&seen.key, failure, interval(seen))
        }
    })
}

fn interval(seen: &Seen) -> Duration {
    let spec = seen
        .repository
        .as_ref()
        .ok()
        .map(|repository| repository.spec.interval.as_str());
    spec.and_then(|text| schedule::read("spec.interval", text).ok())
        .unwrap_or(Duration::from_secs(60))
}

/// The status and events that follow. Pure.
fn next(seen: &Seen, done: &Done, now: DateTime<Utc>) -> (GitRepositoryStatus, Vec<Note>) {
    let mut status = seen.status.clone().unwrap_or_default();
    let generation = seen.object.metadata.generation;
    let mut notes = Vec::new();
    match done {
        Done::Removed | Done::Held => {}
        Done::Unchanged(fetch) => {
            // The address may have moved even if the artifact did not.
            let had_failed = has_failed(&status);
            if let Some(artifact) = seen.artifact.clone() {
                if had_failed {
                    notes.push(recovered(&artifact));
                }
                succeed(&mut status, generation, fetch, artifact, now);
            }
        }
        Done::Stored {
            fetch,
            artifact,
            subject,
        } => {
            let before = status
                .artifact
                .as_ref()
                .map(|artifact| artifact.digest.clone());
            if let Some(note) = loss_note(seen) {
                notes.push(note);
            }
            if before.as_ref() != Some(&artifact.digest) {
                notes.push(new_artifact(artifact, subject));
            } else if has_failed(&status) {
                notes.push(recovered(artifact));
            }
            succeed(&mut status, generation, fetch, artifact.clone(), now);
        }
        Done::Failed {
            failure,
            new_revision,
        } => {
            status.artifact = seen.artifact.clone();
            if seen.loss.is_none() && seen.artifact.is_none() && seen.repository.is_err() {
                // Nothing was looked at: what was stored still is.
                status.artifact = seen
                    .status
                    .as_ref()
                    .and_then(|status| status.artifact.clone());
            }
            if let Some(note) = loss_note(seen) {
                notes.push(note);
            }
            fail(
                &mut status,
                generation,
                failure,
                new_revision.as_deref(),
                now,
            );
            if failure.is_told {
                notes.push(Note::warning(failure.reason, failure.message.clone()));
            }
        }
    }
    if let Some(at) = subject::requested_at(&seen.object) {
        status.last_handled_reconcile_at = Some(at.to_owned());
    }
    (status, notes)
}

fn succeed(
    status: &mut GitRepositoryStatus,
    generation: Option<i64>,
    fetch: &Fetch,
    artifact: Artifact,
    now: DateTime<Utc>,
) {
    let message = format!("stored artifact for revision '{}'", artifact.revision);
    let mut edit = Editor::new(&mut status.conditions, generation, now);
    for type_ in [RECONCILING, STALLED, FETCH_FAILED, STORAGE_FAILED, OUTDATED] {
        edit.remove(type_);
    }
    edit.hold(READY, "Succeeded", &message)
        .hold(IN_STORAGE, "Succeeded", &message)
        .sort();
    status.observed_generation = generation;
    status.artifact = Some(artifact);
    status.observed_ignore.clone_from(&fetch.spec.ignore);
    status
        .observed_sparse_checkout
        .clone_from(&fetch.spec.sparse_checkout);
}

fn fail(
    status: &mut GitRepositoryStatus,
    generation: Option<i64>,
    failure: &Failure,
    new_revision: Option<&str>,
    now: DateTime<Utc>,
) {
    let is_storage = STORAGE_REASONS.contains(&failure.reason);
    let (failed, other) = if is_storage {
        (STORAGE_FAILED, FETCH_FAILED)
    } else {
        (FETCH_FAILED, STORAGE_FAILED)
    };
    let building = match (new_revision, &status.artifact) {
        (Some(revision), _) => format!("building artifact: new upstream revision '{revision}'"),
        (None, None) => "building artifact".to_owned(),
        (None, Some(_)) => "reconciliation in progress".to_owned(),
    };
    let has_artifact = status.artifact.is_some();
    let mut edit = Editor::new(&mut status.conditions, generation, now);
    edit.remove(other)
        .hold(failed, failure.reason, &failure.message)
        .deny(READY, failure.reason, &failure.message);
    if failure.is_stalled() {
        edit.hold(STALLED, failure.reason, &failure.message);
    } else {
        edit.hold(RECONCILING, PROGRESSING_WITH_RETRY, &building);
    }
    if new_revision.is_some() && has_artifact {
        edit.hold(OUTDATED, "NewRevision", &building);
    }
    if !has_artifact {
        edit.remove(IN_STORAGE);
    }
    edit.sort();
    if failure.is_stalled() {
        status.observed_generation = generation;
    } else if status.observed_generation.is_none() {
        status.observed_generation = Some(NEVER_OBSERVED);
    }
}

fn has_failed(status: &GitRepositoryStatus) -> bool {
    [FETCH_FAILED, STORAGE_FAILED]
        .iter()
        .any(|type_| conditions::is_true(&status.conditions, type_))
}

fn new_artifact(artifact: &Artifact, subject: &str) -> Note {
    let subject: String = subject.chars().take(SUBJECT_CHARS_MAX).collect();
    let note = Note::normal(
        "NewArtifact",
        format!("stored artifact for commit '{subject}'"),
    );
    note.with(REVISION_KEY, &artifact.revision)
        .with(DIGEST_KEY, &artifact.digest)
}

fn recovered(artifact: &Artifact) -> Note {
    let note = Note::normal(
        "Succeeded",
        format!("stored artifact for revision '{}'", artifact.revision),
    );
    note.with(REVISION_KEY, &artifact.revision)
        .with(DIGEST_KEY, &artifact.digest)
}

fn loss_note(seen: &Seen) -> Option<Note> {
    match seen.loss? {
        Presence::Corrupt => Some(Note::warning(
            "ArtifactVerificationFailed",
            "failed to verify artifact: its digest is wrong; it is built anew",
        )),
        Presence::Missing | Presence::Verified => None,
    }
}
