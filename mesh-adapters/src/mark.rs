//! Marks objects with a digest of all that was asked for, so that a setting that is taken away is a difference, too.
//!
//! What stands in a live object beside our fields may be an API server's default, so that its absence in a manifest
//! says nothing; that a manifest is not the one that was applied does
//! ([0017](../../docs/decisions/0017-a-mark-of-what-was-applied.md)).

use rollout::{Split, Weight};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{
    adapter::Adapter,
    cookie::Cookies,
    error::RenderError,
    metadata,
    object::{Live, Manifest},
    route::Route,
};

/// The annotation: 16 hex digits.
pub const APPLIED: &str = "sluice.dev/applied";

/// What is rendered, each object with its mark.
///
/// # Errors
/// As `render`.
pub(crate) fn marked<A: Adapter + ?Sized>(
    adapter: &A,
    route: &Route,
    live: &Live,
) -> Result<Vec<Manifest>, RenderError> {
    let mut manifests = adapter.render(route, live)?;
    let in_full = adapter.render(&in_full(route), live)?;
    for (manifest, in_full) in manifests.iter_mut().zip(&in_full) {
        if let Some(Value::Object(metadata)) = manifest.get_mut("metadata") {
            metadata::annotate(metadata, [(APPLIED.to_owned(), digest(in_full).into())]);
        }
    }
    Ok(manifests)
}

/// The route at one split for all times, in which all that the Canary says of it is worded. Cookies are left out: each
/// run has its own.
fn in_full(route: &Route) -> Route {
    Route {
        split: Split {
            canary: Weight::FULL,
            mirrored: route.is_mirror_asked,
        },
        cookies: route.cookies.as_ref().map(|_| Cookies::default()),
        ..route.clone()
    }
}

/// Of labels, annotations and spec; owners depend on who made the object.
fn digest(manifest: &Manifest) -> String {
    let part = |pointer: &str| manifest.pointer(pointer).unwrap_or(&Value::Null);
    let mut annotations = part("/metadata/annotations").as_object().cloned();
    // NGINX's are emptied only while there is something to empty.
    annotations
        .iter_mut()
        .for_each(|all: &mut Map<String, Value>| all.retain(|_, value| *value != json!("")));
    let asked = json!([part("/metadata/labels"), annotations, part("/spec")]);
    let digest = Sha256::digest(asked.to_string());
    digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
