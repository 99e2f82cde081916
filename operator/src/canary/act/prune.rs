//! Deletes the Services and routing objects that the spec no longer asks for.
//!
//! Only when all that it asks for is in force, so that users have a route all the time; and only what this Canary
//! owns and we wrote. Where there is nothing to delete, nothing is asked. An object that cannot be deleted holds
//! nothing up.

use mesh_adapters::{ObjectRef, inventory as objects};
use rollout::{Action, Decision, Part, TrafficSeen, WaitingOn, World};

use super::super::inventory::{self, Inventory};
use super::super::observe::{key_of, resource_of};
use super::write::FIELD_MANAGER;
use super::{Context, Subject, WriteError, tell};
use crate::error::chain;
use crate::world::store::Known;

/// What became of those that were to go.
#[derive(Default)]
pub(in crate::canary) struct Pruned {
    /// No longer there, or not ours: to be struck out.
    pub(in crate::canary) gone: Inventory,
    /// Some could not be looked at or deleted: to be tried again.
    pub(in crate::canary) has_failed: bool,
}

/// Deletes what is no longer asked for, when that is due.
pub(in crate::canary) async fn prune(
    ctx: &Context,
    subject: &Subject,
    world: &World,
    next: &Decision,
) -> Pruned {
    let mut pruned = Pruned::default();
    let stored = inventory::stored(subject);
    let asked = inventory::asked(ctx, subject);
    let is_due = is_in_force(subject, world, next);
    let mut stale: Vec<&ObjectRef> = stored
        .iter()
        .filter(|one| !inventory::names(&asked, one))
        .filter(|one| is_due || is_in_the_way(ctx, world, one, &asked))
        .collect();
    // What leads to a Service goes before it.
    stale.sort_by_key(|one| one.kind == "Service");
    let mut deleted = Vec::new();
    for object in stale {
        match delete(ctx, subject, object).await {
            Ok(is_deleted) => {
                if is_deleted {
                    deleted.push(format!("{} {}", object.kind, object.name));
                }
                pruned.gone.insert(object.clone());
            }
            Err(error) => {
                pruned.has_failed = true;
                let text = format!(
                    "{} {} is no longer asked for and stays: {}",
                    object.kind,
                    object.name,
                    chain(&error)
                );
                tell::event(ctx, subject, true, &text, next.state.phase()).await;
            }
        }
    }
    if !deleted.is_empty() {
        let text = format!(
            "Deleted {}: the spec no longer asks for it",
            deleted.join(", ")
        );
        tell::event(ctx, subject, false, &text, next.state.phase()).await;
    }
    pruned
}

/// Deletes an object that is ours; false when there is none.
async fn delete(ctx: &Context, subject: &Subject, object: &ObjectRef) -> Result<bool, WriteError> {
    let (resource, key) = (resource_of(object), key_of(object));
    let Some(live) = ctx.writer.get(&resource, &key).await? else {
        return Ok(false);
    };
    let owner = inventory::owner(subject);
    if !objects::is_ours(object, &live, &owner, &subject.key.namespace, FIELD_MANAGER) {
        return Ok(false);
    }
    ctx.writer.delete(&resource, &key, &live).await?;
    Ok(true)
}

/// True when all that the spec asks for is there, and users are where the state says.
fn is_in_force(subject: &Subject, world: &World, next: &Decision) -> bool {
    let has_routes = subject.spec.has_routes();
    let is_routed = match &world.traffic {
        TrafficSeen::Split(split) => !has_routes || *split == next.state.split(),
        TrafficSeen::Unread | TrafficSeen::Pending(_) | TrafficSeen::Unreadable(_) => false,
    };
    is_routed
        && next.state.is_routed()
        && !world.is_deleting
        && is_written(world)
        && !next.actions.iter().any(Action::is_object_write)
        && next.waiting_on.as_ref().is_none_or(is_content)
}

fn is_written(world: &World) -> bool {
    let parts = [Part::Services, Part::Apex, Part::Routes];
    !parts.iter().any(|part| world.drift.contains(part))
}

/// True for waits during which nothing is amiss with pods and routes.
fn is_content(waiting_on: &WaitingOn) -> bool {
    match waiting_on {
        WaitingOn::Metrics { .. }
        | WaitingOn::Gate { .. }
        | WaitingOn::Check { .. }
        | WaitingOn::Answers => true,
        WaitingOn::Suspended
        | WaitingOn::Cache(_)
        | WaitingOn::Settling { .. }
        | WaitingOn::Target { .. }
        | WaitingOn::TargetFault(_)
        | WaitingOn::Pods { .. }
        | WaitingOn::Routes(_) => false,
    }
}

/// Gateways take the older of two routes that are the same but for their kind, so the new one, which is there as
/// wanted, has to wait for the old one to go.
fn is_in_the_way(ctx: &Context, world: &World, stale: &ObjectRef, asked: &Inventory) -> bool {
    let is_rival = |one: &&ObjectRef| {
        one.group() == "gateway.networking.k8s.io"
            && (one.group(), &one.name) == (stale.group(), &stale.name)
    };
    let is_there = |one: &ObjectRef| {
        let store = ctx.caches.raw(&resource_of(one));
        matches!(store.get(&key_of(one)), Known::Present(_))
    };
    is_written(world) && asked.iter().find(is_rival).is_some_and(is_there)
}
