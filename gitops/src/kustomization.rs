//! Reconciles a Kustomization: verified artifact in, objects in the cluster.
//!
//! ```text
//! observe ─▶ plan ─▶ act: read artifact, build, apply, prune, wait ─▶ record
//! ```
//!
//! Building is pure and in `build.rs`; the words of the status are in `status.rs`.

mod act;
mod build;
mod dependency;
mod finalize;
mod identity;
mod observe;
mod status;
mod wake;

use std::sync::Arc;

use api::Kustomization;
use kube::api::DynamicObject;
use kube::core::ApiResource;
use kube::runtime::controller::Action;

use crate::context::Controller;
use crate::record::RecordError;

pub(crate) use identity::Identities;
pub(crate) use wake::woken;

/// Flux's field manager for users' objects.
const FIELD_MANAGER: &str = "kustomize-controller";

/// The watched kind.
pub(crate) fn kind() -> ApiResource {
    ApiResource::erase::<Kustomization>(&())
}

/// One pass over one object.
pub(crate) async fn reconcile(
    object: Arc<DynamicObject>,
    controller: Arc<Controller>,
) -> Result<Action, RecordError> {
    let seen = observe::observe(&controller, object).await?;
    let plan = observe::plan(&seen);
    let done = act::act(&controller, &seen, plan).await?;
    status::record(&controller, &seen, done).await
}
