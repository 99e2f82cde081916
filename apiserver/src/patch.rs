//! Applies the three classic patches: JSON patch, merge patch, and strategic merge patch.
//!
//! Server-side apply is in `managed`. A patch sees the object as the client's version shows it.

use serde_json::Value;

pub(crate) mod strategic;

use crate::{
    resource::ResourceType,
    status::{ApiError, FieldError},
};

/// Operations in one JSON patch, as kube-apiserver limits them.
const OPERATIONS_MAX: usize = 10_000;

/// The kind of a patch, by its media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatchKind {
    Json,
    Merge,
    Strategic,
    Apply,
}

impl PatchKind {
    /// The kind of this media type.
    pub(crate) fn of(media_type: &str) -> Option<Self> {
        match media_type {
            "application/json-patch+json" => Some(Self::Json),
            "application/merge-patch+json" => Some(Self::Merge),
            "application/strategic-merge-patch+json" => Some(Self::Strategic),
            "application/apply-patch+yaml" => Some(Self::Apply),
            _ => None,
        }
    }
}

/// The object after the patch.
///
/// # Errors
/// 400 for a body that is no such patch, 415 for a strategic patch of a custom resource, 422 for one that cannot be
/// carried out.
pub(crate) fn patched(
    kind: &ResourceType,
    how: PatchKind,
    object: &Value,
    patch: &Value,
) -> Result<Value, ApiError> {
    match how {
        PatchKind::Json => json_patch_of(kind, object, patch),
        PatchKind::Merge => {
            if !patch.is_object() {
                return Err(ApiError::bad_request(
                    "json: cannot unmarshal a merge patch that is no object",
                ));
            }
            let mut new = object.clone();
            json_patch::merge(&mut new, patch);
            Ok(new)
        }
        PatchKind::Strategic if kind.is_custom => Err(ApiError::unsupported_media(
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
        )),
        PatchKind::Strategic => {
            if !patch.is_object() {
                return Err(ApiError::bad_request(
                    "json: cannot unmarshal a strategic merge patch that is no object",
                ));
            }
            strategic::merge(object, patch, &kind.schema)
                .map_err(|error| ApiError::bad_request(error.to_string()))
        }
        PatchKind::Apply => Err(ApiError::bad_request(
            "an apply patch is merged by field ownership",
        )),
    }
}

fn json_patch_of(kind: &ResourceType, object: &Value, patch: &Value) -> Result<Value, ApiError> {
    let operations: json_patch::Patch = serde_json::from_value(patch.clone())
        .map_err(|error| ApiError::bad_request(format!("error decoding patch: {error}")))?;
    if operations.0.len() > OPERATIONS_MAX {
        return Err(ApiError::too_large(format!(
            "The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {}",
            operations.0.len()
        )));
    }
    let mut new = object.clone();
    json_patch::patch(&mut new, &operations).map_err(|error| {
        let subject = kind.subject(crate::object::name(object));
        let mut refusal = ApiError::invalid(
            subject,
            &[FieldError::invalid("patch", patch, error.to_string())],
        );
        refusal.message =
            format!("the server rejected our request due to an error in our request: {error}");
        refusal
    })?;
    Ok(new)
}
