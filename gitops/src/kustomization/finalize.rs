//! Deletes what a Kustomization applied, when the Kustomization itself is deleted.

use api::kustomization::{KustomizationSpec, KustomizationStatus};
use apply::{ObjectId, Owner};
use k8s_openapi::api::core::v1::ServiceAccount as AccountObject;
use kube::api::Api;

use crate::context::Controller;
use crate::events::Note;
use crate::failure::{Failure, Next};
use crate::kustomization::identity::ServiceAccount;
use crate::kustomization::observe::Seen;
use crate::kustomization::status::REVISION_KEY;
use crate::schedule;
use crate::subject::Key;

use std::time::Duration;

const WAIT_DEFAULT: Duration = Duration::from_secs(300);

/// Deletes by the policy.
///
/// # Errors
/// What could not be deleted; the finalizer then stays and the pass is repeated.
pub(super) async fn finalize(controller: &Controller, seen: &Seen) -> Result<(), Failure> {
    let spec = match &seen.kustomization {
        Ok(kustomization) => &kustomization.spec,
        Err(failure) => {
            tell(
                controller,
                seen,
                Note::warning(
                    "PruneFailed",
                    format!("unable to prune objects: {}", failure.message),
                ),
            )
            .await;
            return Ok(());
        }
    };
    let ids = inventory(seen.status.as_ref());
    let policy = spec.deletion_policy.as_deref().unwrap_or("MirrorPrune");
    let is_kept = spec.suspend || policy == "Orphan" || (policy == "MirrorPrune" && !spec.prune);
    if is_kept || ids.is_empty() {
        return Ok(());
    }
    let Some(kinds) = kinds(controller, seen, spec).await? else {
        return Ok(());
    };
    let pruned = apply::prune(&kinds, &owner(&seen.key), ids.clone()).await;
    if let Some((_, error)) = pruned.survivors.first() {
        let message = format!(
            "pruning for deleted resource failed: {}",
            sources::chain(error)
        );
        tell(
            controller,
            seen,
            Note::warning("PruneFailed", message.clone()),
        )
        .await;
        return Err(Failure::new("PruneFailed", message, Next::Backoff));
    }
    if policy == "WaitForTermination" {
        let timeout = spec
            .timeout
            .as_deref()
            .and_then(|text| schedule::read("spec.timeout", text).ok());
        let deleted: Vec<ObjectId> = pruned
            .changes
            .iter()
            .filter(|c| c.kind == apply::ChangeKind::Deleted)
            .map(|c| c.id.clone())
            .collect();
        if let Err(left) =
            apply::wait_until_gone(&kinds, &deleted, timeout.unwrap_or(WAIT_DEFAULT)).await
        {
            let message = format!(
                "failed to wait for resources termination: {}",
                left.objects()
            );
            tell(controller, seen, Note::warning("PruneFailed", message)).await;
        }
    }
    let lines: Vec<String> = pruned.changes.iter().map(ToString::to_string).collect();
    tell(
        controller,
        seen,
        Note::normal("ReconciliationSucceeded", lines.join("\n")),
    )
    .await;
    Ok(())
}

/// The objects that the inventory names.
pub(super) fn inventory(status: Option<&KustomizationStatus>) -> Vec<ObjectId> {
    let inventory = status.and_then(|status| status.inventory.as_ref());
    inventory
        .map(|all| {
            all.entries
                .iter()
                .filter_map(apply::inventory::parse)
                .collect()
        })
        .unwrap_or_default()
}

pub(super) fn owner(key: &Key) -> Owner {
    Owner {
        name: key.name.clone(),
        namespace: key.namespace.clone(),
    }
}

/// As whom to delete; nobody when the ServiceAccount is gone, and the objects stay.
async fn kinds(
    controller: &Controller,
    seen: &Seen,
    spec: &KustomizationSpec,
) -> Result<Option<apply::Kinds>, Failure> {
    let Some(name) = &spec.service_account_name else {
        return Ok(Some(controller.shared.kinds.clone()));
    };
    let account = ServiceAccount::parse(&seen.key.namespace, name)?;
    let api: Api<AccountObject> = Api::namespaced(controller.client.clone(), &account.namespace);
    match api.get_opt(&account.name).await {
        Ok(Some(_)) => controller
            .shared
            .identities
            .kinds(&controller.client, &account)
            .map(Some),
        Ok(None) => {
            let message = format!(
                "unable to prune objects: ServiceAccount '{}/{}' not found",
                account.namespace, account.name
            );
            tell(controller, seen, Note::warning("PruneFailed", message)).await;
            Ok(None)
        }
        Err(error) => Err(Failure::new(
            "PruneFailed",
            format!("failed to get ServiceAccount {name:?}: {error}"),
            Next::Backoff,
        )),
    }
}

async fn tell(controller: &Controller, seen: &Seen, mut note: Note) {
    if let Some(revision) = seen
        .status
        .as_ref()
        .and_then(|status| status.last_applied_revision.as_ref())
    {
        note = note.with(REVISION_KEY, revision);
    }
    controller.tell(&seen.object, &[note]).await;
}
