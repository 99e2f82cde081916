//! Creates objects.

use serde_json::{Value, json};

use super::{Cluster, WriteOptions, Written, check_size, decode, kept, place_of, shown};
use crate::{
    defaults,
    managed::{self, Writer},
    object::{self, put, take, text},
    resource::{Generation, ResourceType},
    status::{ApiError, FieldError},
    validate,
};

impl Cluster {
    /// Creates an object.
    ///
    /// # Errors
    /// 400, 403, 404, 409, 413 or 422, as kube-apiserver answers.
    pub(crate) fn create(
        &mut self,
        kind: &ResourceType,
        namespace: &str,
        mut object: Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let warnings = decode::decode(kind, namespace, &mut object, options.validation)?;
        if kind.is_virtual {
            put(
                &mut object,
                &["status"],
                json!({ "allowed": true, "reason": "every request is allowed here" }),
            );
            return Ok(Written {
                object,
                is_new: true,
                warnings,
            });
        }
        self.begin(kind, &mut object)?;
        let mut object = self.admit_new(kind, object)?;
        managed::track_update(None, &mut object, &kind.schema, &self.writer(kind, options));
        self.insert(kind, object, options, warnings)
    }

    /// Creates an object by server-side apply.
    ///
    /// # Errors
    /// As `create`.
    pub(super) fn create_by_apply(
        &mut self,
        kind: &ResourceType,
        applied: &Value,
        options: &WriteOptions,
        warnings: Vec<String>,
    ) -> Result<Written, ApiError> {
        let writer = self.writer(kind, options);
        let mut object = managed::apply(None, applied, &kind.schema, &writer, true)?;
        let fields = take(&mut object, &["metadata", "managedFields"]);
        self.begin(kind, &mut object)?;
        let mut object = self.admit_new(kind, object)?;
        object::put_or_take(&mut object, &["metadata", "managedFields"], fields.as_ref());
        self.insert(kind, object, options, warnings)
    }

    pub(super) fn writer<'a>(
        &self,
        kind: &'a ResourceType,
        options: &'a WriteOptions,
    ) -> Writer<'a> {
        Writer {
            manager: &options.manager,
            api_version: &kind.stored_as,
            subresource: &options.subresource,
            has_status: kind.has_status,
            now: self.now(),
        }
    }

    /// Names the object and clears what the client may not set.
    fn begin(&mut self, kind: &ResourceType, object: &mut Value) -> Result<(), ApiError> {
        if text(object, &["metadata", "resourceVersion"]).is_some_and(|version| !version.is_empty())
        {
            return Err(ApiError::bad_request(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        if object::name(object).is_empty() {
            let prefix = text(object, &["metadata", "generateName"])
                .unwrap_or_default()
                .to_owned();
            if prefix.is_empty() {
                let problem =
                    FieldError::required("metadata.name", "name or generateName is required");
                return Err(ApiError::invalid(kind.subject(""), &[problem]));
            }
            let name = format!("{prefix}{}", self.next_suffix());
            put(object, &["metadata", "name"], Value::from(name));
        }
        for field in [
            "uid",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "resourceVersion",
        ] {
            take(object, &["metadata", field]);
        }
        if kind.is_namespaced {
            self.check_namespace(kind, object::namespace(object), object::name(object))?;
        }
        Ok(())
    }

    fn check_namespace(
        &self,
        kind: &ResourceType,
        namespace: &str,
        name: &str,
    ) -> Result<(), ApiError> {
        let Some(namespaces) = self.registry.find("", "v1", "namespaces") else {
            return Ok(());
        };
        let found = self.stored(&namespaces, "", namespace)?;
        if object::is_terminating(&found) {
            let why = format!(
                "unable to create new content in namespace {namespace} because it is being terminated"
            );
            let mut error = ApiError::forbidden(kind.subject(name), &why);
            if let Some(details) = &mut error.details {
                crate::object::put(
                    details,
                    &["causes"],
                    json!([{
                        "reason": "NamespaceTerminating",
                        "message": format!("namespace {namespace} is being terminated"),
                        "field": "metadata.namespace",
                    }]),
                );
            }
            return Err(error);
        }
        Ok(())
    }

    /// Fills in what a new object gets from the server, and validates it.
    fn admit_new(&mut self, kind: &ResourceType, mut object: Value) -> Result<Value, ApiError> {
        // A node may be registered with its status; every other status starts empty.
        if kind.has_status && !kind.is("", "nodes") {
            take(&mut object, &["status"]);
        }
        let uid = self.next_uid();
        put(&mut object, &["metadata", "uid"], Value::from(uid));
        put(
            &mut object,
            &["metadata", "creationTimestamp"],
            Value::from(self.timestamp()),
        );
        if kind.generation == Generation::Counted {
            put(&mut object, &["metadata", "generation"], Value::from(1));
        }
        defaults::fill_new(kind, &mut object);
        defaults::fill(kind, &mut object);
        let name = object::name(&object).to_owned();
        self.assign_addresses(kind, &mut object, None)
            .map_err(|problem| ApiError::invalid(kind.subject(&name), &[problem]))?;
        let problems = validate::check(kind, &object, None);
        if !problems.is_empty() {
            return Err(ApiError::invalid(kind.subject(&name), &problems));
        }
        Ok(object)
    }

    fn insert(
        &mut self,
        kind: &ResourceType,
        object: Value,
        options: &WriteOptions,
        warnings: Vec<String>,
    ) -> Result<Written, ApiError> {
        let at = place_of(kind, object::namespace(&object), object::name(&object));
        if self.store.get(&kind.store_key, &at).is_some() {
            return Err(ApiError::already_exists(kind.subject(&at.1)));
        }
        check_size(&object)?;
        let stored = kept(kind, object);
        if options.is_dry_run {
            return Ok(Written {
                object: shown(kind, &stored),
                is_new: true,
                warnings,
            });
        }
        let written = self.store.write(&kind.store_key, &at, stored);
        self.after_write(kind, &written);
        self.collect_if_ownerless(kind, &written);
        Ok(Written {
            object: shown(kind, &written),
            is_new: true,
            warnings,
        })
    }
}
