//! Changes objects: update, the patches, server-side apply, and their subresources.

use serde_json::Value;

use super::{Cluster, WriteOptions, Written, check_size, decode, kept, place_of, shown};
use crate::{
    defaults, managed,
    object::{self, put, put_or_take, take, text},
    patch::{PatchKind, patched},
    resource::{Generation, ResourceType},
    status::{ApiError, FieldError},
    validate,
};

/// How an object is to be changed.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// By this whole object.
    Replace(Value),
    /// By this patch.
    Patch(PatchKind, Value),
}

impl Cluster {
    /// Changes an object, or creates it when an apply names one that does not exist.
    ///
    /// # Errors
    /// 400, 404, 409, 413, 415 or 422, as kube-apiserver answers.
    pub(crate) fn change(
        &mut self,
        kind: &ResourceType,
        namespace: &str,
        name: &str,
        change: Change,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        if let Change::Patch(PatchKind::Apply, applied) = change {
            return self.apply(kind, namespace, name, applied, options);
        }
        let stored = self.stored(kind, namespace, name)?;
        let old = shown(kind, &stored);
        let is_replace = matches!(change, Change::Replace(_));
        let mut new = match change {
            Change::Replace(new) => new,
            Change::Patch(how, patch) => patched(kind, how, &old, &patch)?,
        };
        let warnings = decode::decode(kind, namespace, &mut new, options.validation)?;
        match object::name(&new) {
            "" if is_replace => put(&mut new, &["metadata", "name"], Value::from(name)),
            found if found == name => {}
            found => {
                return Err(ApiError::bad_request(format!(
                    "the name of the object ({found}) does not match the name on the URL ({name})"
                )));
            }
        }
        check_version(kind, &old, &new, is_replace)?;
        self.settle(kind, &old, new, options, warnings, None)
    }

    fn apply(
        &mut self,
        kind: &ResourceType,
        namespace: &str,
        name: &str,
        mut applied: Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        if object::at(&applied, &["metadata", "managedFields"])
            .is_some_and(|fields| !fields.is_null())
        {
            return Err(ApiError::bad_request("metadata.managedFields must be nil"));
        }
        drop_nulls(&mut applied);
        let warnings = decode_applied(kind, namespace, &mut applied, options)?;
        match object::name(&applied) {
            "" => put(&mut applied, &["metadata", "name"], Value::from(name)),
            found if found == name => {}
            found => {
                return Err(ApiError::bad_request(format!(
                    "the name of the object ({found}) does not match the name on the URL ({name})"
                )));
            }
        }
        let at = place_of(kind, namespace, name);
        let Some(stored) = self.store.get(&kind.store_key, &at) else {
            if !options.subresource.is_empty() {
                return Err(ApiError::not_found(kind.subject(name)));
            }
            if text(&applied, &["metadata", "uid"]).is_some() {
                let why = "uid mismatch: the provided object specified uid, and no existing object was found";
                return Err(ApiError::conflict(kind.subject(name), why));
            }
            return self.create_by_apply(kind, &applied, options, warnings);
        };
        let old = shown(kind, &stored);
        check_version(kind, &old, &applied, false)?;
        if options.subresource == "status" {
            keep_status(&mut applied);
        } else if kind.has_status {
            take(&mut applied, &["status"]);
        }
        for field in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "selfLink",
        ] {
            take(&mut applied, &["metadata", field]);
        }
        let writer = self.writer(kind, options);
        let mut new = managed::apply(
            Some(&old),
            &applied,
            &kind.schema,
            &writer,
            options.is_forced,
        )?;
        let fields = take(&mut new, &["metadata", "managedFields"]);
        if kind.is_custom {
            crate::schema::fill::fill(&mut new, &kind.schema);
        }
        self.settle(kind, &old, new, options, warnings, fields.as_ref())
    }

    /// Carries a changed object through defaults, validation and bookkeeping into the store.
    ///
    /// `applied_fields` are the managed fields of an apply; without them the change is tracked as an update.
    pub(super) fn settle(
        &mut self,
        kind: &ResourceType,
        old: &Value,
        mut new: Value,
        options: &WriteOptions,
        warnings: Vec<String>,
        applied_fields: Option<&Value>,
    ) -> Result<Written, ApiError> {
        let is_apply = applied_fields.is_some();
        keep_fixed(kind, old, &mut new, &options.subresource);
        defaults::fill(kind, &mut new);
        let name = object::name(old).to_owned();
        self.assign_addresses(kind, &mut new, Some(old))
            .map_err(|problem| ApiError::invalid(kind.subject(&name), &[problem]))?;
        count_generation(kind, old, &mut new);
        if is_apply {
            put_or_take(&mut new, &["metadata", "managedFields"], applied_fields);
        } else {
            managed::track_update(
                Some(old),
                &mut new,
                &kind.schema,
                &self.writer(kind, options),
            );
        }
        let mut problems = new_finalizers(old, &new);
        problems.extend(validate::check(kind, &new, Some(old)));
        if !problems.is_empty() {
            return Err(ApiError::invalid(kind.subject(&name), &problems));
        }
        check_size(&new)?;
        if new == *old || options.is_dry_run {
            return Ok(Written {
                object: new,
                is_new: false,
                warnings,
            });
        }
        let at = place_of(kind, object::namespace(old), &name);
        let stored = kept(kind, new);
        if is_finished(&stored) {
            let last = self.store.write(&kind.store_key, &at, stored);
            let object = shown(kind, &last);
            self.remove(&kind.store_key, &at);
            return Ok(Written {
                object,
                is_new: false,
                warnings,
            });
        }
        let written = self.store.write(&kind.store_key, &at, stored);
        self.after_write(kind, &written);
        Ok(Written {
            object: shown(kind, &written),
            is_new: false,
            warnings,
        })
    }
}

/// Whether nothing holds a terminating object back any more.
fn is_finished(object: &Value) -> bool {
    object::is_terminating(object)
        && object::finalizers(object).is_empty()
        && object::whole(object, &["metadata", "deletionGracePeriodSeconds"]).unwrap_or(0) == 0
        && object::list(object, &["spec", "finalizers"]).is_empty()
}

fn check_version(
    kind: &ResourceType,
    old: &Value,
    new: &Value,
    is_replace: bool,
) -> Result<(), ApiError> {
    let subject = kind.subject(object::name(old));
    if let Some(uid) =
        text(new, &["metadata", "uid"]).filter(|uid| !uid.is_empty() && *uid != object::uid(old))
    {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            object::uid(old)
        );
        return Err(ApiError::conflict(subject, &why));
    }
    match text(new, &["metadata", "resourceVersion"]).filter(|version| !version.is_empty()) {
        Some(version) if Some(version) == text(old, &["metadata", "resourceVersion"]) => Ok(()),
        Some(_) => Err(ApiError::modified(subject)),
        None if is_replace && kind.is_custom => {
            let problem = FieldError::invalid(
                "metadata.resourceVersion",
                &Value::from(0),
                "must be specified for an update",
            );
            Err(ApiError::invalid(subject, &[problem]))
        }
        None => Ok(()),
    }
}

/// Puts back what this endpoint may not change.
fn keep_fixed(kind: &ResourceType, old: &Value, new: &mut Value, subresource: &str) {
    match subresource {
        "status" => {
            let status = object::at(new, &["status"]).cloned();
            let fields = object::at(new, &["metadata", "managedFields"]).cloned();
            *new = old.clone();
            put_or_take(new, &["status"], status.as_ref());
            put_or_take(new, &["metadata", "managedFields"], fields.as_ref());
        }
        "finalize" => {
            let finalizers = object::at(new, &["spec", "finalizers"]).cloned();
            *new = old.clone();
            put_or_take(new, &["spec", "finalizers"], finalizers.as_ref());
        }
        _ if kind.has_status => put_or_take(new, &["status"], object::at(old, &["status"])),
        _ => {}
    }
    if kind.is("", "namespaces") && subresource != "finalize" {
        put_or_take(
            new,
            &["spec", "finalizers"],
            object::at(old, &["spec", "finalizers"]),
        );
    }
    for field in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "namespace",
        "selfLink",
    ] {
        let path = ["metadata", field];
        put_or_take(new, &path, object::at(old, &path));
    }
}

/// Raises the generation when something outside metadata and status changed.
fn count_generation(kind: &ResourceType, old: &Value, new: &mut Value) {
    if kind.generation != Generation::Counted {
        return;
    }
    let essence = |object: &Value| {
        let mut object = object.clone();
        take(&mut object, &["metadata"]);
        if kind.has_status {
            take(&mut object, &["status"]);
        }
        object
    };
    if essence(old) != essence(new) {
        let generation = object::whole(old, &["metadata", "generation"]).unwrap_or(0);
        put(
            new,
            &["metadata", "generation"],
            Value::from(generation + 1),
        );
    }
}

fn new_finalizers(old: &Value, new: &Value) -> Vec<FieldError> {
    if !object::is_terminating(old) {
        return Vec::new();
    }
    let before = object::finalizers(old);
    let added: Vec<&str> = object::finalizers(new)
        .into_iter()
        .filter(|finalizer| !before.contains(finalizer))
        .collect();
    if added.is_empty() {
        return Vec::new();
    }
    vec![FieldError::forbidden(
        "metadata.finalizers",
        format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{added:?}"
        ),
    )]
}

/// Decodes an applied object without the defaults that only the merged object gets.
fn decode_applied(
    kind: &ResourceType,
    namespace: &str,
    applied: &mut Value,
    options: &WriteOptions,
) -> Result<Vec<String>, ApiError> {
    if !kind.is_custom {
        return decode::decode(kind, namespace, applied, options.validation);
    }
    let mut probe = applied.clone();
    let warnings = decode::decode(kind, namespace, &mut probe, options.validation)?;
    if object::namespace(applied).is_empty() {
        put_or_take(
            applied,
            &["metadata", "namespace"],
            object::at(&probe, &["metadata", "namespace"]),
        );
    }
    crate::schema::shape::shape(applied, &kind.schema);
    Ok(warnings)
}

/// Leaves only what identifies the object, and its status.
fn keep_status(applied: &mut Value) {
    object::object(applied)
        .retain(|key, _| matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
    if let Some(metadata) = applied.get_mut("metadata") {
        object::object(metadata).retain(|key, _| matches!(key.as_str(), "name" | "namespace"));
    }
}

/// Removes nulls: an applied null means that the field is not applied.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, child| !child.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
