//! Metadata of mesh objects: labels and annotations of the apex, the marks for Flux, and the owner.

use serde_json::{Map, Value, json};

use crate::route::{Owner, Route};

/// Flux leaves objects with these alone, so that two controllers do not fight (spec/flagger.md 2.9).
const FLUX_ANNOTATIONS: [(&str, &str); 2] = [
    ("helm.toolkit.fluxcd.io/driftDetection", "disabled"),
    ("kustomize.toolkit.fluxcd.io/reconcile", "disabled"),
];

const API_VERSION: &str = "flagger.app/v1beta1";

/// Metadata of the object that users configure through `service.apex`.
pub(crate) fn apex(route: &Route, live: Option<&Value>) -> Map<String, Value> {
    let mut metadata = named(route, &route.apex, live);
    let mut labels = Map::new();
    let mut annotations = Map::new();
    if let Some(given) = &route.service.apex {
        labels.extend(strings(&given.labels));
        annotations.extend(strings(&given.annotations));
        if let Some((key, value)) = &route.selector_label {
            labels.insert(key.clone(), value.clone().into());
        }
    }
    for (key, value) in FLUX_ANNOTATIONS {
        annotations.insert(key.to_owned(), value.into());
    }
    if !labels.is_empty() {
        metadata.insert("labels".into(), labels.into());
    }
    metadata.insert("annotations".into(), annotations.into());
    metadata
}

/// Name, namespace and owner.
pub(crate) fn named(route: &Route, name: &str, live: Option<&Value>) -> Map<String, Value> {
    let mut metadata = Map::new();
    metadata.insert("name".into(), name.into());
    metadata.insert("namespace".into(), route.namespace.clone().into());
    // An object that was there before us is not ours to be deleted with the Canary.
    if let Some(owner) = &route.owner
        && live.is_none_or(|live| is_owned(live, owner))
    {
        let reference = json!([{
            "apiVersion": API_VERSION,
            "kind": "Canary",
            "name": owner.name,
            "uid": owner.uid,
            "controller": true,
            "blockOwnerDeletion": true,
        }]);
        metadata.insert("ownerReferences".into(), reference);
    }
    metadata
}

/// True when the Canary is an owner of the object.
pub(crate) fn is_owned(live: &Value, owner: &Owner) -> bool {
    live.pointer("/metadata/ownerReferences")
        .and_then(Value::as_array)
        .is_some_and(|owners| {
            owners
                .iter()
                .any(|one| one.get("uid").and_then(Value::as_str) == Some(&owner.uid))
        })
}

/// The value of an annotation of a live object.
pub(crate) fn annotation<'a>(live: &'a Value, key: &str) -> Option<&'a str> {
    live.get("metadata")?
        .get("annotations")?
        .get(key)?
        .as_str()
        .filter(|value| !value.is_empty())
}

/// A map of texts as JSON.
pub(crate) fn strings(
    map: &std::collections::BTreeMap<String, String>,
) -> impl Iterator<Item = (String, Value)> + '_ {
    map.iter()
        .map(|(key, value)| (key.clone(), value.clone().into()))
}
