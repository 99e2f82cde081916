//! Carries out a pass: artifact, build, inventory, apply, prune, health.
//!
//! What will be in the cluster is written to the status before the first object
//! is: after a crash at any point, everything applied can still be pruned.

use std::time::Duration;

use api::kustomization::Inventory;
use apply::{Change, ChangeKind, ObjectId};
use sources::archive;
use sources::files::Files;
use sources::store::StoreError;

use crate::conditions::{self, PROGRESSING};
use crate::context::Controller;
use crate::events::Note;
use crate::failure::{Failure, Next};
use crate::kustomization::build::{self, Build};
use crate::kustomization::finalize::{self, owner};
use crate::kustomization::observe::{Plan, Seen, Work};
use crate::kustomization::status::{Done, Effect, HEALTHY, REVISION_KEY, elapsed, remember};
use crate::kustomization::{FIELD_MANAGER, build::Variables};
use crate::record::RecordError;
use crate::subject::Key;

/// Lets a build without objects empty the cluster of all that was applied.
const ALLOW_EMPTY: &str = "kustomize.toolkit.fluxcd.io/allow-empty";

/// Carries out the plan.
pub(super) async fn act(
    controller: &Controller,
    seen: &Seen,
    plan: Plan,
) -> Result<Done, RecordError> {
    let mut effect = Box::new(Effect::new(seen, controller.now()));
    match plan {
        Plan::Hold => Ok(Done::Held),
        Plan::Refuse(failure) => Ok(Done::Passed {
            effect,
            outcome: Err(failure),
        }),
        Plan::Finalize => Ok(match finalize::finalize(controller, seen).await {
            Ok(()) => Done::Finalized,
            Err(failure) => Done::Passed {
                effect,
                outcome: Err(Failure {
                    is_told: false,
                    ..failure
                }),
            },
        }),
        Plan::Apply(work) => {
            let outcome = pass(controller, seen, &work, &mut effect).await;
            let outcome = match outcome {
                Ok(()) => Ok(work),
                Err(Broken::Failed(failure)) => {
                    if failure.reason != "ArtifactFailed" && failure.reason != "BuildFailed" {
                        remember(&mut effect, &work, failure.reason, controller.now());
                    }
                    Err(failure)
                }
                Err(Broken::Unrecorded(error)) => return Err(error),
            };
            Ok(Done::Passed { effect, outcome })
        }
    }
}

/// Why a pass broke off.
enum Broken {
    Failed(Failure),
    /// The status could not be written in the middle; nothing further may happen.
    Unrecorded(RecordError),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<RecordError> for Broken {
    fn from(error: RecordError) -> Self {
        Self::Unrecorded(error)
    }
}

async fn pass(
    controller: &Controller,
    seen: &Seen,
    work: &Work,
    effect: &mut Effect,
) -> Result<(), Broken> {
    let applied = {
        let slot = controller.slots.acquire().await;
        let variables = build::read_variables(controller, &seen.key.namespace, &work.spec).await?;
        let files = read_artifact(controller, seen, work).await?;
        let build = build_off_loop(seen, work, files, variables, effect).await?;
        let applied = write(controller, seen, work, build, effect).await?;
        drop(slot);
        applied
    };
    // Waiting for health holds no slot: a sick object must not keep others from their turn.
    wait(controller, &seen.key, work, &applied, effect).await
}

async fn read_artifact(
    controller: &Controller,
    seen: &Seen,
    work: &Work,
) -> Result<Files, Failure> {
    let artifact = &work.artifact;
    let bytes = controller
        .shared
        .store
        .read(&artifact.path, &artifact.digest)
        .await
        .map_err(|error| match error {
            StoreError::Missing { .. } => {
                let delay = seen.requeue_dependency;
                let message = format!(
                    "Source is not ready, artifact not found, retrying in {}",
                    api::duration::format(delay)
                );
                Failure::waiting("ArtifactFailed", message, delay)
            }
            error @ (StoreError::Path(_)
            | StoreError::CreateFolder { .. }
            | StoreError::Write { .. }
            | StoreError::Read { .. }
            | StoreError::Digest { .. }
            | StoreError::TooLarge { .. }
            | StoreError::Collect { .. }
            | StoreError::Interrupted) => Failure::new(
                "ArtifactFailed",
                sources::chain(&error),
                Next::RetryInterval,
            ),
        })?;
    let limits = controller.shared.settings.git_limits.files;
    let unpacked = tokio::task::spawn_blocking(move || archive::unpack(&bytes, limits)).await;
    unpacked
        .map_err(|error| {
            Failure::new(
                "ArtifactFailed",
                format!("failed to read the artifact: {error}"),
                Next::RetryInterval,
            )
        })?
        .map_err(|error| {
            Failure::new(
                "ArtifactFailed",
                sources::chain(&error),
                Next::RetryInterval,
            )
        })
}

async fn build_off_loop(
    seen: &Seen,
    work: &Work,
    files: Files,
    variables: Variables,
    effect: &mut Effect,
) -> Result<Build, Failure> {
    let folder = build::find_folder(&files, &work.spec)?;
    effect.status.last_attempted_revision = Some(work.artifact.revision.clone());
    effect.progress = format!("Building manifests for revision {}", work.artifact.revision);
    let (spec, owner) = (work.spec.clone(), owner(&seen.key));
    let built = tokio::task::spawn_blocking(move || {
        build::build(files, &folder, &spec, &variables, &owner)
    })
    .await;
    let build = built.map_err(|error| {
        Failure::new(
            "BuildFailed",
            format!("the build broke off: {error}"),
            Next::RetryInterval,
        )
    })??;
    effect.digest = Some(build.digest.clone());
    effect.progress = format!("Detecting drift for revision {}", work.artifact.revision);
    Ok(build)
}

/// What is in the cluster after applying, and as whom to look at it.
struct Applied {
    kinds: apply::Kinds,
    changes: Vec<Change>,
}

async fn write(
    controller: &Controller,
    seen: &Seen,
    work: &Work,
    build: Build,
    effect: &mut Effect,
) -> Result<Applied, Broken> {
    let old = effect.status.inventory.clone().unwrap_or_default();
    refuse_unwanted_emptiness(seen, work, &build, &old)?;
    let planned = apply::inventory::of(&build.ids);
    let mut union = planned.clone();
    apply::inventory::keep(&mut union, &apply::inventory::stale(&old, &planned));
    let is_known = planned
        .entries
        .iter()
        .all(|entry| old.entries.contains(entry));
    effect.status.inventory = Some(if is_known { old.clone() } else { union });
    if !is_known {
        effect.mark_progress(seen.object.metadata.generation, controller.now());
        record_midway(controller, effect).await?;
    }
    let kinds = match &work.account {
        Some(account) => controller
            .shared
            .identities
            .kinds(&controller.client, account)?,
        None => controller.shared.kinds.clone(),
    };
    let options = apply::Options {
        manager: FIELD_MANAGER.to_owned(),
        force: work.spec.force,
    };
    let changes = apply::apply(&kinds, build.objects, &options)
        .await
        .map_err(|error| {
            Failure::new(
                "ReconciliationFailed",
                sources::chain(&error),
                Next::RetryInterval,
            )
        })?;
    tell_changes(effect, work, &changes);
    prune(seen, work, &kinds, &old, &changes, effect).await?;
    Ok(Applied { kinds, changes })
}

/// Writes what the status says so far; the end of the pass writes the rest.
async fn record_midway(controller: &Controller, effect: &mut Effect) -> Result<(), RecordError> {
    effect.object = controller
        .record(&effect.object, effect.before.as_ref(), &effect.status)
        .await?;
    effect.before = Some(effect.status.clone());
    Ok(())
}

/// A build of nothing would delete everything; that needs someone's word.
fn refuse_unwanted_emptiness(
    seen: &Seen,
    work: &Work,
    build: &Build,
    old: &Inventory,
) -> Result<(), Failure> {
    let annotations = seen.object.metadata.annotations.as_ref();
    let is_allowed = annotations
        .and_then(|all| all.get(ALLOW_EMPTY))
        .is_some_and(|value| value == "enabled");
    if !work.spec.prune || !build.ids.is_empty() || old.entries.is_empty() || is_allowed {
        return Ok(());
    }
    Err(Failure::new(
        "BuildFailed",
        format!(
            "the build of spec.path {:?} yields no objects, and applying it would delete all {} of the inventory; correct the path, or annotate this Kustomization with {ALLOW_EMPTY}: enabled",
            work.spec.path.as_deref().unwrap_or("./"),
            old.entries.len()
        ),
        Next::RetryInterval,
    ))
}

fn tell_changes(effect: &mut Effect, work: &Work, changes: &[Change]) {
    let is_change = |change: &&Change| match change.kind {
        ChangeKind::Created | ChangeKind::Configured | ChangeKind::Deleted => true,
        ChangeKind::Unchanged | ChangeKind::Skipped => false,
    };
    let lines: Vec<String> = changes
        .iter()
        .filter(is_change)
        .map(ToString::to_string)
        .collect();
    if !lines.is_empty() {
        effect.has_changes = true;
        effect.notes.push(
            Note::normal(PROGRESSING, lines.join("\n")).with(REVISION_KEY, &work.artifact.revision),
        );
    }
}

async fn prune(
    seen: &Seen,
    work: &Work,
    kinds: &apply::Kinds,
    old: &Inventory,
    changes: &[Change],
    effect: &mut Effect,
) -> Result<(), Failure> {
    let mut inventory = apply::inventory::of(changes.iter().map(|change| &change.id));
    let stale = apply::inventory::stale(old, &inventory);
    if !work.spec.prune || stale.is_empty() {
        effect.status.inventory = Some(inventory);
        return Ok(());
    }
    let pruned = apply::prune(kinds, &owner(&seen.key), stale).await;
    tell_changes(effect, work, &pruned.changes);
    let survivors: Vec<ObjectId> = pruned.survivors.iter().map(|(id, _)| id.clone()).collect();
    apply::inventory::keep(&mut inventory, &survivors);
    effect.status.inventory = Some(inventory);
    if pruned.survivors.is_empty() {
        return Ok(());
    }
    let errors: Vec<String> = pruned
        .survivors
        .iter()
        .map(|(_, error)| sources::chain(error))
        .collect();
    Err(Failure::new(
        "PruneFailed",
        format!("prune failed: {}", errors.join("; ")),
        Next::RetryInterval,
    ))
}

async fn wait(
    controller: &Controller,
    key: &Key,
    work: &Work,
    applied: &Applied,
    effect: &mut Effect,
) -> Result<(), Broken> {
    let targets = health_targets(work, &applied.changes);
    if targets.is_empty() {
        return Ok(());
    }
    let interrupted = controller.shared.interrupts.listen(key);
    let timeout = api::duration::format(work.timeout);
    effect.progress = format!(
        "Running health checks for revision {} with a timeout of {timeout}",
        work.artifact.revision
    );
    let was_healthy = conditions::is_true(&effect.status.conditions, HEALTHY);
    let is_new = effect.status.last_applied_revision.as_deref() != Some(&work.artifact.revision);
    if is_new || effect.has_changes || !was_healthy {
        let (generation, now) = (effect.object.metadata.generation, controller.now());
        effect.mark_progress(generation, now);
        let mut edit = conditions::Editor::new(&mut effect.status.conditions, generation, now);
        edit.set(
            HEALTHY,
            api::ConditionStatus::Unknown,
            PROGRESSING,
            &effect.progress,
        )
        .sort();
        record_midway(controller, effect).await?;
    }
    let started = controller.now();
    let outcome = tokio::select! {
        outcome = apply::wait_until_healthy(&applied.kinds, &targets, work.timeout, true) => outcome,
        () = interrupted.notified() => {
            let message = "health checks canceled: a new revision or spec is waiting";
            return Err(Failure::waiting("HealthCheckCanceled", message, Duration::ZERO).into());
        }
    };
    let took = elapsed(started, controller.now());
    match outcome {
        Ok(()) => {
            effect.health_passed_in = Some(took);
            if !was_healthy || (is_new && effect.has_changes) {
                let message = format!("Health check passed in {}", api::duration::format(took));
                effect.notes.push(
                    Note::normal(PROGRESSING, message).with(REVISION_KEY, &work.artifact.revision),
                );
            }
            Ok(())
        }
        Err(unhealthy) => {
            let why = if unhealthy.failed {
                "failed early due to stalled resources"
            } else {
                "timeout waiting for"
            };
            let details = unhealthy.details();
            let details = if details.is_empty() {
                details
            } else {
                format!("; {details}")
            };
            let message = format!(
                "health check failed after {}: {why}: [{}]{details}",
                api::duration::format(took),
                unhealthy.objects()
            );
            Err(Failure::new("HealthCheckFailed", message, Next::RetryInterval).into())
        }
    }
}

/// What must be healthy: everything applied, or the list.
fn health_targets(work: &Work, changes: &[Change]) -> Vec<ObjectId> {
    if work.spec.wait {
        return changes
            .iter()
            .filter(|change| change.kind != ChangeKind::Skipped)
            .map(|change| change.id.clone())
            .collect();
    }
    let read = |check: &api::kustomization::HealthCheck| {
        let api_version = check
            .api_version
            .as_deref()
            .filter(|text| !text.is_empty())
            .unwrap_or("apps/v1");
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        ObjectId {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: check.kind.clone(),
            namespace: check.namespace.clone().unwrap_or_default(),
            name: check.name.clone(),
        }
    };
    work.spec.health_checks.iter().map(read).collect()
}
