//! Reads watched objects leniently, one at a time.
//!
//! Everything is watched as a dynamic object and decoded here, so that one
//! malformed object cannot blind the controller for the others.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use kube::ResourceExt as _;
use kube::api::DynamicObject;
use serde::de::DeserializeOwned;

/// Annotation by which people ask for a pass.
pub(crate) const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
/// The finalizer of every Flux kind.
pub(crate) const FINALIZER: &str = "finalizers.fluxcd.io";

/// Namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(crate) fn of(object: &DynamicObject) -> Self {
        Self::new(&object.namespace().unwrap_or_default(), &object.name_any())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Decodes one object as its kind.
pub(crate) fn decode<T: DeserializeOwned>(
    object: &DynamicObject,
) -> Result<T, api::decode::DecodeError> {
    let value = serde_json::to_value(object).map_err(|error| api::decode::DecodeError {
        field: "the object".to_owned(),
        why: error.to_string(),
    })?;
    api::decode::decode(value)
}

/// Decodes only the status; `None` when it is absent or unreadable.
pub(crate) fn decode_status<T: DeserializeOwned>(object: &DynamicObject) -> Option<T> {
    serde_json::from_value(object.data.get("status")?.clone()).ok()
}

/// The latest request for a pass.
pub(crate) fn requested_at(object: &DynamicObject) -> Option<&str> {
    object
        .metadata
        .annotations
        .as_ref()?
        .get(REQUESTED_AT)
        .map(String::as_str)
}

/// Changes when the object asks for a pass: spec, request, deletion, another object of the name.
pub(crate) fn trigger(object: &DynamicObject) -> u64 {
    let mut hasher = DefaultHasher::new();
    let metadata = &object.metadata;
    metadata.uid.hash(&mut hasher);
    metadata.generation.hash(&mut hasher);
    metadata.deletion_timestamp.is_some().hash(&mut hasher);
    requested_at(object).hash(&mut hasher);
    hasher.finish()
}

/// Whether someone asked the API server to delete it.
pub(crate) fn is_deleting(object: &DynamicObject) -> bool {
    object.metadata.deletion_timestamp.is_some()
}

/// Whether our finalizer is on it.
pub(crate) fn has_finalizer(object: &DynamicObject) -> bool {
    object
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == FINALIZER)
}
