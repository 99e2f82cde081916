//! Reconciles a GitRepository: upstream revision in, stored artifact out.
//!
//! The fetch is in `sources`; the words of the status are in `status.rs`.

mod act;
mod observe;
mod status;

use std::sync::Arc;

use api::GitRepository;
use kube::api::DynamicObject;
use kube::core::ApiResource;
use kube::runtime::controller::Action;

use crate::context::Controller;
use crate::record::RecordError;

/// Kind of the slots in the store.
pub(crate) const SLOT_KIND: &str = "gitrepository";

/// The watched kind.
pub(crate) fn kind() -> ApiResource {
    ApiResource::erase::<GitRepository>(&())
}

/// One pass over one object.
pub(crate) async fn reconcile(
    object: Arc<DynamicObject>,
    controller: Arc<Controller>,
) -> Result<Action, RecordError> {
    let seen = observe::observe(&controller, object).await?;
    let plan = observe::plan(&seen);
    let done = act::act(&controller, &seen, plan).await;
    status::record(&controller, &seen, done).await
}
