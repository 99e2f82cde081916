//! Makes, promotes and scales target and primary: Deployments or DaemonSets.
//!
//! A template is copied only if it is the one that was decided on, told by its digest at the
//! moment of copying: what nobody analysed never reaches the primary.

use rollout::action::Scale;
use rollout::spec::TargetKind;
use rollout::world::Snapshot;
use serde_json::{Value, json};

use super::super::build::config::references;
use super::super::build::{REVISION_ANNOTATION, Selector, primary, zero};
use super::{ActError, Context, Subject, configs};
use crate::json::str_at;
use crate::world::key::Key;
use crate::world::store::Known;
use crate::world::workload::{WorkloadSeen, revision};

/// The primary exists.
pub(super) async fn ensure_primary(
    ctx: &Context,
    subject: &Subject,
    from: &Snapshot,
) -> Result<(), ActError> {
    if matches!(subject.workload(ctx, &subject.primary()), Known::Present(_)) {
        return Ok(());
    }
    let target = read_target(ctx, subject, from).await?;
    let object = with_plan(ctx, subject, &target, from, |plan| {
        primary::create(&target, plan)
    })
    .await?;
    ctx.writer.create(&subject.resource(), &object).await?;
    Ok(())
}

/// The primary runs the snapshot.
pub(super) async fn promote(
    ctx: &Context,
    subject: &Subject,
    snapshot: &Snapshot,
) -> Result<(), ActError> {
    let seen = primary_seen(ctx, subject, "promote")?;
    if seen
        .snapshot
        .as_deref()
        .and_then(Snapshot::parse_annotation)
        .as_ref()
        == Some(snapshot)
    {
        return Ok(());
    }
    let target = read_target(ctx, subject, snapshot).await?;
    let Some(live) = ctx
        .writer
        .get(&subject.resource(), &subject.primary())
        .await?
    else {
        return Err(absent(subject, "promote", &subject.primary()));
    };
    let object = with_plan(ctx, subject, &target, snapshot, |plan| {
        primary::promote(&target, &live, plan)
    })
    .await?;
    ctx.writer.replace(&subject.resource(), &object).await?;
    Ok(())
}

/// The primary says which version it runs.
pub(super) async fn adopt(
    ctx: &Context,
    subject: &Subject,
    snapshot: &Snapshot,
) -> Result<(), ActError> {
    let seen = primary_seen(ctx, subject, "adopt the primary")?;
    let text = snapshot.to_annotation();
    if seen.snapshot.as_deref() == Some(text.as_str()) {
        return Ok(());
    }
    change(
        ctx,
        subject,
        true,
        json!({"metadata": {"annotations": {REVISION_ANNOTATION: text}}}),
    )
    .await
}

/// The target has no replicas, or as many as it needs.
pub(super) async fn scale_target(
    ctx: &Context,
    subject: &Subject,
    scale: Scale,
) -> Result<(), ActError> {
    let Known::Present(target) = subject.workload(ctx, &subject.target()) else {
        return Err(absent(subject, "scale the target", &subject.target()));
    };
    if subject.spec.target.kind == TargetKind::DaemonSet {
        return rest(ctx, subject, scale == Scale::Zero).await;
    }
    let replicas = match scale {
        Scale::Zero => 0,
        Scale::Up if target.replicas > 0 => target.replicas,
        Scale::Up => replicas_from_zero(ctx, subject),
    };
    if target.replicas == replicas {
        return Ok(());
    }
    change(ctx, subject, false, json!({"spec": {"replicas": replicas}})).await
}

/// The target's DaemonSet has pods on no node, or on all that are its.
pub(in crate::canary) async fn rest(
    ctx: &Context,
    subject: &Subject,
    is_zero: bool,
) -> Result<(), ActError> {
    // Told by the object itself: a DaemonSet without nodes wants no pods either.
    let Some(target) = ctx
        .writer
        .get(&subject.resource(), &subject.target())
        .await?
    else {
        return Err(absent(subject, "scale the target", &subject.target()));
    };
    if zero::is_set(&target) == is_zero {
        return Ok(());
    }
    change(ctx, subject, false, zero::patch(is_zero)).await
}

/// The primary has at least this many replicas.
pub(super) async fn scale_primary(
    ctx: &Context,
    subject: &Subject,
    replicas_min: u32,
) -> Result<(), ActError> {
    if primary_seen(ctx, subject, "scale the primary")?.replicas >= replicas_min {
        return Ok(());
    }
    change(
        ctx,
        subject,
        true,
        json!({"spec": {"replicas": replicas_min}}),
    )
    .await
}

/// Replicas of a target that had none: the primary's, or the least its autoscaler allows.
pub(in crate::canary) fn replicas_from_zero(ctx: &Context, subject: &Subject) -> u32 {
    match &subject.spec.autoscaler {
        None => match subject.workload(ctx, &subject.primary()) {
            Known::Present(primary) => primary.replicas.max(1),
            Known::Absent | Known::Unread(_) => 1,
        },
        Some(scaler) => match ctx
            .caches
            .scaler(scaler, &subject.key.sibling(&scaler.name))
        {
            Known::Present(seen) => seen.replicas_min.unwrap_or(1).max(1),
            Known::Absent | Known::Unread(_) => 1,
        },
    }
}

/// Merges a patch into target or primary, on the version that was seen.
pub(in crate::canary) async fn change(
    ctx: &Context,
    subject: &Subject,
    is_primary: bool,
    mut patch: Value,
) -> Result<(), ActError> {
    let key = if is_primary {
        subject.primary()
    } else {
        subject.target()
    };
    let version = ctx.caches.workload_version(subject.spec.target.kind, &key);
    if let (Some(version), Some(patch)) = (version, patch.as_object_mut()) {
        let metadata = patch.entry("metadata").or_insert_with(|| json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.insert("resourceVersion".to_owned(), json!(version));
        }
    }
    ctx.writer.merge(&subject.resource(), &key, &patch).await?;
    Ok(())
}

/// The target as it is now, if it is the one that was decided on.
pub(super) async fn read_target(
    ctx: &Context,
    subject: &Subject,
    wanted: &Snapshot,
) -> Result<Value, ActError> {
    let Some(target) = ctx
        .writer
        .get(&subject.resource(), &subject.target())
        .await?
    else {
        return Err(absent(subject, "copy the target", &subject.target()));
    };
    if revision(subject.spec.target.kind, &target) == wanted.revision.as_str() {
        Ok(target)
    } else {
        Err(ActError::TargetMoved)
    }
}

/// Copies the configs, then builds the primary with the plan.
async fn with_plan(
    ctx: &Context,
    subject: &Subject,
    target: &Value,
    snapshot: &Snapshot,
    build: impl FnOnce(&primary::Plan<'_>) -> Value,
) -> Result<Value, ActError> {
    let labels = &ctx.settings.selector_labels;
    let selector = Selector::find(
        target,
        subject.spec.target.kind.as_str(),
        str_at(target, "/metadata/name"),
        labels,
    )?;
    let found = references(target.pointer("/spec/template").unwrap_or(&Value::Null));
    let tracked = configs::copy(ctx, subject, &found, snapshot).await?;
    Ok(build(&primary::Plan {
        kind: subject.spec.target.kind,
        owner: &subject.owner,
        selector: &selector,
        selector_labels: labels,
        include_label_prefix: &ctx.settings.include_label_prefix,
        tracked: &tracked,
        snapshot: snapshot.to_annotation(),
        flagger_id: uuid::Uuid::new_v4().to_string(),
        has_autoscaler: subject.spec.autoscaler.is_some(),
    }))
}

pub(super) fn primary_seen(
    ctx: &Context,
    subject: &Subject,
    verb: &'static str,
) -> Result<WorkloadSeen, ActError> {
    match subject.workload(ctx, &subject.primary()) {
        Known::Present(seen) => Ok(seen),
        Known::Absent | Known::Unread(_) => Err(absent(subject, verb, &subject.primary())),
    }
}

pub(super) fn absent(subject: &Subject, verb: &'static str, key: &Key) -> ActError {
    ActError::Absent {
        verb,
        object: format!("{} {key}", subject.spec.target.kind.as_str()),
    }
}
