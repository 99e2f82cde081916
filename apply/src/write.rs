//! Writes one object by server-side apply.

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::Value;

/// Applies one object's fields under a field manager.
///
/// With `force`, fields that others own are taken over. The answer is the whole object.
///
/// # Errors
/// The client's error, unchanged: callers branch on its code.
pub async fn apply_one(
    api: &Api<DynamicObject>,
    manager: &str,
    name: &str,
    object: &Value,
    force: bool,
    dry_run: bool,
) -> Result<DynamicObject, kube::Error> {
    let parameters = PatchParams {
        dry_run,
        force,
        field_manager: Some(manager.to_owned()),
        field_validation: None,
    };
    api.patch(name, &parameters, &Patch::Apply(object)).await
}
