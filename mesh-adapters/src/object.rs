//! Names objects of a mesh, and holds those that were read.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

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
    /// Its namespace; empty for a cluster-scoped kind.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectRef {
    /// The API group: empty for the core.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
    }

    /// True when both name one object, in whatever version of its kind.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.group() == other.group()
            && self.kind == other.kind
            && self.namespace == other.namespace
            && self.name == other.name
    }
}

/// A kind of object that a mesh defines.
#[derive(Debug)]
pub(crate) struct Kind {
    /// `gateway.networking.k8s.io/v1`.
    pub(crate) api_version: &'static str,
    /// `HTTPRoute`.
    pub(crate) kind: &'static str,
    /// `httproutes`.
    pub(crate) plural: &'static str,
}

impl Kind {
    /// Names an object of this kind.
    pub(crate) fn named(&self, namespace: &str, name: impl Into<String>) -> ObjectRef {
        ObjectRef {
            api_version: self.api_version.into(),
            kind: self.kind.into(),
            plural: self.plural.into(),
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// An object of this kind.
    pub(crate) fn manifest(
        &self,
        metadata: Map<String, Value>,
        spec: impl Into<Value>,
    ) -> Manifest {
        let mut manifest = Map::new();
        manifest.insert("apiVersion".into(), self.api_version.into());
        manifest.insert("kind".into(), self.kind.into());
        manifest.insert("metadata".into(), metadata.into());
        manifest.insert("spec".into(), spec.into());
        manifest.into()
    }
}

/// Objects that were read, by kind, namespace and name. Missing means: looked for and not there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Live(BTreeMap<(String, String, String), Value>);

impl Live {
    /// Keeps an object; one without kind or name is dropped.
    pub fn put(&mut self, object: Value) {
        if let Some(key) = key(&object) {
            self.0.insert(key, object);
        }
    }

    /// The object of this kind and name; the namespace of a cluster-scoped one is empty.
    #[must_use]
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<&Value> {
        let key = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        self.0.get(&key)
    }

    /// The object that `reference` names.
    #[must_use]
    pub fn at(&self, reference: &ObjectRef) -> Option<&Value> {
        self.get(&reference.kind, &reference.namespace, &reference.name)
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

fn key(object: &Value) -> Option<(String, String, String)> {
    let kind = object.get("kind")?.as_str()?;
    let metadata = object.get("metadata")?;
    let name = metadata.get("name")?.as_str()?;
    let namespace = metadata.get("namespace").and_then(Value::as_str);
    Some((
        kind.to_owned(),
        namespace.unwrap_or_default().to_owned(),
        name.to_owned(),
    ))
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
