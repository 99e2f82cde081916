//! Names whoever changes what a canary keeps, so that two who fight over an object can be told from a fault.
//!
//! What was changed is put back by the round itself; here its last writer is looked up and told, at most once a minute.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use kube::api::ApiResource;
use mesh_adapters::{ObjectRef, differs};
use rollout::{Part, World};
use serde_json::Value;

use super::act::write::FIELD_MANAGER;
use super::build::service::{self, Role};
use super::observe::{key_of, live, resource_of, route, service_differs};
use super::subject::Subject;
use super::{Context, act};
use crate::json::str_at;
use crate::world::key::Key;
use crate::world::kind;
use crate::world::store::Known;
use crate::world::workload::WorkloadSeen;

/// Least time between two looks at who it was.
const LOOK_PERIOD: TimeDelta = TimeDelta::seconds(60);

/// Tells who changed what is about to be put back.
pub(super) async fn tell(
    ctx: &Context,
    subject: &Subject,
    world: &World,
    looked: &mut Option<DateTime<Utc>>,
) {
    let now = ctx.clock.now();
    *looked = looked.filter(|at| now.signed_duration_since(*at) < LOOK_PERIOD);
    let parts = changed(subject, world);
    if parts.is_empty() || looked.is_some() {
        return;
    }
    *looked = Some(now);
    for (resource, key) in objects(ctx, subject, &parts) {
        // One that cannot be read is the round's to tell.
        let Ok(Some(object)) = ctx.writer.get(&resource, &key).await else {
            continue;
        };
        if let Some(manager) = last_writer(&object) {
            let kind = &resource.kind;
            let text = format!("{kind} {key} was changed by {manager:?}; putting it back");
            act::tell::event(ctx, subject, true, &text, subject.state.phase()).await;
        }
    }
}

/// What differs from what was stored, of objects that were ours to write before.
fn changed(subject: &Subject, world: &World) -> BTreeSet<Part> {
    if !subject.state.is_routed() || world.is_deleting {
        return BTreeSet::new();
    }
    let mut parts = world.drift.clone();
    let seen = world.traffic.split();
    if subject.spec.has_routes() && seen.is_some_and(|seen| seen != subject.state.split()) {
        parts.insert(Part::Routes);
    }
    parts
}

/// The objects of these parts that are to be put back.
fn objects(ctx: &Context, subject: &Subject, parts: &BTreeSet<Part>) -> Vec<(ApiResource, Key)> {
    let Known::Present(seen) = subject.workload(ctx, &subject.target()) else {
        return Vec::new();
    };
    let mut objects = services(ctx, subject, &seen);
    if parts.contains(&Part::Routes) {
        objects.extend(routes(ctx, subject, &seen).unwrap_or_default());
    }
    objects
}

fn services(ctx: &Context, subject: &Subject, seen: &WorkloadSeen) -> Vec<(ApiResource, Key)> {
    let (Some(selector), Some(service)) = (&seen.selector, &subject.canary.spec.service) else {
        return Vec::new();
    };
    let plan = service::Plan {
        owner: &subject.owner,
        apex: &subject.spec.apex,
        service,
        selector,
        ports: &seen.ports,
    };
    [Role::Canary, Role::Primary, Role::Apex]
        .into_iter()
        .filter(|role| service_differs(ctx, subject, &plan, *role))
        .map(|role| (kind::service(), subject.key.sibling(&plan.name(role))))
        .collect()
}

fn routes(
    ctx: &Context,
    subject: &Subject,
    seen: &WorkloadSeen,
) -> Option<Vec<(ApiResource, Key)>> {
    let route = route(ctx, subject, seen.selector.as_ref()).ok()?;
    let live = live(ctx, subject, &route).ok()?;
    let wanted = subject.adapter.marked(&route, &live).ok()?;
    let is_changed = |one: &ObjectRef| {
        let is_it = |object: &&Value| {
            str_at(object, "/kind") == one.kind && str_at(object, "/metadata/name") == one.name
        };
        wanted
            .iter()
            .find(is_it)
            .is_some_and(|it| differs(it, live.at(one)))
    };
    let mut objects = subject.adapter.objects(&route);
    objects.retain(is_changed);
    let keys = objects.iter().map(|one| (resource_of(one), key_of(one)));
    Some(keys.collect())
}

/// The field manager that wrote an object last; none if that was this program, or if it never wrote the object.
fn last_writer(object: &Value) -> Option<&str> {
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    let written = |entry: &&Value| str_at(entry, "/subresource").is_empty();
    let is_ours = |entry: &&&Value| str_at(entry, "/manager") == FIELD_MANAGER;
    // RFC 3339 in UTC sorts as text.
    let time = |entry: &&Value| str_at(entry, "/time").to_owned();
    let entries: Vec<&Value> = entries.iter().filter(written).collect();
    let ours = entries.iter().filter(is_ours).map(time).max()?;
    let others = entries.iter().filter(|entry| !is_ours(entry));
    let last = others.max_by_key(|entry| time(entry))?;
    (time(last) >= ours).then(|| str_at(last, "/manager"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_writer_but_us_is_named() {
        let entry = |manager: &str, second: u8, subresource: &str| json!({"manager": manager, "time": format!("2027-01-15T08:00:{second:02}Z"), "subresource": subresource});
        let ours = entry("sluice", 10, "");
        for (entries, expected) in [
            (vec![], None),
            (vec![ours.clone()], None),
            (vec![entry("kubectl-edit", 20, "")], None),
            (
                vec![ours.clone(), entry("kubectl-edit", 20, "")],
                Some("kubectl-edit"),
            ),
            (vec![entry("flux", 10, ""), ours.clone()], Some("flux")),
            (vec![entry("flux", 9, ""), ours.clone()], None),
            (vec![ours.clone(), entry("gateway", 20, "status")], None),
            (
                vec![entry("a", 30, ""), entry("b", 40, ""), ours],
                Some("b"),
            ),
        ] {
            let object = json!({"metadata": {"managedFields": entries}});
            assert_eq!(last_writer(&object), expected, "{object}");
        }
    }
}
