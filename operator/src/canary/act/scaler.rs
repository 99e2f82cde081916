//! Creates and updates the primary's autoscaler; pauses the target's where that is needed.

use api::canary::AutoscalerRef;
use rollout::spec::Autoscaler;
use serde_json::{Value, json};

use super::super::build::{autoscaler, scaled_object};
use super::{ActError, Context, Subject};
use crate::world::kind;
use crate::world::store::Known;

/// The autoscaler of the primary exists; with `update` it follows the target's.
pub(super) async fn ensure(ctx: &Context, subject: &Subject, update: bool) -> Result<(), ActError> {
    let (Some(wanted), Some(scaler)) = (
        &subject.canary.spec.autoscaler_ref,
        &subject.spec.autoscaler,
    ) else {
        return Ok(());
    };
    let resource = kind::of_scaler(&scaler.kind);
    let own = subject.key.sibling(&format!("{}-primary", scaler.name));
    let is_there = matches!(ctx.caches.scaler(scaler, &own), Known::Present(_));
    if is_there && !update {
        return Ok(());
    }
    let source_key = subject.key.sibling(&scaler.name);
    let Some(source) = ctx.writer.get(&resource, &source_key).await? else {
        return Err(ActError::Absent {
            verb: "copy the autoscaler",
            object: format!("{} {source_key}", scaler.kind),
        });
    };
    let live = if is_there {
        ctx.writer.get(&resource, &own).await?
    } else {
        None
    };
    match (live, scaler.kind == kind::SCALED_OBJECT) {
        (live, true) => write_keda(ctx, subject, wanted, &source, live.as_ref()).await,
        (None, false) => {
            let target = &subject.spec.target.name;
            let object = autoscaler::create(&source, wanted, target, &subject.owner);
            ctx.writer.create(&resource, &object).await?;
            Ok(())
        }
        (Some(live), false) => {
            if let Some(patch) = autoscaler::update(&source, &live, wanted) {
                ctx.writer.merge(&resource, &own, &patch).await?;
            }
            Ok(())
        }
    }
}

async fn write_keda(
    ctx: &Context,
    subject: &Subject,
    wanted: &AutoscalerRef,
    source: &Value,
    live: Option<&Value>,
) -> Result<(), ActError> {
    let resource = kind::scaled_object();
    let plan = scaled_object::Plan {
        wanted,
        target: &subject.spec.target.name,
        owner: &subject.owner,
    };
    let Some(live) = live else {
        let object = scaled_object::create(source, &plan);
        ctx.writer.create(&resource, &object).await?;
        return Ok(());
    };
    let prefixes = &ctx.settings.include_label_prefix;
    if let Some(object) = scaled_object::update(source, live, &plan, prefixes) {
        ctx.writer.replace(&resource, &object).await?;
    }
    Ok(())
}

/// The target's ScaledObject keeps it at no replicas, or scales it again. Only our annotation
/// is written, so that fields unknown here stay.
pub(super) async fn pause(
    ctx: &Context,
    subject: &Subject,
    is_paused: bool,
) -> Result<(), ActError> {
    let is_keda = |scaler: &&Autoscaler| scaler.kind == kind::SCALED_OBJECT;
    let Some(scaler) = subject.spec.autoscaler.as_ref().filter(is_keda) else {
        return Ok(());
    };
    let key = subject.key.sibling(&scaler.name);
    let Known::Present(seen) = ctx.caches.scaler(scaler, &key) else {
        // Without it nothing scales the target.
        return Ok(());
    };
    if seen.is_paused == is_paused {
        return Ok(());
    }
    let resource = kind::scaled_object();
    let mut patch = scaled_object::pause(is_paused);
    if let (Some(version), Some(metadata)) = (
        ctx.caches.raw(&resource).version(&key),
        patch.get_mut("metadata").and_then(Value::as_object_mut),
    ) {
        metadata.insert("resourceVersion".to_owned(), json!(version));
    }
    ctx.writer.merge(&resource, &key, &patch).await?;
    Ok(())
}
