//! ConfigMaps and Secrets of a pod template: which it reads, and the primary's copies.
//!
//! Only references that Flagger tracks count: volumes, projected volumes, and the
//! environment of containers and init containers. It does not read the objects.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Owner, included, primary_name};
use crate::json::{list_at, list_at_mut, map_at, str_at};

/// Annotation with which an object leaves tracking.
const TRACKING_ANNOTATION: &str = "flagger.app/config-tracking";
/// Types of Secrets that are tracked.
const SECRET_TYPES: [&str; 4] = [
    "Opaque",
    "kubernetes.io/basic-auth",
    "kubernetes.io/ssh-auth",
    "kubernetes.io/tls",
];

/// A ConfigMap or a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConfigKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

impl ConfigKind {
    /// The kind's name.
    pub fn kind(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }

    /// The kind's name in `status.trackedConfigs`.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmap",
            Self::Secret => "secret",
        }
    }
}

/// One reference of a pod template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConfigRef {
    /// What is referred to.
    pub kind: ConfigKind,
    /// Its name.
    pub name: String,
    /// Whether pods start without it.
    pub is_optional: bool,
}

impl ConfigRef {
    /// The key in `status.trackedConfigs`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.kind.prefix(), self.name)
    }
}

/// All references of a pod template, each object once; the last `optional` wins, as in Flagger.
pub fn references(template: &Value) -> Vec<ConfigRef> {
    let mut found = BTreeMap::new();
    let mut spec = template.get("spec").cloned().unwrap_or_default();
    visit(&mut spec, &mut |kind, name, optional| {
        if let Some(name) = name.as_str().filter(|name| !name.is_empty()) {
            found.insert((kind, name.to_owned()), optional);
        }
    });
    found
        .into_iter()
        .map(|((kind, name), is_optional)| ConfigRef {
            kind,
            name,
            is_optional,
        })
        .collect()
}

/// Points the references of a pod spec to the primary's copies.
pub fn rename(pod: &mut Value, tracked: &[ConfigRef]) {
    visit(pod, &mut |kind, name, _| {
        let is_tracked =
            |found: &ConfigRef| found.kind == kind && Some(found.name.as_str()) == name.as_str();
        if tracked.iter().any(is_tracked) {
            *name = json!(primary_name(name.as_str().unwrap_or_default()));
        }
    });
}

/// Shows every tracked reference of a pod spec: kind, name, whether it is optional.
fn visit(pod: &mut Value, see: &mut impl FnMut(ConfigKind, &mut Value, bool)) {
    for volume in list_at_mut(pod, "/volumes") {
        see_source(
            volume.get_mut("configMap"),
            ConfigKind::ConfigMap,
            "name",
            see,
        );
        see_source(
            volume.get_mut("secret"),
            ConfigKind::Secret,
            "secretName",
            see,
        );
        for source in list_at_mut(volume, "/projected/sources") {
            see_source(
                source.get_mut("configMap"),
                ConfigKind::ConfigMap,
                "name",
                see,
            );
            see_source(source.get_mut("secret"), ConfigKind::Secret, "name", see);
        }
    }
    for containers in ["/containers", "/initContainers"] {
        for container in list_at_mut(pod, containers) {
            for variable in list_at_mut(container, "/env") {
                see_source(
                    variable.pointer_mut("/valueFrom/configMapKeyRef"),
                    ConfigKind::ConfigMap,
                    "name",
                    see,
                );
                see_source(
                    variable.pointer_mut("/valueFrom/secretKeyRef"),
                    ConfigKind::Secret,
                    "name",
                    see,
                );
            }
            for source in list_at_mut(container, "/envFrom") {
                see_source(
                    source.get_mut("configMapRef"),
                    ConfigKind::ConfigMap,
                    "name",
                    see,
                );
                see_source(source.get_mut("secretRef"), ConfigKind::Secret, "name", see);
            }
        }
    }
}

fn see_source(
    source: Option<&mut Value>,
    kind: ConfigKind,
    field: &str,
    see: &mut impl FnMut(ConfigKind, &mut Value, bool),
) {
    let Some(source) = source else { return };
    let optional = source
        .get("optional")
        .and_then(Value::as_bool)
        .unwrap_or_default();
    if let Some(name) = source.get_mut(field) {
        see(kind, name, optional);
    }
}

/// Whether the object takes part in tracking: its type, and its opt-out annotation.
pub fn is_tracked(kind: ConfigKind, object: &Value) -> bool {
    let annotations = map_at(object, "/metadata/annotations");
    let opted_out = annotations
        .get(TRACKING_ANNOTATION)
        .and_then(Value::as_str)
        .is_some_and(|value| value.starts_with("disable"));
    let has_type = match kind {
        ConfigKind::ConfigMap => true,
        ConfigKind::Secret => SECRET_TYPES.contains(&str_at(object, "/type")),
    };
    has_type && !opted_out
}

/// The primary's copy of `source`; other owners of a `live` copy stay owners, no longer controlling.
pub fn copy(
    kind: ConfigKind,
    source: &Value,
    live: Option<&Value>,
    owner: &Owner,
    prefixes: &[String],
) -> Value {
    let mut owners = vec![owner.reference()];
    for other in live
        .map(|live| list_at(live, "/metadata/ownerReferences"))
        .unwrap_or_default()
    {
        if str_at(other, "/uid") != owner.uid {
            let mut other = other.clone();
            if let Some(other) = other.as_object_mut() {
                other.insert("controller".to_owned(), json!(false));
            }
            owners.push(other);
        }
    }
    let labels = included(map_at(source, "/metadata/labels"), prefixes);
    let mut metadata = Map::new();
    metadata.insert(
        "name".to_owned(),
        json!(primary_name(str_at(source, "/metadata/name"))),
    );
    metadata.insert("namespace".to_owned(), json!(owner.namespace));
    metadata.insert("labels".to_owned(), Value::Object(labels));
    metadata.insert("ownerReferences".to_owned(), json!(owners));
    let version = live
        .map(|live| str_at(live, "/metadata/resourceVersion"))
        .unwrap_or_default();
    if !version.is_empty() {
        metadata.insert("resourceVersion".to_owned(), json!(version));
    }
    let mut built = json!({"apiVersion": "v1", "kind": kind.kind(), "metadata": metadata});
    if let Some(built) = built.as_object_mut() {
        for field in ["data", "type"] {
            if let Some(value) = source.get(field) {
                built.insert(field.to_owned(), value.clone());
            }
        }
    }
    built
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_and_renames_what_flagger_tracks() {
        let template = json!({"spec": {
            "imagePullSecrets": [{"name": "pull"}],
            "volumes": [
                {"name": "a", "configMap": {"name": "vol"}},
                {"name": "b", "secret": {"secretName": "vol", "optional": true}},
                {"name": "c", "projected": {"sources": [{"configMap": {"name": "proj"}}, {"secret": {"name": "proj"}}]}},
                {"name": "d", "csi": {"nodePublishSecretRef": {"name": "csi"}}}],
            "containers": [{"env": [{"valueFrom": {"configMapKeyRef": {"name": "env", "key": "k"}}}, {"value": "x"}],
                            "envFrom": [{"secretRef": {"name": "from"}}, {"configMapRef": {"name": "vol", "optional": true}}]}],
            "initContainers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "init", "key": "k"}}}]}],
        }});
        let found = references(&template);
        let words: Vec<_> = found
            .iter()
            .map(|r| format!("{}{}", r.key(), if r.is_optional { "?" } else { "" }))
            .collect();
        assert_eq!(
            words,
            [
                "configmap/env",
                "configmap/proj",
                "configmap/vol?",
                "secret/from",
                "secret/init",
                "secret/proj",
                "secret/vol?"
            ]
        );
        let mut pod = template["spec"].clone();
        rename(&mut pod, &found);
        let text = pod.to_string();
        assert_eq!(text.matches("-primary").count(), 8, "{text}");
        assert_eq!(pod["volumes"][1]["secret"]["secretName"], "vol-primary");
        assert_eq!(pod["imagePullSecrets"][0]["name"], "pull");
    }

    #[test]
    fn tracks_by_type_and_annotation() {
        for (kind, object, expected) in [
            (ConfigKind::ConfigMap, json!({}), true),
            (
                ConfigKind::ConfigMap,
                json!({"metadata": {"annotations": {TRACKING_ANNOTATION: "disabled"}}}),
                false,
            ),
            (
                ConfigKind::Secret,
                json!({"type": "kubernetes.io/tls"}),
                true,
            ),
            (
                ConfigKind::Secret,
                json!({"type": "helm.sh/release.v1"}),
                false,
            ),
        ] {
            assert_eq!(is_tracked(kind, &object), expected, "{object}");
        }
    }

    #[test]
    fn a_shared_copy_keeps_its_other_owners() {
        let owner = Owner {
            name: "b".into(),
            namespace: "test".into(),
            uid: "u2".into(),
        };
        let source = json!({"metadata": {"name": "env", "labels": {"team": "x", "app": "y"}, "annotations": {"z": "1"}},
            "type": "Opaque", "data": {"k": "dg=="}});
        let live = json!({"metadata": {"resourceVersion": "5", "ownerReferences": [
            {"name": "a", "uid": "u1", "controller": true}, {"name": "b", "uid": "u2", "controller": false}]}});
        let built = copy(
            ConfigKind::Secret,
            &source,
            Some(&live),
            &owner,
            &["team".to_owned()],
        );
        let owners: Vec<_> = list_at(&built, "/metadata/ownerReferences")
            .iter()
            .map(|o| {
                (
                    o["uid"].as_str().unwrap(),
                    o["controller"].as_bool().unwrap(),
                )
            })
            .collect();
        assert_eq!(owners, [("u2", true), ("u1", false)]);
        assert_eq!(built["metadata"]["labels"], json!({"team": "x"}));
        assert_eq!(
            (&built["type"], &built["data"]["k"]),
            (&json!("Opaque"), &json!("dg=="))
        );
        assert!(built["metadata"].get("annotations").is_none());
    }
}
