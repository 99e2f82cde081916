//! Observes what surrounds a canary, from the caches; only new versions of tracked configs
//! are read from the API server. It judges nothing: the rollout does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::api::ApiResource;
use mesh_adapters::{Cookies, Live, ObjectRef, ReadError, Route};
use rollout::spec::TargetKind;
use rollout::world::{Revision, Seen, Snapshot, Workload};
use rollout::{Part, State, TrafficSeen, World};

use super::Context;
use super::act::{self, WriteError};
use super::build::service::{Role, metadata_digest, wiring};
use super::build::{Selector, service};
use super::configs::ConfigFault;
use super::subject::{Stall, Subject};
use crate::digest;
use crate::world::key::Key;
use crate::world::kind;
use crate::world::store::Known;
use crate::world::workload::WorkloadSeen;

mod fault;
mod relate;

/// The finalizer of `revertOnDeletion`.
pub(super) const FINALIZER: &str = "finalizer.flagger.app";

/// Why a round has no observation.
pub(super) enum Unobserved {
    /// A request failed.
    Failed(WriteError),
    /// The spec asks for what its mesh cannot do.
    Stalled(Stall),
}

/// Looks at everything a decision needs.
pub(super) async fn observe(ctx: &Context, subject: &Subject) -> Result<World, Unobserved> {
    let target = target(ctx, subject).await?;
    let primary = subject.workload(ctx, &subject.primary());
    relate::relate(ctx, subject, &target, &primary);
    let mut world = World {
        primary: workload(&primary, primary_snapshot),
        is_deleting: subject.is_deleting(),
        has_finalizer: subject
            .canary
            .metadata
            .finalizers
            .iter()
            .flatten()
            .any(|name| name == FINALIZER),
        ..World::default()
    };
    let Known::Present(seen) = &target else {
        world.target = missing(ctx, subject, &target, world.is_deleting).await?;
        if let Known::Unread(Some(why)) = &target {
            world.target_fault = Some(fault::unread(subject, why));
        }
        if subject.spec.target.kind != TargetKind::Knative {
            (world.traffic, _) = traffic(ctx, subject, None)?;
        }
        return Ok(world);
    };
    let (snapshot, fault) = snapshot(ctx, subject, seen)
        .await
        .map_err(Unobserved::Failed)?;
    world.target = workload(&target, |_| snapshot);
    look_for_scaler(ctx, subject).await?;
    world.target_fault = fault.or_else(|| fault::of_target(ctx, subject, seen));
    if let Known::Unread(Some(why)) = &primary {
        world
            .target_fault
            .get_or_insert(fault::unread(subject, why));
    }
    if seen.template.is_empty() && subject.spec.target.kind == TargetKind::Knative {
        // Before its first revision there is nothing to route to.
        return Ok(world);
    }
    let (traffic, has_drifted) = traffic(ctx, subject, seen.selector.as_ref())?;
    world.traffic = traffic;
    world.drift = drift(ctx, subject, seen);
    if has_drifted {
        world.drift.insert(Part::Routes);
    }
    Ok(world)
}

/// The target. Of a new Canary it is asked for by itself if its watch has not told of it: both are often applied at once,
/// and one watch may be behind the other.
async fn target(ctx: &Context, subject: &Subject) -> Result<Known<WorkloadSeen>, Unobserved> {
    let known = subject.workload(ctx, &subject.target());
    if !matches!(known, Known::Absent) || subject.status().is_some() {
        return Ok(known);
    }
    let asked = ctx.writer.get(&subject.resource(), &subject.target()).await;
    asked.map_err(Unobserved::Failed)?;
    Ok(subject.workload(ctx, &subject.target()))
}

/// Asks for the autoscaler of a new Canary in the same way: it is then known.
async fn look_for_scaler(ctx: &Context, subject: &Subject) -> Result<(), Unobserved> {
    let is_new = matches!(subject.state, State::New | State::Initializing(_));
    let Some(scaler) = subject.spec.autoscaler.as_ref().filter(|_| is_new) else {
        return Ok(());
    };
    let key = subject.key.sibling(&scaler.name);
    if ctx.caches.scaler(scaler, &key) == Known::Absent {
        let asked = ctx.writer.get(&kind::of_scaler(&scaler.kind), &key).await;
        asked.map_err(Unobserved::Failed)?;
    }
    Ok(())
}

/// A target that is not known. A deletion must not wait for ever for a kind that cannot be watched, for instance
/// because its definition is gone: the object is asked for by itself.
async fn missing(
    ctx: &Context,
    subject: &Subject,
    target: &Known<WorkloadSeen>,
    is_deleting: bool,
) -> Result<Seen, Unobserved> {
    if is_deleting && matches!(target, Known::Unread(_)) {
        let found = ctx.writer.get(&subject.resource(), &subject.target()).await;
        if found.map_err(Unobserved::Failed)?.is_none() {
            return Ok(Seen::Absent);
        }
    }
    Ok(workload(target, |_| None))
}

fn workload(
    known: &Known<WorkloadSeen>,
    snapshot: impl FnOnce(&WorkloadSeen) -> Option<Snapshot>,
) -> Seen {
    match known {
        Known::Unread(_) => Seen::Unread,
        Known::Absent => Seen::Absent,
        Known::Present(seen) => Seen::Present(Workload {
            uid: seen.uid.to_string(),
            generation: seen.generation,
            observed_generation: seen.observed_generation,
            desired: seen.replicas,
            total: seen.total,
            updated: seen.updated,
            available: seen.available,
            progressing: seen.progressing.clone(),
            availability: seen.availability.clone(),
            snapshot: snapshot(seen),
        }),
    }
}

fn primary_snapshot(seen: &WorkloadSeen) -> Option<Snapshot> {
    Snapshot::parse_annotation(seen.snapshot.as_deref()?)
}

/// The version of the target, or why it cannot be told.
async fn snapshot(
    ctx: &Context,
    subject: &Subject,
    seen: &WorkloadSeen,
) -> Result<(Option<Snapshot>, Option<String>), WriteError> {
    let mut configs = BTreeMap::new();
    if ctx.settings.is_config_tracked {
        for config in &seen.configs {
            match ctx.configs.checksum(ctx, &subject.key, config).await {
                Ok(Some(checksum)) => {
                    configs.insert(config.key(), checksum);
                }
                Ok(None) => {}
                Err(ConfigFault::Unread(None)) => return Ok((None, None)),
                Err(ConfigFault::Unread(Some(why))) => return Ok((None, Some(why))),
                Err(ConfigFault::Missing(why)) => return Ok((None, Some(why))),
                Err(ConfigFault::Failed(error)) => return Err(error),
            }
        }
    } else if let Some(applied) = subject.state.applied() {
        // What was tracked before the flag came counts as unchanged.
        configs.clone_from(&applied.configs);
    }
    Ok((
        Some(Snapshot {
            revision: Revision::new(&*seen.template),
            configs,
        }),
        None,
    ))
}

/// What the routing objects say, and whether they differ from ours but for the weights. What cannot be worded stalls;
/// not a deletion: it words nothing, and must keep its order.
fn traffic(
    ctx: &Context,
    subject: &Subject,
    selector: Option<&Selector>,
) -> Result<(TrafficSeen, bool), Unobserved> {
    match read_traffic(ctx, subject, selector) {
        Ok(seen) => Ok(seen),
        Err(error) if subject.is_deleting() => {
            Ok((TrafficSeen::Unreadable(error.to_string()), false))
        }
        Err(error) => Err(Unobserved::Stalled(Stall {
            reason: "InvalidSpec",
            message: format!("canary {}: {error}", subject.key),
        })),
    }
}

fn read_traffic(
    ctx: &Context,
    subject: &Subject,
    selector: Option<&Selector>,
) -> Result<(TrafficSeen, bool), mesh_adapters::RenderError> {
    let route = route(ctx, subject, selector)?;
    let live = match live(ctx, subject, &route) {
        Ok(live) => live,
        Err(None) => return Ok((TrafficSeen::Unread, false)),
        Err(Some(why)) => return Ok((TrafficSeen::Unreadable(why), false)),
    };
    let has_drifted = subject.adapter.has_drifted(&route, &live)?;
    let traffic = match subject.adapter.seen(&route, &live) {
        Ok(split) => TrafficSeen::Split(split),
        Err(error @ ReadError::Unseen { .. }) => TrafficSeen::Pending(error.to_string()),
        Err(error) => TrafficSeen::Unreadable(error.to_string()),
    };
    Ok((traffic, has_drifted))
}

/// The routing objects as cached; none while they are not read, or why they cannot be.
pub(super) fn live(
    ctx: &Context,
    subject: &Subject,
    route: &Route,
) -> Result<Live, Option<String>> {
    let mut live = Live::default();
    for reference in subject.adapter.objects(route) {
        match ctx
            .caches
            .raw(&resource_of(&reference))
            .get(&key_of(&reference))
        {
            Known::Present(seen) => live.put(seen.value()),
            Known::Absent => {}
            Known::Unread(None) => return Err(None),
            Known::Unread(Some(why)) => {
                return Err(Some(format!(
                    "failed to watch {} {}: {why}",
                    reference.api_version, reference.kind
                )));
            }
        }
    }
    Ok(live)
}

/// The route of a canary, in the split that its state has.
pub(super) fn route(
    ctx: &Context,
    subject: &Subject,
    selector: Option<&Selector>,
) -> Result<Route, mesh_adapters::RenderError> {
    let mut route = Route::new(&subject.canary, subject.state.split())?;
    let objects = subject.adapter.objects(&route);
    let clusters = &ctx.caches.source().clusters;
    if !objects
        .iter()
        .all(|one| clusters.may_own(&resource_of(one)))
    {
        route.owner = None;
    }
    route
        .ingress_prefix
        .clone_from(&ctx.settings.ingress_annotations_prefix);
    route.ingress_class.clone_from(&ctx.settings.ingress_class);
    route.cookies = Some(cookies(subject, &subject.state));
    route.selector = selector.map(|found| (found.key.clone(), found.value.clone()));
    let has_apex = route.service.apex.is_some();
    // The label comes along only when service.apex is given: a side effect of Flagger's that people see.
    route.selector_label = selector
        .filter(|_| has_apex)
        .map(|found| (found.key.clone(), subject.spec.apex.clone()));
    Ok(route)
}

/// The cookies that a state has in force.
pub(super) fn cookies(subject: &Subject, state: &State) -> Cookies {
    let kept = state.memory().map(|memory| memory.cookies.clone());
    let rollout::Cookies {
        canary,
        primary,
        previous,
    } = kept.unwrap_or_default();
    Cookies {
        canary,
        primary,
        previous,
        primary_max_age_s: subject.spec.interval.num_seconds().unsigned_abs(),
    }
}

/// Kept objects that are missing or differ.
fn drift(ctx: &Context, subject: &Subject, seen: &WorkloadSeen) -> BTreeSet<Part> {
    let mut drift = BTreeSet::new();
    if subject.spec.target.kind == TargetKind::Service && act::is_behind(ctx, subject) {
        drift.insert(Part::Services);
    }
    if let (Some(selector), Some(service)) = (&seen.selector, &subject.canary.spec.service) {
        let plan = service::Plan {
            owner: &subject.owner,
            apex: &subject.spec.apex,
            service,
            selector,
            ports: &seen.ports,
        };
        for (role, part) in [
            (Role::Canary, Part::Services),
            (Role::Primary, Part::Services),
            (Role::Apex, Part::Apex),
        ] {
            if service_differs(ctx, subject, &plan, role) {
                drift.insert(part);
            }
        }
    }
    if let Some(scaler) = &subject.spec.autoscaler {
        let key = subject.key.sibling(&format!("{}-primary", scaler.name));
        if ctx.caches.scaler(scaler, &key) == Known::Absent {
            drift.insert(Part::PrimaryScaler);
        }
    }
    drift
}

/// Whether a Service is missing or not as wanted, by digests alone. A Service that was looked
/// at and found right (foreign metadata that is to be kept) is right until it changes.
pub(super) fn service_differs(
    ctx: &Context,
    subject: &Subject,
    plan: &service::Plan<'_>,
    role: Role,
) -> bool {
    let key = subject.key.sibling(&plan.name(role));
    match ctx.caches.services.get(&key) {
        Known::Unread(_) => false,
        Known::Absent => true,
        Known::Present(seen) => {
            let wanted = plan.build(role);
            let is_ours = seen.is_owned_by(&subject.owner.uid);
            let is_same = seen.wiring == digest::short(&wiring(&wanted))
                && (!is_ours || seen.metadata == metadata_digest(&wanted));
            !is_same && !ctx.agreed.holds(&key, &(seen, wanted))
        }
    }
}

/// The resource of a routing object.
pub(super) fn resource_of(reference: &ObjectRef) -> ApiResource {
    let (group, version) = reference
        .api_version
        .split_once('/')
        .unwrap_or(("", &reference.api_version));
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: reference.api_version.clone(),
        kind: reference.kind.clone(),
        plural: reference.plural.clone(),
    }
}

/// The key of a routing object.
pub(super) fn key_of(reference: &ObjectRef) -> Key {
    Key {
        namespace: Arc::from(reference.namespace.as_str()),
        name: Arc::from(reference.name.as_str()),
    }
}
