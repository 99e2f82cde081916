//! Small projections of Services, autoscalers and configs; routing objects whole.

use std::num::NonZeroU64;

use kube::api::{ApiResource, DynamicObject};
use serde_json::{Value, json};

use super::packed::Packed;
use crate::canary::build::scaled_object;
use crate::canary::build::service::{metadata_digest, wiring};
use crate::digest;
use crate::json::int_at;

/// A Service: digests of what is ours to set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServiceSeen {
    /// Digest of ports and selector.
    pub wiring: u64,
    /// Digest of labels and annotations.
    pub metadata: u64,
    /// Digest of the uid of its controller.
    owner: Option<NonZeroU64>,
}

impl ServiceSeen {
    /// Keeps what is needed.
    pub fn project(object: &DynamicObject) -> Self {
        let owner = object
            .metadata
            .owner_references
            .iter()
            .flatten()
            .find(|owner| owner.controller == Some(true));
        let metadata = json!({"metadata": {"labels": object.metadata.labels, "annotations": object.metadata.annotations}});
        Self {
            wiring: digest::short(&wiring(&object.data)),
            metadata: metadata_digest(&metadata),
            owner: owner.and_then(|owner| digest_of_uid(&owner.uid)),
        }
    }

    /// Whether its controller has this uid.
    pub fn is_owned_by(&self, uid: &str) -> bool {
        self.owner.is_some() && self.owner == digest_of_uid(uid)
    }
}

fn digest_of_uid(uid: &str) -> Option<NonZeroU64> {
    NonZeroU64::new(digest::short_of(uid.as_bytes()))
}

/// A HorizontalPodAutoscaler, or a ScaledObject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalerSeen {
    /// `spec.minReplicas`, or `spec.minReplicaCount`.
    pub replicas_min: Option<u32>,
    /// Digest of `spec`.
    pub spec: u64,
    /// Whether it is paused at no replicas (KEDA).
    pub is_paused: bool,
}

impl ScalerSeen {
    /// Keeps what is needed.
    pub fn project(object: &DynamicObject) -> Self {
        Self {
            replicas_min: int_at(&object.data, "/spec/minReplicas")
                .and_then(|count| u32::try_from(count).ok()),
            spec: object
                .data
                .get("spec")
                .map(digest::short)
                .unwrap_or_default(),
            is_paused: false,
        }
    }

    /// What is needed of a ScaledObject.
    pub fn of_scaled_object(object: &Value) -> Self {
        Self {
            replicas_min: int_at(object, "/spec/minReplicaCount")
                .and_then(|count| u32::try_from(count).ok()),
            spec: object.get("spec").map(digest::short).unwrap_or_default(),
            is_paused: scaled_object::is_paused(object),
        }
    }
}

/// A ConfigMap or Secret: its version alone, never its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSeen {
    /// `metadata.resourceVersion`.
    pub version: Box<str>,
}

impl ConfigSeen {
    /// Keeps what is needed.
    pub fn project(object: &DynamicObject) -> Self {
        Self {
            version: object
                .metadata
                .resource_version
                .as_deref()
                .unwrap_or_default()
                .into(),
        }
    }
}

/// A routing object, packed, without managed fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawSeen(Packed<Value>);

impl RawSeen {
    /// Keeps the object; lists leave its kind out, so that comes from the watch.
    pub fn project(object: &DynamicObject, resource: &ApiResource) -> Self {
        let mut metadata = object.metadata.clone();
        metadata.managed_fields = None;
        let types = kube::api::TypeMeta {
            api_version: resource.api_version.clone(),
            kind: resource.kind.clone(),
        };
        let kept = DynamicObject {
            types: Some(types),
            metadata,
            data: object.data.clone(),
        };
        Self(Packed::new(&kept))
    }

    /// The object as JSON.
    pub fn value(&self) -> Value {
        self.0.open()
    }
}
