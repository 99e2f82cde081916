//! Deletes objects: preconditions, grace, finalizers, and what becomes of dependents.

use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};

use super::{Cluster, place_of, shown};
use crate::{
    object::{self, put, text, whole},
    resource::ResourceType,
    status::{ApiError, Subject},
    store::ObjectKey,
};

/// The finalizer of a deletion that waits for dependents.
pub(super) const FOREGROUND: &str = "foregroundDeletion";

/// What becomes of the objects that a deleted one owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Propagation {
    /// They are deleted after it.
    #[default]
    Background,
    /// They are deleted before it.
    Foreground,
    /// They stay, without an owner.
    Orphan,
}

/// What a deletion asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) propagation: Propagation,
    pub(crate) grace_s: Option<i64>,
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) is_dry_run: bool,
}

impl DeleteOptions {
    /// Reads a `DeleteOptions` body over what the query says.
    pub(crate) fn read(&mut self, body: &Value) -> Result<(), ApiError> {
        if let Some(policy) = text(body, &["propagationPolicy"]) {
            self.read_policy(policy)?;
        } else if body.get("orphanDependents").and_then(Value::as_bool) == Some(true) {
            self.propagation = Propagation::Orphan;
        }
        self.grace_s = whole(body, &["gracePeriodSeconds"]).or(self.grace_s);
        let word = |path: &[&str]| text(body, path).map(ToOwned::to_owned);
        self.uid = word(&["preconditions", "uid"]);
        self.resource_version = word(&["preconditions", "resourceVersion"]);
        self.is_dry_run |= !object::list(body, &["dryRun"]).is_empty();
        Ok(())
    }

    /// Reads a propagation policy.
    pub(crate) fn read_policy(&mut self, policy: &str) -> Result<(), ApiError> {
        self.propagation = match policy {
            "Background" | "" => Propagation::Background,
            "Foreground" => Propagation::Foreground,
            "Orphan" => Propagation::Orphan,
            other => {
                return Err(ApiError::bad_request(format!(
                    "propagationPolicy: Unsupported value: {other:?}: supported values: \"Foreground\", \"Background\", \"Orphan\""
                )));
            }
        };
        Ok(())
    }
}

impl Cluster {
    /// Deletes one object and gives what the client is told: the object while it lingers, else a `Status`.
    ///
    /// # Errors
    /// 404, or 409 for preconditions not met.
    pub(crate) fn delete(
        &mut self,
        kind: &ResourceType,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Value, ApiError> {
        let old = self.stored(kind, namespace, name)?;
        check_preconditions(kind, &old, options)?;
        if options.is_dry_run {
            return Ok(shown(kind, &old));
        }
        let at = place_of(kind, namespace, name);
        if kind.is("", "namespaces") {
            return self.terminate_namespace(kind, &at, &old);
        }
        if kind.is("apiextensions.k8s.io", "customresourcedefinitions") {
            self.delete_instances(&old);
        }
        self.delete_at(kind, &at, options);
        Ok(match self.store.get(&kind.store_key, &at) {
            Some(lingering) => shown(kind, &lingering),
            None => success(kind, &old),
        })
    }

    /// Deletes what is at a place, as far as finalizers and grace let it.
    pub(super) fn delete_at(
        &mut self,
        kind: &ResourceType,
        at: &ObjectKey,
        options: &DeleteOptions,
    ) {
        let Some(old) = self.store.get(&kind.store_key, at) else {
            return;
        };
        match options.propagation {
            Propagation::Orphan => self.orphan_dependents(object::uid(&old)),
            Propagation::Foreground => self.begin_foreground(kind, at, &old),
            Propagation::Background => {}
        }
        // Dependents may have gone and taken this object with them, or changed it.
        let Some(old) = self.store.get(&kind.store_key, at) else {
            return;
        };
        let grace_s = grace_of(kind, &old, options);
        if object::finalizers(&old).is_empty() && grace_s == 0 {
            self.remove(&kind.store_key, at);
            return;
        }
        let known_grace_s = whole(&old, &["metadata", "deletionGracePeriodSeconds"]);
        if object::is_terminating(&old) && known_grace_s.is_some_and(|known| known <= grace_s) {
            return;
        }
        let mut new = (*old).clone();
        self.mark_terminating(&mut new, grace_s);
        self.store.write(&kind.store_key, at, new);
    }

    /// Sets the deletion timestamp.
    pub(super) fn mark_terminating(&self, object: &mut Value, grace_s: i64) {
        let end = self.now() + TimeDelta::seconds(grace_s);
        let end = end.to_rfc3339_opts(SecondsFormat::Secs, true);
        put(object, &["metadata", "deletionTimestamp"], Value::from(end));
        put(
            object,
            &["metadata", "deletionGracePeriodSeconds"],
            Value::from(grace_s),
        );
        if let Some(generation) = whole(object, &["metadata", "generation"]) {
            put(
                object,
                &["metadata", "generation"],
                Value::from(generation + 1),
            );
        }
    }
}

/// Seconds that the object stays after its deletion: only pods that run on a node have any.
fn grace_of(kind: &ResourceType, object: &Value, options: &DeleteOptions) -> i64 {
    if !kind.is("", "pods") {
        return 0;
    }
    let is_placed = text(object, &["spec", "nodeName"]).is_some_and(|node| !node.is_empty());
    let is_done = matches!(
        text(object, &["status", "phase"]),
        Some("Succeeded" | "Failed")
    );
    if !is_placed || is_done {
        return 0;
    }
    options
        .grace_s
        .or_else(|| whole(object, &["spec", "terminationGracePeriodSeconds"]))
        .unwrap_or(30)
        .max(0)
}

fn check_preconditions(
    kind: &ResourceType,
    old: &Value,
    options: &DeleteOptions,
) -> Result<(), ApiError> {
    // Here, and only here, the kind stands for the resource.
    let subject = Subject {
        plural: &kind.kind,
        ..kind.subject(object::name(old))
    };
    let uid = object::uid(old);
    if let Some(asked) = options.uid.as_deref().filter(|asked| *asked != uid) {
        let why = format!(
            "the UID in the precondition ({asked}) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
        );
        return Err(ApiError::conflict(subject, &why));
    }
    let version = text(old, &["metadata", "resourceVersion"]).unwrap_or_default();
    if let Some(asked) = options
        .resource_version
        .as_deref()
        .filter(|asked| *asked != version)
    {
        let why = format!(
            "the ResourceVersion in the precondition ({asked}) does not match the ResourceVersion in record ({version}). The object might have been modified"
        );
        return Err(ApiError::conflict(subject, &why));
    }
    Ok(())
}

/// The `Status` of an object that is gone; some kinds answer with the object itself.
fn success(kind: &ResourceType, old: &Value) -> Value {
    let returns_object = matches!(
        kind.plural.as_str(),
        "pods" | "services" | "serviceaccounts" | "persistentvolumeclaims" | "resourcequotas"
    );
    if returns_object && kind.group.is_empty() {
        return shown(kind, old);
    }
    let mut details =
        json!({ "name": object::name(old), "kind": kind.plural, "uid": object::uid(old) });
    if !kind.group.is_empty() {
        crate::object::put(&mut details, &["group"], json!(kind.group));
    }
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details })
}
