//! Reads the few fields of an object that order, ownership and errors need.

use std::fmt;

use serde_json::Value;

/// Names an object: what the inventory keeps of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectId {
    /// API group, empty for the core group.
    pub group: String,
    /// API version without its group.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// Why something is not an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an object has no {field}: {excerpt}")]
pub struct NotAnObject {
    /// The field that is missing or not a text.
    pub field: &'static str,
    /// What is known of the object, to find it.
    pub excerpt: String,
}

impl ObjectId {
    /// The name of an object.
    ///
    /// # Errors
    /// Names the field when `apiVersion`, `kind` or `metadata.name` is missing or no text.
    pub fn of(object: &Value) -> Result<Self, NotAnObject> {
        let missing = |field| NotAnObject {
            field,
            excerpt: excerpt(object),
        };
        let api_version = text(object, "/apiVersion").ok_or_else(|| missing("apiVersion"))?;
        let kind = text(object, "/kind").ok_or_else(|| missing("kind"))?;
        let name = text(object, "/metadata/name").ok_or_else(|| missing("metadata.name"))?;
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Ok(Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            namespace: text(object, "/metadata/namespace")
                .unwrap_or_default()
                .to_owned(),
            name: name.to_owned(),
        })
    }

    /// `apiVersion` as manifests write it.
    #[must_use]
    pub fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }
}

/// `Deployment/apps/podinfo`, or `Namespace/apps` without a namespace: Flux's form.
impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{}/{}", self.kind, self.name),
            namespace => write!(f, "{}/{namespace}/{}", self.kind, self.name),
        }
    }
}

/// The non-empty text at a JSON pointer.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .filter(|s| !s.is_empty())
}

/// The value of a label or annotation; labels win.
pub(crate) fn mark<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    let of = |kind: &str| object.get("metadata")?.get(kind)?.get(key)?.as_str();
    of("labels").or_else(|| of("annotations"))
}

fn excerpt(object: &Value) -> String {
    let of = |p| text(object, p).unwrap_or("?");
    format!(
        "apiVersion {}, kind {}, name {}",
        of("/apiVersion"),
        of("/kind"),
        of("/metadata/name")
    )
}
