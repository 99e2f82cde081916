//! Holds one built object, and writes objects as `kustomize build` does.

use serde_json::Value;

/// A Kubernetes object as JSON, with kind and name present.
#[derive(Clone, PartialEq)]
pub struct Object(Value);

impl Object {
    pub(crate) fn new(json: Value) -> Self {
        Self(json)
    }

    /// `apiVersion`, empty when missing.
    #[must_use]
    pub fn api_version(&self) -> &str {
        text(self.0.get("apiVersion"))
    }

    /// `kind`.
    #[must_use]
    pub fn kind(&self) -> &str {
        text(self.0.get("kind"))
    }

    /// `metadata.name`.
    #[must_use]
    pub fn name(&self) -> &str {
        text(self.0.pointer("/metadata/name"))
    }

    /// `metadata.namespace`, if set.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.0
            .pointer("/metadata/namespace")
            .and_then(Value::as_str)
    }

    /// The object.
    #[must_use]
    pub fn as_json(&self) -> &Value {
        &self.0
    }

    /// A copy of the object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.0.clone()
    }

    /// The object, given away.
    #[must_use]
    pub fn into_json(self) -> Value {
        self.0
    }

    /// The object as YAML, keys sorted.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        goyaml::to_string(&self.0)
    }
}

/// Shows the identity only: the content may be a Secret.
impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object")
            .field("api_version", &self.api_version())
            .field("kind", &self.kind())
            .field("namespace", &self.namespace())
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// Writes objects as the output of `kustomize build`.
#[must_use]
pub fn to_yaml(objects: &[Object]) -> String {
    let documents: Vec<String> = objects.iter().map(Object::to_yaml).collect();
    documents.join("---\n")
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}
