//! Inventory: the Services and routing objects that are this Canary's, so that what its spec no longer asks for is
//! found again after any crash.
//!
//! It is in the status: an object is written down before it is created, and struck out when it is gone. What it
//! takes to delete one is `act/prune.rs`'s to say.

use std::collections::BTreeSet;

use mesh_adapters::{ObjectRef, Owner, inventory};
use rollout::spec::TargetKind;
use rollout::{Action, Decision};
use serde_json::json;

use super::Context;
use super::act::ActError;
use super::dropped::write_status;
use super::observe::{key_of, resource_of, route};
use super::record::to_json;
use super::subject::Subject;
use crate::json::list_at;
use crate::world::kind;
use crate::world::store::Known;

/// Objects of one Canary.
pub(super) type Inventory = BTreeSet<ObjectRef>;

/// Most objects in a status; those asked for come first.
const OBJECTS_MAX: usize = 128;

/// What the status says; kinds that are not made for Canaries are left out.
pub(super) fn stored(subject: &Subject) -> Inventory {
    let told = subject.status().into_iter().flat_map(|it| &it.inventory);
    told.filter_map(|one| inventory::known(one, &subject.key.namespace))
        .collect()
}

/// What the spec asks for, also what is only looked at.
pub(super) fn asked(ctx: &Context, subject: &Subject) -> Inventory {
    let apex = &subject.spec.apex;
    let target = &subject.spec.target.name;
    let services = match subject.spec.target.kind {
        TargetKind::Deployment | TargetKind::DaemonSet => vec![
            apex.clone(),
            format!("{apex}-primary"),
            format!("{apex}-canary"),
        ],
        TargetKind::Service => vec![format!("{target}-primary"), format!("{target}-canary")],
        TargetKind::Knative => Vec::new(),
    };
    let namespace = &subject.key.namespace;
    let services = services
        .into_iter()
        .map(|name| inventory::service(namespace, name));
    // A subject whose route cannot be made is stalled before.
    let routes = route(ctx, subject, None).map(|route| subject.adapter.objects(&route));
    services.chain(routes.unwrap_or_default()).collect()
}

/// Writes down what this decision may create, before it does.
pub(super) async fn note(
    ctx: &Context,
    subject: &mut Subject,
    next: &Decision,
) -> Result<(), ActError> {
    if !next.actions.iter().any(creates) {
        return Ok(());
    }
    let stored = stored(subject);
    let is_new = |one: &ObjectRef| {
        is_kept(subject, one) && !stored.contains(one) && owned(ctx, subject, one).is_none()
    };
    if !asked(ctx, subject).iter().any(is_new) {
        return Ok(());
    }
    let told = told(ctx, subject, &Inventory::new());
    let change = json!({"inventory": told});
    let (key, before) = (&subject.key, to_json(subject.status()));
    let written = write_status(ctx, key, &subject.version, before, &change).await?;
    subject.renew(&written);
    Ok(())
}

/// The inventory to store: what was stored and is not `gone`, and what is asked for and not another's.
pub(super) fn told(
    ctx: &Context,
    subject: &Subject,
    gone: &Inventory,
) -> Vec<api::canary::status::ObjectStatus> {
    let mut asked = asked(ctx, subject);
    asked.retain(|one| owned(ctx, subject, one) != Some(false));
    let mut stored = stored(subject);
    stored.retain(|one| !gone.contains(one) && !names(&asked, one));
    let mut told: Vec<_> = asked
        .iter()
        .chain(&stored)
        .filter(|one| is_kept(subject, one))
        .take(OBJECTS_MAX)
        .map(inventory::told)
        .collect();
    told.sort();
    told
}

/// True for what can be told in the status: not what is only looked at in another namespace, or is a target.
fn is_kept(subject: &Subject, object: &ObjectRef) -> bool {
    let told = inventory::told(object);
    inventory::known(&told, &subject.key.namespace).as_ref() == Some(object)
}

/// True when the object is among these, in whatever version of its kind.
pub(super) fn names(objects: &Inventory, object: &ObjectRef) -> bool {
    objects.iter().any(|one| one.is_same(object))
}

/// The Canary, as its objects name it.
pub(super) fn owner(subject: &Subject) -> Owner {
    Owner {
        name: subject.owner.name.clone(),
        uid: subject.owner.uid.clone(),
    }
}

/// Whether an object that is there has this Canary as an owner; none for what is not known to be there.
fn owned(ctx: &Context, subject: &Subject, object: &ObjectRef) -> Option<bool> {
    let (resource, key) = (resource_of(object), key_of(object));
    let uid = subject.owner.uid.as_str();
    if resource == kind::service() {
        let services = &ctx.caches.services;
        return services.read(&key, |seen| seen.is_owned_by(uid));
    }
    match ctx.caches.raw(&resource).get(&key) {
        Known::Present(_) if kind::is_cluster_scoped(&resource) => Some(true),
        Known::Present(seen) => {
            let object = seen.value();
            let owners = list_at(&object, "/metadata/ownerReferences");
            Some(
                owners
                    .iter()
                    .any(|one| one.get("uid").and_then(serde_json::Value::as_str) == Some(uid)),
            )
        }
        Known::Absent | Known::Unread(_) => None,
    }
}

/// True for what makes Services and routing objects.
fn creates(action: &Action) -> bool {
    match action {
        Action::Services | Action::Primary { .. } | Action::Apex | Action::Routes(_) => true,
        Action::AddFinalizer
        | Action::RemoveFinalizer
        | Action::Adopt { .. }
        | Action::ScaleTarget(_)
        | Action::ScalePrimary { .. }
        | Action::PrimaryScaler { .. }
        | Action::PauseScaler
        | Action::ResumeScaler
        | Action::Promote { .. }
        | Action::RevertTarget
        | Action::RevertApex
        | Action::RevertRoutes
        | Action::RunHooks { .. }
        | Action::Event { .. }
        | Action::Alert { .. }
        | Action::Count { .. } => false,
    }
}
