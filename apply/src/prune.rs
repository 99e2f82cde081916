//! Deletes what left the build: only what the inventory names and our labels own.

use kube::api::DeleteParams;

use crate::error::{ApplyError, Refusal};
use crate::kinds::Kinds;
use crate::object::ObjectId;
use crate::order;
use crate::owner::{Owner, Rules};
use crate::pass::{Change, ChangeKind};

/// What a pruning did.
#[derive(Debug, Default)]
pub struct Pruned {
    /// What became of each object.
    pub changes: Vec<Change>,
    /// Objects that could not be deleted, and why. They stay in the inventory.
    pub survivors: Vec<(ObjectId, ApplyError)>,
}

/// Deletes objects in the reverse order of applying. One that fails keeps none of the others back.
pub async fn prune(kinds: &Kinds, owner: &Owner, mut stale: Vec<ObjectId>) -> Pruned {
    stale.sort_by(|a, b| {
        order::stage(b)
            .cmp(&order::stage(a))
            .then_with(|| order::compare(b, a))
    });
    let mut pruned = Pruned::default();
    for id in stale {
        match prune_one(kinds, owner, &id).await {
            Ok(kind) => pruned.changes.push(Change { id, kind }),
            Err(error) => pruned.survivors.push((id, error)),
        }
    }
    pruned
}

async fn prune_one(kinds: &Kinds, owner: &Owner, id: &ObjectId) -> Result<ChangeKind, ApplyError> {
    let api = match kinds.api(id).await {
        Ok(api) => api,
        // The kind itself is gone, and its objects with it.
        Err(ApplyError::UnknownKind { .. }) => return Ok(ChangeKind::Deleted),
        Err(error) => return Err(error),
    };
    let refused = |error: &kube::Error| ApplyError::Delete {
        id: id.clone(),
        refusal: Refusal::of(error, id),
    };
    let live = match api.get_opt(&id.name).await {
        Ok(Some(live)) => live,
        Ok(None) => return Ok(ChangeKind::Deleted),
        Err(error) => return Err(refused(&error)),
    };
    let metadata =
        serde_json::json!({ "metadata": serde_json::to_value(&live.metadata).unwrap_or_default() });
    let rules = Rules::of(&metadata);
    if !owner.owns(&metadata) || rules.ignore || rules.keep {
        return Ok(ChangeKind::Skipped);
    }
    // The uid makes sure that it is this object, and no other that took its name since.
    let parameters = DeleteParams::background().preconditions(kube::api::Preconditions {
        uid: live.metadata.uid,
        resource_version: None,
    });
    match api.delete(&id.name, &parameters).await {
        Ok(_) => Ok(ChangeKind::Deleted),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(ChangeKind::Deleted),
        Err(error) => Err(refused(&error)),
    }
}
