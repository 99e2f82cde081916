//! Names the primary's revision of a Knative Service. There is nothing to scale, and no Service of ours to write.

use mesh_adapters::knative::PRIMARY;
use rollout::Action;
use rollout::world::Snapshot;
use serde_json::json;

use super::workload::absent;
use super::{ActError, Context, Subject};
use crate::json::str_at;
use crate::world::{kind, knative};

/// Carries out what is different for Knative; none for all else.
pub(super) async fn carry_out(
    ctx: &Context,
    subject: &Subject,
    action: &Action,
) -> Option<Result<(), ActError>> {
    match action {
        Action::Primary { from: revision } | Action::Promote { snapshot: revision } => {
            Some(name_primary(ctx, subject, revision).await)
        }
        Action::Services
        | Action::Adopt { .. }
        | Action::Apex
        | Action::ScaleTarget(_)
        | Action::ScalePrimary { .. }
        | Action::PrimaryScaler { .. }
        | Action::PauseScaler
        | Action::ResumeScaler
        | Action::RevertTarget
        | Action::RevertApex => Some(Ok(())),
        Action::AddFinalizer
        | Action::RemoveFinalizer
        | Action::Routes(_)
        | Action::RevertRoutes
        | Action::RunHooks { .. }
        | Action::Event { .. }
        | Action::Alert { .. }
        | Action::Count { .. } => None,
    }
}

/// The annotation names the revision that was decided on; a newer one since then is an error.
async fn name_primary(ctx: &Context, subject: &Subject, wanted: &Snapshot) -> Result<(), ActError> {
    let (resource, key) = (kind::knative_service(), subject.target());
    let Some(live) = ctx.writer.get(&resource, &key).await? else {
        return Err(absent(subject, "name the primary revision", &key));
    };
    let wanted = wanted.revision.as_str();
    if knative::latest(&live) != wanted {
        return Err(ActError::TargetMoved);
    }
    let annotations = live.pointer("/metadata/annotations");
    if annotations.and_then(|all| all.get(PRIMARY)?.as_str()) == Some(wanted) {
        return Ok(());
    }
    let patch = json!({"metadata": {
        "resourceVersion": str_at(&live, "/metadata/resourceVersion"),
        "annotations": {PRIMARY: wanted},
    }});
    ctx.writer.merge(&resource, &key, &patch).await?;
    Ok(())
}
