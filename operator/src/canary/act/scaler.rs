//! Creates and updates the primary's HorizontalPodAutoscaler.

use super::super::build::autoscaler;
use super::{ActError, Context, Subject};
use crate::world::kind;
use crate::world::store::Known;

/// The autoscaler of the primary exists; with `update` it follows the target's.
pub(super) async fn ensure(ctx: &Context, subject: &Subject, update: bool) -> Result<(), ActError> {
    let Some(wanted) = &subject.canary.spec.autoscaler_ref else {
        return Ok(());
    };
    let resource = kind::autoscaler();
    let own = subject.key.sibling(&format!("{}-primary", wanted.name));
    let is_there = matches!(ctx.caches.scalers().get(&own), Known::Present(_));
    if is_there && !update {
        return Ok(());
    }
    let source_key = subject.key.sibling(&wanted.name);
    let Some(source) = ctx.writer.get(&resource, &source_key).await? else {
        let object = format!("HorizontalPodAutoscaler {source_key}");
        return Err(ActError::Absent {
            verb: "copy the autoscaler",
            object,
        });
    };
    let live = if is_there {
        ctx.writer.get(&resource, &own).await?
    } else {
        None
    };
    match live {
        None => {
            let object =
                autoscaler::create(&source, wanted, &subject.spec.target.name, &subject.owner);
            ctx.writer.create(&resource, &object).await?;
        }
        Some(live) => {
            if let Some(patch) = autoscaler::update(&source, &live, wanted) {
                ctx.writer.merge(&resource, &own, &patch).await?;
            }
        }
    }
    Ok(())
}
