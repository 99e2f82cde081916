//! Puts back what was there before the canary, when it is deleted with `revertOnDeletion`.
//!
//! The order, and when it may go on, is the rollout's to say; each step here is safe twice.

use rollout::spec::TargetKind;
use serde_json::{Value, json};

use super::Context;
use super::act::ActError;
use super::act::reverting::{change, replicas_from_zero, rest, restore};
use super::build::service::{Plan, Role, repair};
use super::build::{LAST_APPLIED, scaled_object, zero};
use super::observe::FINALIZER;
use super::subject::{Subject, holder};
use crate::json::{list_at, str_at};
use crate::world::key::Key;
use crate::world::kind;
use crate::world::store::Known;

/// Puts the finalizer on the Canary, or takes it off.
pub(super) async fn set(
    ctx: &Context,
    subject: &mut Subject,
    wanted: bool,
) -> Result<(), ActError> {
    let mut names = subject
        .canary
        .metadata
        .finalizers
        .clone()
        .unwrap_or_default();
    if names.iter().any(|name| name == FINALIZER) == wanted {
        return Ok(());
    }
    names.retain(|name| name != FINALIZER);
    if wanted {
        names.push(FINALIZER.to_owned());
    }
    let patch = json!({"metadata": {"finalizers": names, "resourceVersion": subject.version}});
    let written = ctx
        .writer
        .merge(&kind::canary(), &subject.key, &patch)
        .await?;
    // The status write of this round depends on the version that this write made.
    subject.version = str_at(&written, "/metadata/resourceVersion").to_owned();
    subject.canary.metadata.finalizers = Some(names);
    Ok(())
}

/// The target runs as many replicas as the primary.
pub(super) async fn revert_target(ctx: &Context, subject: &Subject) -> Result<(), ActError> {
    let Known::Present(target) = subject.workload(ctx, &subject.target()) else {
        return Ok(());
    };
    if subject.spec.target.kind == TargetKind::DaemonSet {
        return rest(ctx, subject, false).await;
    }
    let replicas = match subject.workload(ctx, &subject.primary()) {
        Known::Present(primary) if primary.replicas > 0 => primary.replicas,
        Known::Present(_) | Known::Absent | Known::Unread(_) if target.replicas > 0 => {
            return Ok(());
        }
        Known::Present(_) | Known::Absent | Known::Unread(_) => replicas_from_zero(ctx, subject),
    };
    if target.replicas == replicas {
        return Ok(());
    }
    change(ctx, subject, false, json!({"spec": {"replicas": replicas}})).await
}

/// The apex Service selects the target again, when it is the user's own.
pub(super) async fn revert_apex(ctx: &Context, subject: &Subject) -> Result<(), ActError> {
    let (Known::Present(target), Some(service)) = (
        subject.workload(ctx, &subject.target()),
        &subject.canary.spec.service,
    ) else {
        return Ok(());
    };
    let Some(selector) = &target.selector else {
        return Ok(());
    };
    let key = subject.key.sibling(&subject.spec.apex);
    let Some(live) = ctx.writer.get(&kind::service(), &key).await? else {
        return Ok(());
    };
    if is_of_a_canary(&live) {
        return Ok(());
    }
    let patch = match original_selector(&live) {
        Some(original) if live.pointer("/spec/selector") == Some(&original) => None,
        Some(original) => Some(json!({
            "metadata": {"resourceVersion": str_at(&live, "/metadata/resourceVersion")},
            "spec": {"selector": without_others(&live, original)},
        })),
        None => {
            let plan = Plan {
                owner: &subject.owner,
                apex: &subject.spec.apex,
                service,
                selector,
                ports: &target.ports,
            };
            let mut wanted = plan.build(Role::Canary);
            if let Some(metadata) = wanted.get_mut("metadata") {
                *metadata =
                    json!({"name": subject.spec.apex, "namespace": subject.owner.namespace});
            }
            repair(&live, &wanted, service, &subject.owner)
        }
    };
    if let Some(patch) = patch {
        ctx.writer.merge(&kind::service(), &key, &patch).await?;
    }
    Ok(())
}

/// The routing objects as they were before us.
pub(super) async fn revert_routes(ctx: &Context, subject: &Subject) -> Result<(), ActError> {
    restore(ctx, subject).await
}

/// Lets a Canary go that cannot be followed. What another Canary has is not touched.
pub(super) async fn let_go(ctx: &Context, key: &Key, value: &Value) -> Result<(), ActError> {
    let finalizers = list_at(value, "/metadata/finalizers");
    if !finalizers
        .iter()
        .any(|name| name.as_str() == Some(FINALIZER))
    {
        return Ok(());
    }
    if holder(&ctx.caches, key).is_none() {
        raise(ctx, key, value).await?;
    }
    let rest: Vec<_> = finalizers
        .iter()
        .filter(|name| name.as_str() != Some(FINALIZER))
        .collect();
    let version = str_at(value, "/metadata/resourceVersion");
    let patch = json!({"metadata": {"finalizers": rest, "resourceVersion": version}});
    ctx.writer.merge(&kind::canary(), key, &patch).await?;
    Ok(())
}

/// The target gets its replicas back: nothing else can be told from a spec that is not understood.
async fn raise(ctx: &Context, key: &Key, value: &Value) -> Result<(), ActError> {
    let target = key.sibling(str_at(value, "/spec/targetRef/name"));
    if str_at(value, "/spec/targetRef/kind") == TargetKind::DaemonSet.as_str() {
        wake(ctx, &target).await?;
    }
    let deployments = &ctx.caches.deployments;
    let replicas_of = |key: &Key| deployments.read(key, |seen| seen.open().replicas);
    resume(ctx, key, value).await?;
    let is_deployment = str_at(value, "/spec/targetRef/kind") == TargetKind::Deployment.as_str();
    if is_deployment && replicas_of(&target) == Some(0) {
        let primary = key.sibling(&super::build::primary_name(&target.name));
        let replicas = replicas_of(&primary).unwrap_or(1).max(1);
        let version = ctx.caches.deployments.version(&target);
        let patch =
            json!({"metadata": {"resourceVersion": version}, "spec": {"replicas": replicas}});
        ctx.writer
            .merge(&kind::deployment(), &target, &patch)
            .await?;
    }
    Ok(())
}

/// A ScaledObject that keeps the target at rest lets it go.
async fn resume(ctx: &Context, canary: &Key, value: &Value) -> Result<(), ActError> {
    if str_at(value, "/spec/autoscalerRef/kind") != kind::SCALED_OBJECT {
        return Ok(());
    }
    let key = canary.sibling(str_at(value, "/spec/autoscalerRef/name"));
    let found = ctx.writer.get(&kind::scaled_object(), &key).await?;
    if found.as_ref().is_some_and(scaled_object::is_paused) {
        let patch = scaled_object::pause(false);
        ctx.writer
            .merge(&kind::scaled_object(), &key, &patch)
            .await?;
    }
    Ok(())
}

/// A DaemonSet gets its pods back.
async fn wake(ctx: &Context, key: &Key) -> Result<(), ActError> {
    let found = ctx.writer.get(&kind::daemon_set(), key).await?;
    if found.as_ref().is_some_and(zero::is_set) {
        let mut patch = zero::patch(false);
        let version = found.map(|found| str_at(&found, "/metadata/resourceVersion").to_owned());
        if let Some(patch) = patch.as_object_mut() {
            patch.insert("metadata".to_owned(), json!({"resourceVersion": version}));
        }
        ctx.writer.merge(&kind::daemon_set(), key, &patch).await?;
    }
    Ok(())
}

fn is_of_a_canary(object: &Value) -> bool {
    list_at(object, "/metadata/ownerReferences")
        .iter()
        .any(|owner| {
            str_at(owner, "/kind") == "Canary"
                && owner.get("controller").and_then(Value::as_bool) == Some(true)
        })
}

/// The selector that the user applied with kubectl.
fn original_selector(live: &Value) -> Option<Value> {
    let text = live
        .get("metadata")?
        .get("annotations")?
        .get(LAST_APPLIED)?
        .as_str()?;
    let applied: Value = serde_json::from_str(text).ok()?;
    applied
        .pointer("/spec/selector")
        .filter(|selector| selector.is_object())
        .cloned()
}

/// A merge patch keeps keys that it does not name: null takes them away.
fn without_others(live: &Value, mut selector: Value) -> Value {
    let old = crate::json::map_at(live, "/spec/selector");
    if let Some(selector) = selector.as_object_mut() {
        for key in old.keys() {
            selector.entry(key.clone()).or_insert(Value::Null);
        }
    }
    selector
}
