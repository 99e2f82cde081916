//! Holds an object under construction, and what it was called before.

use serde_json::{Map, Value};

use crate::id::{Gvk, Id};

/// An object with its history through the layers.
#[derive(Clone)]
pub(crate) struct Resource {
    /// Always an object with a kind, and a name unless it is a list.
    pub(crate) json: Value,
    /// Earlier identities, oldest first.
    pub(crate) previous: Vec<Previous>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) suffixes: Vec<String>,
    /// The name gets a hash of the content at the end.
    pub(crate) needs_hash: bool,
}

/// An earlier identity; group and version are always the present ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

impl Resource {
    pub(crate) fn new(json: Value) -> Self {
        Self {
            json,
            previous: Vec::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            needs_hash: false,
        }
    }

    pub(crate) fn kind(&self) -> &str {
        text(self.json.get("kind"))
    }

    pub(crate) fn name(&self) -> &str {
        text(self.json.pointer("/metadata/name"))
    }

    /// As written; empty when missing.
    pub(crate) fn namespace(&self) -> &str {
        text(self.json.pointer("/metadata/namespace"))
    }

    pub(crate) fn gvk(&self) -> Gvk {
        Gvk::new(text(self.json.get("apiVersion")), self.kind())
    }

    /// The present identity.
    pub(crate) fn id(&self) -> Id {
        Id::new(self.gvk(), self.name(), self.namespace())
    }

    pub(crate) fn previous_ids(&self) -> Vec<Id> {
        let Gvk { group, version, .. } = self.gvk();
        let id = |p: &Previous| Id {
            gvk: Gvk {
                group: group.clone(),
                version: version.clone(),
                kind: p.kind.clone(),
            },
            name: p.name.clone(),
            namespace: p.namespace.clone(),
        };
        self.previous.iter().map(id).collect()
    }

    /// The identity before any layer touched it.
    pub(crate) fn original_id(&self) -> Id {
        self.previous_ids()
            .into_iter()
            .next()
            .unwrap_or_else(|| self.id())
    }

    /// True when the object has, or ever had, this identity.
    pub(crate) fn ever_was(&self, id: &Id) -> bool {
        self.previous_ids().contains(id) || self.id() == *id
    }

    /// Remembers the present identity before a change.
    pub(crate) fn remember(&mut self) {
        let Id {
            gvk,
            name,
            namespace,
        } = self.id();
        self.previous.push(Previous {
            kind: gvk.kind,
            name,
            namespace,
        });
    }

    pub(crate) fn set_name(&mut self, name: &str) {
        set(self.metadata(), "name", name);
    }

    /// An empty namespace takes the field away.
    pub(crate) fn set_namespace(&mut self, namespace: &str) {
        set(self.metadata(), "namespace", namespace);
    }

    pub(crate) fn set_kind(&mut self, kind: &str) {
        if let Value::Object(object) = &mut self.json {
            set(object, "kind", kind);
        }
    }

    /// The metadata, made if it is missing.
    pub(crate) fn metadata(&mut self) -> &mut Map<String, Value> {
        child(&mut self.json, "metadata")
    }

    /// Labels or annotations; scalars that are no strings become strings.
    pub(crate) fn strings(&self, field: &str) -> Map<String, Value> {
        match self.json.get("metadata").and_then(|m| m.get(field)) {
            Some(Value::Object(map)) => map.iter().map(|(k, v)| (k.clone(), worded(v))).collect(),
            Some(_) | None => Map::new(),
        }
    }

    /// Replaces labels or annotations; an empty map takes the field away.
    pub(crate) fn set_strings(&mut self, field: &str, map: Map<String, Value>) {
        if map.is_empty() {
            if let Some(Value::Object(metadata)) = self.json.get_mut("metadata") {
                metadata.remove(field);
            }
            return;
        }
        self.metadata().insert(field.to_owned(), Value::Object(map));
    }
}

/// The object under a key; anything else there is replaced.
fn child<'a>(json: &'a mut Value, key: &str) -> &'a mut Map<String, Value> {
    if !json.is_object() {
        *json = Value::Object(Map::new());
    }
    let slot = match json {
        Value::Object(object) => object.entry(key).or_insert(Value::Null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            unreachable!("made an object above")
        }
    };
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    match slot {
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            unreachable!("made an object above")
        }
    }
}

fn set(object: &mut Map<String, Value>, key: &str, value: &str) {
    if value.is_empty() {
        object.remove(key);
    } else {
        object.insert(key.to_owned(), Value::String(value.to_owned()));
    }
}

/// A scalar as a string: what kustomize does to every annotation.
pub(crate) fn worded(value: &Value) -> Value {
    Value::String(match value {
        Value::String(s) => s.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            goyaml::to_string(value).trim_end().to_owned()
        }
    })
}

pub(crate) fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}
