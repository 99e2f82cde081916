//! Metadata of mesh objects: labels and annotations of the apex, the marks for Flux, and the owner.

use serde_json::{Map, Value, json};

use crate::route::{Owner, Route};

/// Flux leaves objects with these alone, so that two controllers do not fight (spec/flagger.md 2.9).
const FLUX_ANNOTATIONS: [(&str, &str); 2] = [
    ("helm.toolkit.fluxcd.io/driftDetection", "disabled"),
    ("kustomize.toolkit.fluxcd.io/reconcile", "disabled"),
];

/// What kubectl writes down of an object that it applied.
pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

const API_VERSION: &str = "flagger.app/v1beta1";

/// Metadata of the routing object, which users configure through `service.apex`.
pub(crate) fn apex(route: &Route, live: Option<&Value>) -> Map<String, Value> {
    configured(route, &route.name, live)
}

/// Metadata of an object of this name that users configure through `service.apex`.
pub(crate) fn configured(route: &Route, name: &str, live: Option<&Value>) -> Map<String, Value> {
    let mut metadata = named(route, name, live);
    let mut labels = Map::new();
    let mut annotations = Map::new();
    if let Some(given) = &route.service.apex {
        labels.extend(strings(&given.labels));
        annotations.extend(strings(&given.annotations));
        if let Some((key, value)) = &route.selector_label {
            labels.insert(key.clone(), value.clone().into());
        }
    }
    annotations.extend(flux());
    if !labels.is_empty() {
        metadata.insert("labels".into(), labels.into());
    }
    metadata.insert("annotations".into(), annotations.into());
    metadata
}

/// The marks that keep Flux away.
pub(crate) fn flux() -> impl Iterator<Item = (String, Value)> {
    FLUX_ANNOTATIONS
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.into()))
}

/// Metadata of an object made from `source`: its labels, and those of its annotations that are wanted. What
/// kubectl wrote down of the source is never taken along.
pub(crate) fn copied(
    route: &Route,
    name: &str,
    live: Option<&Value>,
    source: &Value,
    is_wanted: impl Fn(&str) -> bool,
) -> Map<String, Value> {
    let mut metadata = named(route, name, live);
    let given = |pointer: &str| {
        let map = source.pointer(pointer).and_then(Value::as_object);
        map.cloned().unwrap_or_default()
    };
    let labels = given("/metadata/labels");
    if !labels.is_empty() {
        metadata.insert("labels".into(), labels.into());
    }
    let mut annotations = given("/metadata/annotations");
    annotations.retain(|key, _| key != LAST_APPLIED && is_wanted(key));
    if !annotations.is_empty() {
        metadata.insert("annotations".into(), annotations.into());
    }
    metadata
}

/// Adds annotations.
pub(crate) fn annotate(
    metadata: &mut Map<String, Value>,
    added: impl IntoIterator<Item = (String, Value)>,
) {
    let mut added = added.into_iter().peekable();
    if added.peek().is_none() {
        return;
    }
    let annotations = metadata
        .entry("annotations")
        .or_insert_with(|| Map::new().into());
    if let Value::Object(annotations) = annotations {
        annotations.extend(added);
    }
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
