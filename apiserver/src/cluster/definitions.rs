//! Turns CustomResourceDefinitions into resources, and ends them with all their objects.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Cluster;
use crate::{
    object::{self, at, list, put, text},
    resource::{Generation, PrinterColumn, ResourceType, ScalePaths, StoreKey, join_version},
    schema::{
        ANY, Kind, Schema, builtin,
        parse::{Reader, SchemaError},
    },
};

use super::delete::DeleteOptions;

const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

impl Cluster {
    /// Does what follows from a write of this object.
    pub(super) fn after_write(&mut self, kind: &ResourceType, written: &Value) {
        if kind.is("apiextensions.k8s.io", "customresourcedefinitions") {
            self.register(kind, written);
        }
    }

    /// Serves the resources of a CRD and says so in its status.
    fn register(&mut self, kind: &ResourceType, definition: &Value) {
        let group = text(definition, &["spec", "group"]).unwrap_or_default();
        let plural = text(definition, &["spec", "names", "plural"]).unwrap_or_default();
        let mut failure = None;
        self.registry.remove(group, plural);
        for version in list(definition, &["spec", "versions"]) {
            if version.get("served").and_then(Value::as_bool) != Some(true) {
                continue;
            }
            match resource_of(definition, version) {
                Ok(resource) => self.registry.add(resource),
                Err(error) => failure = Some(error.to_string()),
            }
        }
        let mut new = definition.clone();
        let now = self.timestamp();
        put(
            &mut new,
            &["status"],
            status_of(definition, &now, failure.as_deref()),
        );
        let mut finalizers = list(&new, &["metadata", "finalizers"]).to_vec();
        if !object::is_terminating(&new) && !finalizers.iter().any(|known| known == CLEANUP) {
            finalizers.push(Value::from(CLEANUP));
            put(
                &mut new,
                &["metadata", "finalizers"],
                Value::Array(finalizers),
            );
        }
        if new != *definition {
            let at = (String::new(), object::name(definition).to_owned());
            self.store.write(&kind.store_key, &at, new);
        }
    }

    /// Deletes every object of a CRD that is to go, then lets the CRD go if nothing lingers.
    pub(super) fn delete_instances(&mut self, definition: &Value) {
        let key = instance_key(definition);
        let places: Vec<_> = self
            .store
            .collection(&key)
            .objects
            .keys()
            .cloned()
            .collect();
        if let Some(kind) = self.registry.of_store(&key) {
            for at in places {
                self.delete_at(&kind, &at, &DeleteOptions::default());
            }
        }
        if self.store.collection(&key).objects.is_empty() {
            self.release_definition(definition);
        }
    }

    /// Lets a terminating CRD go once its last object is gone.
    pub(super) fn finish_definition(&mut self, key: &StoreKey) {
        let definitions = definitions_key();
        let at = (String::new(), format!("{}.{}", key.plural, key.group));
        let Some(definition) = self.store.get(&definitions, &at) else {
            return;
        };
        if object::is_terminating(&definition) && self.store.collection(key).objects.is_empty() {
            self.release_definition(&definition);
            let is_free = self
                .store
                .get(&definitions, &at)
                .is_some_and(|definition| object::finalizers(&definition).is_empty());
            if is_free {
                self.remove(&definitions, &at);
            }
        }
    }

    fn release_definition(&mut self, definition: &Value) {
        let mut new = definition.clone();
        let left: Vec<Value> = list(definition, &["metadata", "finalizers"])
            .iter()
            .filter(|finalizer| *finalizer != CLEANUP)
            .cloned()
            .collect();
        put(&mut new, &["metadata", "finalizers"], Value::Array(left));
        object::take_if_empty(&mut new, &["metadata", "finalizers"]);
        let at = (String::new(), object::name(definition).to_owned());
        self.store.write(&definitions_key(), &at, new);
    }

    /// Stops serving the resources of a CRD that is gone.
    pub(super) fn forget_definition(&mut self, definition: &Value) {
        let key = instance_key(definition);
        self.registry.remove(&key.group, &key.plural);
    }
}

fn definitions_key() -> StoreKey {
    StoreKey {
        group: "apiextensions.k8s.io".to_owned(),
        plural: "customresourcedefinitions".to_owned(),
    }
}

fn instance_key(definition: &Value) -> StoreKey {
    StoreKey {
        group: text(definition, &["spec", "group"])
            .unwrap_or_default()
            .to_owned(),
        plural: text(definition, &["spec", "names", "plural"])
            .unwrap_or_default()
            .to_owned(),
    }
}

/// The status of a CRD whose resources are served, or could not be.
fn status_of(definition: &Value, now: &str, failure: Option<&str>) -> Value {
    let condition = |kind: &str, is_true: bool, reason: &str, message: &str| {
        let status = if is_true { "True" } else { "False" };
        let before = list(definition, &["status", "conditions"])
            .iter()
            .find(|known| {
                text(known, &["type"]) == Some(kind) && text(known, &["status"]) == Some(status)
            })
            .and_then(|known| text(known, &["lastTransitionTime"]));
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": before.unwrap_or(now),
        })
    };
    let mut conditions = vec![
        condition("NamesAccepted", true, "NoConflicts", "no conflicts found"),
        condition(
            "Established",
            failure.is_none(),
            "InitialNamesAccepted",
            "the initial names have been accepted",
        ),
    ];
    if let Some(failure) = failure {
        conditions.push(condition(
            "NonStructuralSchema",
            true,
            "Violations",
            failure,
        ));
    }
    let storage = list(definition, &["spec", "versions"])
        .iter()
        .find(|version| version.get("storage").and_then(Value::as_bool) == Some(true))
        .and_then(|version| version.get("name").cloned())
        .unwrap_or_default();
    let mut stored = list(definition, &["status", "storedVersions"]).to_vec();
    if !stored.contains(&storage) {
        stored.push(storage);
    }
    json!({
        "acceptedNames": at(definition, &["spec", "names"]).cloned().unwrap_or_default(),
        "conditions": conditions,
        "storedVersions": stored,
    })
}

/// The resource that one version of a CRD describes.
fn resource_of(definition: &Value, version: &Value) -> Result<ResourceType, SchemaError> {
    let word = |path: &[&str]| text(definition, path).unwrap_or_default().to_owned();
    let words = |path: &[&str]| -> Vec<String> {
        list(definition, path)
            .iter()
            .filter_map(Value::as_str)
            .map(ToOwned::to_owned)
            .collect()
    };
    let group = word(&["spec", "group"]);
    let storage = list(definition, &["spec", "versions"])
        .iter()
        .find(|version| version.get("storage").and_then(Value::as_bool) == Some(true))
        .and_then(|version| text(version, &["name"]))
        .unwrap_or_default();
    let kind = word(&["spec", "names", "kind"]);
    Ok(ResourceType {
        version: text(version, &["name"]).unwrap_or_default().to_owned(),
        plural: word(&["spec", "names", "plural"]),
        singular: word(&["spec", "names", "singular"]),
        list_kind: word(&["spec", "names", "listKind"]),
        kind,
        is_namespaced: text(definition, &["spec", "scope"]) == Some("Namespaced"),
        short_names: words(&["spec", "names", "shortNames"]),
        categories: words(&["spec", "names", "categories"]),
        has_status: at(version, &["subresources", "status"]).is_some(),
        scale: at(version, &["subresources", "scale"]).map(scale_of),
        extras: Vec::new(),
        generation: Generation::Counted,
        schema: Arc::new(schema_of(version)?),
        raw_schema: at(version, &["schema", "openAPIV3Schema"])
            .cloned()
            .map(Arc::new),
        is_custom: true,
        stored_as: join_version(&group, storage),
        store_key: instance_key(definition),
        columns: list(version, &["additionalPrinterColumns"])
            .iter()
            .map(column_of)
            .collect(),
        selectable_fields: list(version, &["selectableFields"])
            .iter()
            .filter_map(|field| text(field, &["jsonPath"]))
            .map(|path| path.trim_start_matches('.').to_owned())
            .collect(),
        is_virtual: false,
        group,
    })
}

/// The type of a version, with the fields that every object has.
fn schema_of(version: &Value) -> Result<Schema, SchemaError> {
    let definitions = Map::new();
    let mut reader = Reader::new(&definitions, false);
    let mut schema = match at(version, &["schema", "openAPIV3Schema"]) {
        Some(raw) => reader.read(raw, "", 0)?,
        None => Schema::clone(&ANY),
    };
    let text = Arc::new(Schema {
        kind: Kind::String,
        ..Schema::default()
    });
    schema
        .properties
        .insert("apiVersion".to_owned(), text.clone());
    schema.properties.insert("kind".to_owned(), text);
    schema
        .properties
        .insert("metadata".to_owned(), builtin::object_meta());
    Ok(schema)
}

fn scale_of(scale: &Value) -> ScalePaths {
    let path = |field: &str| {
        text(scale, &[field]).map(|path| {
            path.split('.')
                .filter(|part| !part.is_empty())
                .map(ToOwned::to_owned)
                .collect::<Vec<_>>()
        })
    };
    ScalePaths {
        spec: path("specReplicasPath").unwrap_or_default(),
        status: path("statusReplicasPath").unwrap_or_default(),
        selector: Some(path("labelSelectorPath").unwrap_or_default()),
    }
}

fn column_of(column: &Value) -> PrinterColumn {
    let word = |field: &str| text(column, &[field]).unwrap_or_default().to_owned();
    PrinterColumn {
        name: word("name"),
        kind: word("type"),
        format: word("format"),
        description: word("description"),
        priority: object::whole(column, &["priority"]).unwrap_or(0),
        json_path: word("jsonPath"),
    }
}
