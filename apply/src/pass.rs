//! One pass over a build: try all of a stage, then write it, stage by stage.
//!
//! Nothing of a stage is written before all of it passed a dry run. An object that is as wanted
//! costs no write on the server: server-side apply leaves its resourceVersion, which is how
//! `unchanged` is told from `configured`.

use std::fmt;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{Api, DeleteParams, DynamicObject};
use serde_json::Value;

use crate::error::{ApplyError, Refusal};
use crate::kinds::Kinds;
use crate::object::ObjectId;
use crate::order::{self, Stage};
use crate::owner::Rules;
use crate::wait::{wait_until_gone, wait_until_healthy};
use crate::write::apply_one;

/// Dry runs under way at once (Flux's `--concurrent-ssa`).
const DRY_RUNS_MAX: usize = 4;

/// How long definitions may take before what needs them is given up.
const DEFINITIONS_TIMEOUT: Duration = Duration::from_secs(60);

/// How long an object that is recreated may take to go.
const GONE_TIMEOUT: Duration = Duration::from_secs(120);

/// How a pass writes.
#[derive(Clone, Debug)]
pub struct Options {
    /// Field manager.
    pub manager: String,
    /// Recreate objects whose immutable fields change.
    pub force: bool,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// It differed.
    Configured,
    /// It was as wanted.
    Unchanged,
    /// Its labels or annotations take it out of our hands.
    Skipped,
    /// It left the build.
    Deleted,
}

/// What became of which object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The object.
    pub id: ObjectId,
    /// What became of it.
    pub kind: ChangeKind,
}

/// `Deployment/apps/podinfo configured`, as Flux reports it.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.kind {
            ChangeKind::Created => "created",
            ChangeKind::Configured => "configured",
            ChangeKind::Unchanged => "unchanged",
            ChangeKind::Skipped => "skipped",
            ChangeKind::Deleted => "deleted",
        };
        write!(f, "{} {word}", self.id)
    }
}

/// An object that passed its dry run.
struct Tried {
    id: ObjectId,
    object: Value,
    api: Api<DynamicObject>,
    /// Of the object as it is; nothing when it does not exist.
    live_version: Option<String>,
    rules: Rules,
}

/// Applies a build. Returns a change an object, in the order written.
///
/// # Errors
/// The first object that cannot be applied; what came before it in earlier stages stays applied.
pub async fn apply(
    kinds: &Kinds,
    objects: Vec<Value>,
    options: &Options,
) -> Result<Vec<Change>, ApplyError> {
    let mut staged = Vec::with_capacity(objects.len());
    for object in objects {
        let id = ObjectId::of(&object)?;
        staged.push((order::stage(&id), id, object));
    }
    staged.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| order::compare(&a.1, &b.1)));
    let mut changes = Vec::with_capacity(staged.len());
    for stage in [Stage::Definitions, Stage::Classes, Stage::Rest] {
        let (now, later): (Vec<_>, Vec<_>) = staged.into_iter().partition(|(s, _, _)| *s == stage);
        staged = later;
        let objects: Vec<(ObjectId, Value)> = now
            .into_iter()
            .map(|(_, id, object)| (id, object))
            .collect();
        let ids: Vec<ObjectId> = objects.iter().map(|(id, _)| id.clone()).collect();
        let done = apply_stage(kinds, objects, options).await?;
        let is_waited_for = match stage {
            Stage::Definitions | Stage::Classes => {
                done.iter().any(|c| c.kind != ChangeKind::Unchanged)
            }
            Stage::Rest => false,
        };
        changes.extend(done);
        if is_waited_for {
            wait_until_healthy(kinds, &ids, DEFINITIONS_TIMEOUT, false)
                .await
                .map_err(|unhealthy| ApplyError::Definitions {
                    waiting: unhealthy.objects(),
                })?;
        }
    }
    Ok(changes)
}

async fn apply_stage(
    kinds: &Kinds,
    objects: Vec<(ObjectId, Value)>,
    options: &Options,
) -> Result<Vec<Change>, ApplyError> {
    let tried: Vec<Tried> = stream::iter(
        objects
            .into_iter()
            .map(|(id, object)| try_one(kinds, id, object, options)),
    )
    .buffered(DRY_RUNS_MAX)
    .try_collect()
    .await?;
    let mut changes = Vec::with_capacity(tried.len());
    for one in tried {
        let kind = write_one(&one, options).await?;
        changes.push(Change { id: one.id, kind });
    }
    Ok(changes)
}

async fn try_one(
    kinds: &Kinds,
    id: ObjectId,
    object: Value,
    options: &Options,
) -> Result<Tried, ApplyError> {
    let api = kinds.api(&id).await?;
    let mut rules = Rules::of(&object);
    let tried = match apply_one(
        &api,
        &options.manager,
        &id.name,
        &object,
        !rules.merge,
        true,
    )
    .await
    {
        Ok(tried) => tried,
        Err(error) => {
            let refusal = Refusal::of(&error, &id);
            if !(refusal.is_immutable() && (options.force || rules.force)) {
                return Err(ApplyError::DryRun { id, refusal });
            }
            recreate(kinds, &api, &id).await?;
            apply_one(
                &api,
                &options.manager,
                &id.name,
                &object,
                !rules.merge,
                true,
            )
            .await
            .map_err(|error| ApplyError::DryRun {
                refusal: Refusal::of(&error, &id),
                id: id.clone(),
            })?
        }
    };
    // The dry run answers with live labels and ours together.
    let merged = serde_json::to_value(&tried.metadata).unwrap_or_default();
    rules = rules.or(Rules::of(&serde_json::json!({ "metadata": merged })));
    Ok(Tried {
        id,
        object,
        api,
        live_version: live_version(&tried),
        rules,
    })
}

/// A dry run of something new answers without a resourceVersion.
fn live_version(tried: &DynamicObject) -> Option<String> {
    tried
        .metadata
        .resource_version
        .clone()
        .filter(|v| !v.is_empty())
}

/// Deletes an object whose immutable field is to change, and waits until it is gone.
async fn recreate(
    kinds: &Kinds,
    api: &Api<DynamicObject>,
    id: &ObjectId,
) -> Result<(), ApplyError> {
    match api.delete(&id.name, &DeleteParams::background()).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        Err(error) => {
            return Err(ApplyError::Delete {
                id: id.clone(),
                refusal: Refusal::of(&error, id),
            });
        }
    }
    wait_until_gone(kinds, std::slice::from_ref(id), GONE_TIMEOUT)
        .await
        .map_err(|left| ApplyError::Definitions {
            waiting: left.objects(),
        })
}

async fn write_one(one: &Tried, options: &Options) -> Result<ChangeKind, ApplyError> {
    let exists = one.live_version.is_some();
    if one.rules.ignore || (one.rules.if_not_present && exists) {
        return Ok(ChangeKind::Skipped);
    }
    let written = apply_one(
        &one.api,
        &options.manager,
        &one.id.name,
        &one.object,
        !one.rules.merge,
        false,
    )
    .await
    .map_err(|error| ApplyError::Apply {
        id: one.id.clone(),
        refusal: Refusal::of(&error, &one.id),
    })?;
    Ok(match &one.live_version {
        None => ChangeKind::Created,
        Some(before) if written.metadata.resource_version.as_ref() == Some(before) => {
            ChangeKind::Unchanged
        }
        Some(_) => ChangeKind::Configured,
    })
}
