//! A Canary as it is kept: its JSON in one piece, and the few fields that are asked often.
//!
//! It is decoded at each round, so that one that cannot be decoded stalls alone.

use chrono::{DateTime, Utc};
use kube::api::{DynamicObject, ObjectMeta};
use serde_json::Value;

use super::packed::Packed;
use crate::canary::build::LAST_APPLIED;
use crate::digest;
use crate::json::str_at;

/// A kept Canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanarySeen {
    raw: Packed<Value>,
    /// Digest of kind and name of the target.
    pub target: u64,
    /// `metadata.generation`.
    pub generation: i64,
    /// Whether it is being deleted.
    pub is_deleting: bool,
    /// When it was made; the older of two with one target wins.
    pub created: DateTime<Utc>,
}

impl CanarySeen {
    /// Keeps what is needed.
    pub fn project(object: &DynamicObject) -> Self {
        let kept = DynamicObject {
            types: object.types.clone(),
            metadata: lean(&object.metadata),
            data: object.data.clone(),
        };
        let is_knative =
            str_at(&object.data, "/spec/targetRef/apiVersion").starts_with("serving.knative.dev/");
        let target = format!(
            "{}{}/{}",
            if is_knative { "Knative " } else { "" },
            str_at(&object.data, "/spec/targetRef/kind"),
            str_at(&object.data, "/spec/targetRef/name")
        );
        let created = object
            .metadata
            .creation_timestamp
            .as_ref()
            .map_or(0, |time| time.0.as_second());
        Self {
            raw: Packed::new(&kept),
            generation: object.metadata.generation.unwrap_or_default(),
            is_deleting: object.metadata.deletion_timestamp.is_some(),
            target: digest::short_of(target.as_bytes()),
            created: DateTime::from_timestamp(created, 0).unwrap_or_default(),
        }
    }

    /// The object as JSON.
    pub fn value(&self) -> Value {
        self.raw.open()
    }
}

/// Metadata without what nobody reads.
fn lean(metadata: &ObjectMeta) -> ObjectMeta {
    let mut metadata = metadata.clone();
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
    metadata
}
