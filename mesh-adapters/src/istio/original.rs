//! Remembers what a user's own VirtualService was before us, and puts it back.
//!
//! Flagger's annotation is used, so that either program can put back what the other took.

use serde_json::{Map, Value};

use crate::{
    metadata::{LAST_APPLIED, annotation, is_owned},
    object::{ObjectRef, Replacement},
    route::Route,
};

const ORIGINAL: &str = "flagger.kubernetes.io/original-configuration";

/// Adds the spec that was there before us to the annotations, once.
pub(super) fn keep(route: &Route, live: Option<&Value>, metadata: &mut Map<String, Value>) {
    let Some(live) = live else {
        return;
    };
    // What leads to a canary is ours, or Flagger's, already: it is not how the user had it.
    let is_ours = super::leads_to_canary(live, route)
        || route
            .owner
            .as_ref()
            .is_some_and(|owner| is_owned(live, owner));
    let kept = match (annotation(live, ORIGINAL), annotation(live, LAST_APPLIED)) {
        (Some(kept), _) => kept.to_owned(),
        (None, Some(_)) => return,
        (None, None) if is_ours => return,
        (None, None) => match live.get("spec") {
            Some(spec) => spec.to_string(),
            None => return,
        },
    };
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        annotations.insert(ORIGINAL.into(), kept.into());
    }
}

/// The spec to put back, when one is known.
pub(super) fn replacement(live: &Value, object: ObjectRef) -> Option<Replacement> {
    let applied = annotation(live, LAST_APPLIED)
        .and_then(|text| serde_json::from_str::<Value>(text).ok())
        .and_then(|mut applied| Some(applied.get_mut("spec")?.take()));
    let original =
        || annotation(live, ORIGINAL).and_then(|text| serde_json::from_str::<Value>(text).ok());
    let spec = applied.or_else(original)?;
    spec.is_object().then(|| Replacement {
        object,
        spec,
        annotations_dropped: vec![ORIGINAL.to_owned()],
    })
}
