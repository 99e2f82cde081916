//! Remembers which kinds the cluster serves, so that a kind is asked for once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersion;
use kube::discovery::Scope;

use crate::error::ApplyError;
use crate::object::ObjectId;

/// Most kinds remembered; a cluster with more asks again.
const KINDS_MAX: usize = 4_096;

/// Group, version and kind.
type Key = (String, String, String);

/// The kinds of one cluster. Clones share what is remembered.
#[derive(Clone)]
pub struct Kinds {
    client: Client,
    known: Arc<Mutex<BTreeMap<Key, (ApiResource, Scope)>>>,
    /// Held while asking, so that many objects of one kind ask once.
    asking: Arc<tokio::sync::Mutex<()>>,
}

impl Kinds {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            known: Arc::default(),
            asking: Arc::default(),
        }
    }

    /// The API that holds this object, limited to its namespace.
    ///
    /// # Errors
    /// When the cluster does not serve the kind or cannot be asked, or a namespaced object has no namespace.
    pub async fn api(&self, id: &ObjectId) -> Result<Api<DynamicObject>, ApplyError> {
        let (resource, scope) = self.find(id).await?;
        match scope {
            Scope::Cluster => Ok(Api::all_with(self.client.clone(), &resource)),
            Scope::Namespaced if id.namespace.is_empty() => {
                Err(ApplyError::NoNamespace { id: id.clone() })
            }
            Scope::Namespaced => Ok(Api::namespaced_with(
                self.client.clone(),
                &id.namespace,
                &resource,
            )),
        }
    }

    /// Whether objects of this kind live in namespaces.
    ///
    /// # Errors
    /// When the cluster does not serve the kind or cannot be asked.
    pub async fn is_namespaced(&self, id: &ObjectId) -> Result<bool, ApplyError> {
        Ok(matches!(self.find(id).await?.1, Scope::Namespaced))
    }

    /// Forgets a kind: its definition was deleted or replaced.
    pub fn forget(&self, id: &ObjectId) {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&key(id));
    }

    async fn find(&self, id: &ObjectId) -> Result<(ApiResource, Scope), ApplyError> {
        if let Some(found) = self.remembered(id) {
            return Ok(found);
        }
        let _asking = self.asking.lock().await;
        if let Some(found) = self.remembered(id) {
            return Ok(found);
        }
        self.ask(id).await?;
        self.remembered(id)
            .ok_or_else(|| ApplyError::UnknownKind { id: id.clone() })
    }

    fn remembered(&self, id: &ObjectId) -> Option<(ApiResource, Scope)> {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key(id))
            .cloned()
    }

    /// One request tells every kind of the group's version.
    async fn ask(&self, id: &ObjectId) -> Result<(), ApplyError> {
        let version = GroupVersion::gv(&id.group, &id.version);
        let group = kube::discovery::pinned_group(&self.client, &version)
            .await
            .map_err(|error| undiscovered(id, error))?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KINDS_MAX {
            known.clear();
        }
        for (resource, capabilities) in group.versioned_resources(&id.version) {
            let key = (
                resource.group.clone(),
                resource.version.clone(),
                resource.kind.clone(),
            );
            known.insert(key, (resource, capabilities.scope));
        }
        Ok(())
    }
}

fn key(id: &ObjectId) -> Key {
    (id.group.clone(), id.version.clone(), id.kind.clone())
}

fn undiscovered(id: &ObjectId, error: kube::Error) -> ApplyError {
    let is_unknown = matches!(&error, kube::Error::Discovery(_))
        || matches!(&error, kube::Error::Api(status) if status.is_not_found());
    if is_unknown {
        ApplyError::UnknownKind { id: id.clone() }
    } else {
        ApplyError::Discover {
            id: id.clone(),
            source: Box::new(error),
        }
    }
}
