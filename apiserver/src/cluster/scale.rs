//! Serves `/scale`: the replicas of a workload as an `autoscaling/v1` Scale.

use serde_json::{Value, json};

use super::{Change, Cluster, WriteOptions, Written};
use crate::{
    object::{self, at, put, text, whole},
    patch::{PatchKind, patched},
    resource::{ResourceType, ScalePaths},
    status::{ApiError, FieldError},
};

impl Cluster {
    /// The scale of an object.
    ///
    /// # Errors
    /// 404 when there is no such object or its kind has no scale.
    pub(crate) fn get_scale(
        &self,
        kind: &ResourceType,
        namespace: &str,
        name: &str,
    ) -> Result<Value, ApiError> {
        let paths = kind.scale.as_ref().ok_or_else(ApiError::no_such_path)?;
        let object = self.get(kind, namespace, name)?;
        Ok(scale_of(&object, paths))
    }

    /// Changes the replicas of an object through its scale.
    ///
    /// # Errors
    /// As `change`, and 422 for negative replicas.
    pub(crate) fn change_scale(
        &mut self,
        kind: &ResourceType,
        namespace: &str,
        name: &str,
        change: Change,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let paths = kind.scale.as_ref().ok_or_else(ApiError::no_such_path)?;
        let old = self.get(kind, namespace, name)?;
        let before = scale_of(&old, paths);
        let scale = match change {
            Change::Replace(scale) => scale,
            Change::Patch(PatchKind::Apply, applied) => {
                let mut scale = before.clone();
                json_patch::merge(&mut scale, &applied);
                scale
            }
            Change::Patch(how, patch) => patched(kind, how, &before, &patch)?,
        };
        let version = text(&scale, &["metadata", "resourceVersion"]).unwrap_or_default();
        if !version.is_empty() && Some(version) != text(&old, &["metadata", "resourceVersion"]) {
            return Err(ApiError::modified(kind.subject(name)));
        }
        let replicas = whole(&scale, &["spec", "replicas"]).unwrap_or(0);
        if replicas < 0 {
            let value = Value::from(replicas);
            let problem = FieldError::invalid(
                "spec.replicas",
                &value,
                "must be greater than or equal to 0",
            );
            return Err(ApiError::invalid(kind.subject(name), &[problem]));
        }
        let mut new = old.clone();
        let path: Vec<&str> = paths.spec.iter().map(String::as_str).collect();
        put(&mut new, &path, Value::from(replicas));
        let written = self.settle(kind, &old, new, options, Vec::new(), None)?;
        Ok(Written {
            object: scale_of(&written.object, paths),
            ..written
        })
    }
}

fn scale_of(object: &Value, paths: &ScalePaths) -> Value {
    let number = |path: &[String]| {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        whole(object, &path).unwrap_or(0)
    };
    let selector = match &paths.selector {
        Some(path) => {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            text(object, &path).unwrap_or_default().to_owned()
        }
        None => at(object, &["spec", "selector"])
            .map(selector_text)
            .unwrap_or_default(),
    };
    let mut metadata = json!({
        "name": object::name(object),
        "uid": object::uid(object),
        "resourceVersion": text(object, &["metadata", "resourceVersion"]),
        "creationTimestamp": text(object, &["metadata", "creationTimestamp"]),
    });
    if !object::namespace(object).is_empty() {
        crate::object::put(
            &mut metadata,
            &["namespace"],
            json!(object::namespace(object)),
        );
    }
    let mut status = json!({ "replicas": number(&paths.status) });
    if !selector.is_empty() {
        crate::object::put(&mut status, &["selector"], json!(selector));
    }
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": { "replicas": number(&paths.spec) },
        "status": status,
    })
}

/// A LabelSelector as text: `app=web,tier in (a,b)`.
pub(crate) fn selector_text(selector: &Value) -> String {
    let equal = selector.get("matchLabels").and_then(Value::as_object);
    let mut parts: Vec<String> = equal
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    for rule in object::list(selector, &["matchExpressions"]) {
        let key = text(rule, &["key"]).unwrap_or_default();
        let values: Vec<&str> = object::list(rule, &["values"])
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let values = values.join(",");
        parts.push(match text(rule, &["operator"]).unwrap_or_default() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    parts.join(",")
}
