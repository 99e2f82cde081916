//! Talks to the API server for a round: the one place that writes objects of canaries.
//!
//! Every write is conditional (a resourceVersion, or a creation), fails at once when this
//! process no longer leads, and tells the caches its answer. A conflict re-reads the object,
//! so that the next decision sees what is there. It retries nothing.

use std::sync::Arc;
use std::time::Duration;

use kube::Resource;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GetParams, Patch, PatchParams, PostParams,
    Preconditions,
};
use kube::core::Request;
use serde_json::Value;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::clusters::Clusters;
use crate::error::chain;
use crate::json::str_at;
use crate::metrics::Metrics;
use crate::world::Caches;
use crate::world::key::Key;
use crate::world::kind;

/// The field manager of all writes.
pub const FIELD_MANAGER: &str = "sluice";
/// Time one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Why an object was not read or written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// This process no longer leads.
    #[error("this process no longer leads: {verb} of {object} not sent")]
    Deposed {
        /// What was to be done.
        verb: &'static str,
        /// To what.
        object: String,
    },
    /// Another wrote it first.
    #[error("failed to {verb} {object}: it was changed meanwhile")]
    Conflict {
        /// What was to be done.
        verb: &'static str,
        /// To what.
        object: String,
    },
    /// It is not there.
    #[error("failed to {verb} {object}: it does not exist")]
    Missing {
        /// What was to be done.
        verb: &'static str,
        /// To what.
        object: String,
    },
    /// The API server refused.
    #[error("failed to {verb} {object}: {refusal}")]
    Refused {
        /// What was to be done.
        verb: &'static str,
        /// To what.
        object: String,
        /// What the API server said; of Secrets only the code.
        refusal: String,
    },
    /// No answer.
    #[error("failed to {verb} {object}: {why}")]
    Unreachable {
        /// What was to be done.
        verb: &'static str,
        /// To what.
        object: String,
        /// Why there is none.
        why: String,
    },
}

/// Reads and writes for the rounds.
pub struct Writer {
    clusters: Clusters,
    caches: Arc<Caches>,
    metrics: Arc<Metrics>,
    deposed: CancellationToken,
}

impl Writer {
    /// A writer that stops when `deposed` is cancelled.
    pub fn new(
        clusters: Clusters,
        caches: Arc<Caches>,
        metrics: Arc<Metrics>,
        deposed: CancellationToken,
    ) -> Self {
        Self {
            clusters,
            caches,
            metrics,
            deposed,
        }
    }

    /// Reads an object; the caches learn it.
    pub async fn get(
        &self,
        resource: &ApiResource,
        key: &Key,
    ) -> Result<Option<Value>, WriteError> {
        let request = path(resource, key).get(&key.name, &GetParams::default());
        match self.send("read", resource, key, request).await {
            Ok(object) => Ok(Some(object)),
            Err(WriteError::Missing { .. }) => {
                self.caches.forget(resource, key);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Creates an object.
    pub async fn create(
        &self,
        resource: &ApiResource,
        object: &Value,
    ) -> Result<Value, WriteError> {
        let key = key_of(object);
        let request = path(resource, &key).create(&posted(), bytes(object));
        self.write("create", resource, &key, request).await
    }

    /// Replaces an object; `object` carries the resourceVersion that it was read with.
    pub async fn replace(
        &self,
        resource: &ApiResource,
        object: &Value,
    ) -> Result<Value, WriteError> {
        let key = key_of(object);
        let request = path(resource, &key).replace(&key.name, &posted(), bytes(object));
        self.write("replace", resource, &key, request).await
    }

    /// Merges a patch into an object; the patch carries the resourceVersion.
    pub async fn merge(
        &self,
        resource: &ApiResource,
        key: &Key,
        patch: &Value,
    ) -> Result<Value, WriteError> {
        let request = path(resource, key).patch(&key.name, &patched(), &Patch::Merge(patch));
        self.write("change", resource, key, request).await
    }

    /// Merges a patch into the status of an object; the patch carries the resourceVersion.
    pub async fn merge_status(
        &self,
        resource: &ApiResource,
        key: &Key,
        patch: &Value,
    ) -> Result<Value, WriteError> {
        let request = path(resource, key).patch_subresource(
            "status",
            &key.name,
            &patched(),
            &Patch::Merge(patch),
        );
        self.write("change the status of", resource, key, request)
            .await
    }

    /// Applies our fields of an object, taking over those that others own.
    pub async fn apply(&self, resource: &ApiResource, object: &Value) -> Result<Value, WriteError> {
        let key = key_of(object);
        let parameters = patched().force();
        let request = path(resource, &key).patch(&key.name, &parameters, &Patch::Apply(object));
        self.write("apply", resource, &key, request).await
    }

    /// Deletes an object that is still as in `live`; one that is gone is as wanted.
    pub async fn delete(
        &self,
        resource: &ApiResource,
        key: &Key,
        live: &Value,
    ) -> Result<(), WriteError> {
        let field = |pointer| Some(str_at(live, pointer).to_owned()).filter(|it| !it.is_empty());
        let parameters = DeleteParams::default().preconditions(Preconditions {
            resource_version: field("/metadata/resourceVersion"),
            uid: field("/metadata/uid"),
        });
        let request = path(resource, key).delete(&key.name, &parameters);
        match self.write("delete", resource, key, request).await {
            Ok(_) | Err(WriteError::Missing { .. }) => {
                self.caches.forget(resource, key);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn write(
        &self,
        verb: &'static str,
        resource: &ApiResource,
        key: &Key,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Value, WriteError> {
        if self.deposed.is_cancelled() {
            return Err(WriteError::Deposed {
                verb,
                object: words(resource, key),
            });
        }
        self.metrics.count_write();
        let written = self.send(verb, resource, key, request).await;
        if let Err(WriteError::Conflict { .. } | WriteError::Missing { .. }) = &written {
            // Let the next decision see what is there; if that fails too, the watch will tell.
            let _ = self.get(resource, key).await;
        }
        written
    }

    async fn send(
        &self,
        verb: &'static str,
        resource: &ApiResource,
        key: &Key,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Value, WriteError> {
        let object = || words(resource, key);
        let request = request.map_err(|error| WriteError::Unreachable {
            verb,
            object: object(),
            why: chain(&error),
        })?;
        let answer = tokio::time::timeout(
            REQUEST_TIMEOUT,
            self.clusters.of(resource).request::<DynamicObject>(request),
        )
        .await;
        let Ok(answer) = answer else {
            let why = format!("no answer in {} s", REQUEST_TIMEOUT.as_secs());
            return Err(WriteError::Unreachable {
                verb,
                object: object(),
                why,
            });
        };
        let found = answer.map_err(|error| refused(verb, resource, object(), &error))?;
        let value = serde_json::to_value(&found).unwrap_or_default();
        // A deletion may be answered by a Status, which is no object.
        if found.metadata.name.is_some() {
            self.caches.learn(resource, &found);
        }
        Ok(value)
    }
}

/// Reads the client's error. What the API server says of a Secret may quote its values.
fn refused(
    verb: &'static str,
    resource: &ApiResource,
    object: String,
    error: &kube::Error,
) -> WriteError {
    let kube::Error::Api(status) = error else {
        // A decoder quotes what it could not read, and that may be a Secret's value.
        let is_quoted = resource.kind == "Secret" && matches!(error, kube::Error::SerdeError(_));
        let why = if is_quoted {
            "the answer cannot be read".to_owned()
        } else {
            chain(error)
        };
        return WriteError::Unreachable { verb, object, why };
    };
    match status.code {
        404 => WriteError::Missing { verb, object },
        409 => WriteError::Conflict { verb, object },
        code if resource.kind == "Secret" => {
            let refusal = format!(
                "the API server answered {code}; its words are not shown, they may hold values"
            );
            WriteError::Refused {
                verb,
                object,
                refusal,
            }
        }
        code => WriteError::Refused {
            verb,
            object,
            refusal: format!("{} ({code})", status.message),
        },
    }
}

fn posted() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}

fn patched() -> PatchParams {
    PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

fn path(resource: &ApiResource, key: &Key) -> Request {
    let namespace = Some(&*key.namespace).filter(|namespace| !namespace.is_empty());
    Request::new(DynamicObject::url_path(resource, namespace))
}

fn key_of(object: &Value) -> Key {
    Key::new(
        str_at(object, "/metadata/namespace"),
        str_at(object, "/metadata/name"),
    )
}

fn bytes(object: &Value) -> Vec<u8> {
    object.to_string().into_bytes()
}

fn words(resource: &ApiResource, key: &Key) -> String {
    format!(
        "{} {key}",
        kind::id(resource).rsplit('/').next().unwrap_or_default()
    )
}
