//! Applies manifests to the sandbox: every document by server-side apply,
//! CustomResourceDefinitions and Namespaces first. Deletes nothing.

use std::time::Duration;

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::core::TypeMeta;
use kube::discovery::{ApiCapabilities, Scope, oneshot};
use serde_json::Value;

/// The field manager of loaded objects.
pub const FIELD_MANAGER: &str = "sandbox";
/// How often a kind that is not served yet is looked up again.
const LOOKUPS_MAX: u32 = 40;
const LOOKUP_EVERY: Duration = Duration::from_millis(50);

/// Why manifests were not applied.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The text is no YAML.
    #[error("failed to read the manifests")]
    Read(#[source] goyaml::Error),
    /// A document has no apiVersion, kind or name.
    #[error("document {at} of the manifests has no {field}")]
    Incomplete {
        /// Counted from 1.
        at: usize,
        /// The missing field.
        field: &'static str,
    },
    /// The server does not know the kind.
    #[error("failed to find kind {kind:?} of {api_version:?}")]
    UnknownKind {
        /// Its apiVersion.
        api_version: String,
        /// Its kind.
        kind: String,
        /// What discovery said.
        source: Box<kube::Error>,
    },
    /// The server refused an object.
    #[error("failed to apply {kind} {name:?}")]
    Apply {
        /// The object's kind.
        kind: String,
        /// The object's name.
        name: String,
        /// What the server said.
        source: Box<kube::Error>,
    },
}

/// Kinds that others need stand first.
fn rank(kind: &str) -> u8 {
    match kind {
        "CustomResourceDefinition" => 0,
        "Namespace" => 1,
        _ => 2,
    }
}

pub(crate) async fn load(client: &Client, yaml: &str) -> Result<Vec<DynamicObject>, LoadError> {
    let documents =
        goyaml::parse_json(yaml, &goyaml::Limits::default()).map_err(LoadError::Read)?;
    let mut objects = Vec::new();
    for (at, document) in documents.into_iter().enumerate() {
        if !document.is_null() {
            objects.push(read(at + 1, document)?);
        }
    }
    objects.sort_by_key(|object| rank(&object.kind));
    let mut applied = Vec::new();
    for object in &objects {
        applied.push(apply(client, object).await?);
    }
    Ok(applied)
}

struct Manifest {
    api_version: String,
    kind: String,
    name: String,
    namespace: Option<String>,
    object: Value,
}

fn read(at: usize, object: Value) -> Result<Manifest, LoadError> {
    let text = |value: &Value, field: &'static str| {
        let found = value.get(field).and_then(Value::as_str).map(str::to_owned);
        found.ok_or(LoadError::Incomplete { at, field })
    };
    let meta = object.get("metadata").cloned().unwrap_or_default();
    Ok(Manifest {
        api_version: text(&object, "apiVersion")?,
        kind: text(&object, "kind")?,
        name: text(&meta, "name")?,
        namespace: text(&meta, "namespace").ok(),
        object,
    })
}

async fn apply(client: &Client, manifest: &Manifest) -> Result<DynamicObject, LoadError> {
    let (resource, capabilities) = find(client, manifest).await?;
    let api: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => {
            let namespace = manifest.namespace.as_deref().unwrap_or("default");
            Api::namespaced_with(client.clone(), namespace, &resource)
        }
    };
    let params = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(&manifest.name, &params, &Patch::Apply(&manifest.object))
        .await
        .map_err(|source| LoadError::Apply {
            kind: manifest.kind.clone(),
            name: manifest.name.clone(),
            source: Box::new(source),
        })
}

/// Looks the kind up; one whose definition was applied a moment ago may take a little.
async fn find(
    client: &Client,
    manifest: &Manifest,
) -> Result<(ApiResource, ApiCapabilities), LoadError> {
    let types = TypeMeta {
        api_version: manifest.api_version.clone(),
        kind: manifest.kind.clone(),
    };
    let unknown = |source| LoadError::UnknownKind {
        api_version: manifest.api_version.clone(),
        kind: manifest.kind.clone(),
        source: Box::new(source),
    };
    let gvk = GroupVersionKind::try_from(&types).map_err(|_| LoadError::Incomplete {
        at: 0,
        field: "apiVersion",
    })?;
    let mut tries = 0;
    loop {
        match oneshot::pinned_kind(client, &gvk).await {
            Ok(found) => return Ok(found),
            Err(error) if tries >= LOOKUPS_MAX => return Err(unknown(error)),
            Err(_) => tries += 1,
        }
        tokio::time::sleep(LOOKUP_EVERY).await;
    }
}
