//! Names objects of a mesh, and holds those that were read.

use std::collections::BTreeMap;

use serde_json::Value;

/// An object as JSON. What `render` gives is a server-side apply payload.
pub type Manifest = Value;

/// Names one object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectRef {
    /// `gateway.networking.k8s.io/v1`.
    pub api_version: String,
    /// `HTTPRoute`.
    pub kind: String,
    /// `httproutes`, as URLs have it.
    pub plural: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Objects that were read, by kind and name. Missing means: looked for and not there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Live(BTreeMap<(String, String), Value>);

impl Live {
    /// Keeps an object; one without kind or name is dropped.
    pub fn put(&mut self, object: Value) {
        if let Some(key) = key(&object) {
            self.0.insert(key, object);
        }
    }

    /// The object of this kind and name.
    #[must_use]
    pub fn get(&self, kind: &str, name: &str) -> Option<&Value> {
        self.0.get(&(kind.to_owned(), name.to_owned()))
    }

    /// The live form of `manifest`.
    #[must_use]
    pub fn of(&self, manifest: &Manifest) -> Option<&Value> {
        self.0.get(&key(manifest)?)
    }
}

impl FromIterator<Value> for Live {
    fn from_iter<I: IntoIterator<Item = Value>>(objects: I) -> Self {
        let mut live = Self::default();
        for object in objects {
            live.put(object);
        }
        live
    }
}

fn key(object: &Value) -> Option<(String, String)> {
    let kind = object.get("kind")?.as_str()?;
    let name = object.pointer("/metadata/name")?.as_str()?;
    Some((kind.to_owned(), name.to_owned()))
}

/// A spec to put back in the place of the whole live one (an update, not an apply).
#[derive(Debug, Clone, PartialEq)]
pub struct Replacement {
    /// The object.
    pub object: ObjectRef,
    /// Its whole new spec.
    pub spec: Value,
    /// Annotations of ours to take away.
    pub annotations_dropped: Vec<String>,
}
