//! Writes what a pass found: one status, checked against the version it was made from.
//!
//! Nothing is written when nothing changed. A conflict means that the object is
//! newer than what the pass saw: the pass is repeated, never the write.

use std::sync::Arc;

use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use serde::Serialize;
use serde_json::json;

use crate::context::Controller;
use crate::subject::{self, FINALIZER};

/// Why an object was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// Someone wrote it since it was read.
    #[error("failed to write: the object has changed meanwhile")]
    Conflict,
    /// The object is gone.
    #[error("failed to write: the object is gone")]
    Gone,
    /// The status could not be put into JSON.
    #[error("failed to encode the status")]
    Encode(#[source] serde_json::Error),
    /// The API server refused or did not answer.
    #[error("failed to write the object")]
    Write(#[source] kube::Error),
    /// The pass itself broke; a bug, kept to this object.
    #[error("the pass broke off: {0}")]
    Broken(String),
}

impl From<kube::Error> for RecordError {
    fn from(error: kube::Error) -> Self {
        let kube::Error::Api(status) = &error else {
            return Self::Write(error);
        };
        if status.is_conflict() {
            Self::Conflict
        } else if status.is_not_found() {
            Self::Gone
        } else {
            Self::Write(error)
        }
    }
}

impl Controller {
    /// Writes `status` unless `before` equals it; answers with the object as it then is.
    pub(crate) async fn record<S: Serialize + PartialEq>(
        &self,
        object: &Arc<DynamicObject>,
        before: Option<&S>,
        status: &S,
    ) -> Result<Arc<DynamicObject>, RecordError> {
        if before == Some(status) {
            return Ok(Arc::clone(object));
        }
        let mut next = DynamicObject::clone(object);
        let encoded = serde_json::to_value(status).map_err(RecordError::Encode)?;
        if let Some(fields) = next.data.as_object_mut() {
            fields.insert("status".to_owned(), encoded);
        } else {
            next.data = json!({ "status": encoded });
        }
        let parameters = PostParams {
            dry_run: false,
            field_manager: Some(self.manager.to_owned()),
        };
        let written = self
            .api(object)
            .replace_status(&object.name_any(), &parameters, &next)
            .await?;
        Ok(self.recent.wrote(object, written))
    }

    /// Puts our finalizer on an object that lacks it.
    pub(crate) async fn add_finalizer(
        &self,
        object: &Arc<DynamicObject>,
    ) -> Result<Arc<DynamicObject>, RecordError> {
        if subject::has_finalizer(object) {
            return Ok(Arc::clone(object));
        }
        let mut finalizers = object.finalizers().to_vec();
        finalizers.push(FINALIZER.to_owned());
        self.set_finalizers(object, &finalizers).await
    }

    /// Takes our finalizer away, after which the object may vanish.
    pub(crate) async fn drop_finalizer(
        &self,
        object: &Arc<DynamicObject>,
    ) -> Result<(), RecordError> {
        if !subject::has_finalizer(object) {
            return Ok(());
        }
        let others: Vec<String> = object
            .finalizers()
            .iter()
            .filter(|f| *f != FINALIZER)
            .cloned()
            .collect();
        match self.set_finalizers(object, &others).await {
            Ok(_) | Err(RecordError::Gone) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn set_finalizers(
        &self,
        object: &Arc<DynamicObject>,
        finalizers: &[String],
    ) -> Result<Arc<DynamicObject>, RecordError> {
        let patch = json!({"metadata": {
            "finalizers": finalizers,
            "resourceVersion": object.resource_version(),
        }});
        let parameters = PatchParams {
            field_manager: Some(self.manager.to_owned()),
            ..PatchParams::default()
        };
        let written = self
            .api(object)
            .patch(&object.name_any(), &parameters, &Patch::Merge(&patch))
            .await?;
        Ok(self.recent.wrote(object, written))
    }

    fn api(&self, object: &DynamicObject) -> Api<DynamicObject> {
        Api::namespaced_with(
            self.client.clone(),
            &object.namespace().unwrap_or_default(),
            &self.kind,
        )
    }
}
