//! Serves create, update, patch, delete and delete of a collection.

use std::sync::Arc;

use http::{Method, Response, header};
use serde_json::{Value, json};

use super::{Call, Core, reply, reply::ReplyBody, route::Target};
use crate::{
    cluster::{Change, DeleteOptions, Validation, WriteOptions, Written, shown},
    object,
    patch::PatchKind,
    resource::ResourceType,
    selector::Selector,
    status::{ApiError, FieldError},
    table::Shape,
};

/// Characters of a field manager.
const MANAGER_LENGTH_MAX: usize = 128;
const PATCH_TYPES: &str = "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml";

impl Core {
    pub(super) fn write(
        &self,
        kind: &Arc<ResourceType>,
        target: &Target,
        method: &Method,
        call: &Call,
    ) -> Result<Response<ReplyBody>, ApiError> {
        let namespace = target.namespace.as_deref().unwrap_or_default();
        match (method.as_str(), target.name.as_deref()) {
            ("POST", None) => self.create(kind, namespace, call),
            ("POST", Some(name)) => {
                self.create_below(kind, namespace, name, &target.subresource, call)
            }
            ("PUT", Some(name)) => {
                let change = Change::Replace(body_of(call)?);
                self.change(kind, namespace, name, &target.subresource, change, call)
            }
            ("PATCH", Some(name)) => {
                let how = PatchKind::of(&media_type(call))
                    .ok_or_else(|| ApiError::unsupported_media(PATCH_TYPES))?;
                let change = Change::Patch(how, patch_of(call, how)?);
                self.change(kind, namespace, name, &target.subresource, change, call)
            }
            ("DELETE", Some(name)) if target.subresource.is_empty() => {
                let options = delete_options(call)?;
                let outcome = self.cluster().delete(kind, namespace, name, &options)?;
                Ok(reply::json(200, &outcome))
            }
            ("DELETE", None) if !kind.is_virtual && !kind.is("", "namespaces") => {
                self.delete_many(kind, namespace, call)
            }
            _ => Err(ApiError::method_not_allowed()),
        }
    }

    fn create(
        &self,
        kind: &ResourceType,
        namespace: &str,
        call: &Call,
    ) -> Result<Response<ReplyBody>, ApiError> {
        if kind.is_namespaced && namespace.is_empty() {
            return Err(ApiError::method_not_allowed());
        }
        let options = write_options(call, "")?;
        let written = self
            .cluster()
            .create(kind, namespace, body_of(call)?, &options)?;
        Ok(answer(kind, &written, &self.shape(call)))
    }

    fn create_below(
        &self,
        kind: &ResourceType,
        namespace: &str,
        name: &str,
        subresource: &str,
        call: &Call,
    ) -> Result<Response<ReplyBody>, ApiError> {
        let body = body_of(call)?;
        let options = write_options(call, subresource)?;
        let outcome = match subresource {
            "binding" if kind.is("", "pods") => self
                .cluster()
                .bind(kind, namespace, name, &body, &options)?,
            "eviction" if kind.is("", "pods") => {
                self.cluster().evict(kind, namespace, name, &body)?
            }
            "" => return Err(ApiError::method_not_allowed()),
            _ => return Err(ApiError::no_such_path()),
        };
        Ok(reply::json(201, &outcome))
    }

    fn change(
        &self,
        kind: &ResourceType,
        namespace: &str,
        name: &str,
        subresource: &str,
        change: Change,
        call: &Call,
    ) -> Result<Response<ReplyBody>, ApiError> {
        let options = write_options(call, subresource)?;
        if matches!(change, Change::Patch(PatchKind::Apply, _))
            && call.query.get("fieldManager").is_none()
        {
            let problem = FieldError::required("fieldManager", "is required for apply patch");
            return Err(patch_options(&problem));
        }
        let written = match subresource {
            "" => self
                .cluster()
                .change(kind, namespace, name, change, &options)?,
            "status" if kind.has_status => self
                .cluster()
                .change(kind, namespace, name, change, &options)?,
            "finalize" if kind.is("", "namespaces") => self
                .cluster()
                .change(kind, namespace, name, change, &options)?,
            "scale" if kind.scale.is_some() => self
                .cluster()
                .change_scale(kind, namespace, name, change, &options)?,
            _ => return Err(ApiError::no_such_path()),
        };
        Ok(answer(kind, &written, &self.shape(call)))
    }

    fn delete_many(
        &self,
        kind: &ResourceType,
        namespace: &str,
        call: &Call,
    ) -> Result<Response<ReplyBody>, ApiError> {
        let options = delete_options(call)?;
        let word = |key: &str| call.query.get(key).unwrap_or_default();
        let selector = Selector::parse(word("labelSelector"), word("fieldSelector"), kind)?;
        let mut cluster = self.cluster();
        let found: Vec<Value> = cluster
            .store
            .collection(&kind.store_key)
            .objects
            .iter()
            .filter(|(at, object)| {
                (namespace.is_empty() || at.0 == namespace) && selector.matches(object)
            })
            .map(|(_, object)| shown(kind, object))
            .collect();
        for object in &found {
            // An earlier deletion may have taken this object with it.
            let outcome = cluster.delete(
                kind,
                object::namespace(object),
                object::name(object),
                &options,
            );
            if let Err(error) = outcome
                && error.code != 404
            {
                return Err(error);
            }
        }
        let metadata = json!({ "resourceVersion": cluster.store.version().to_string() });
        Ok(reply::json(
            200,
            &self.shape(call).many(kind, found, &metadata),
        ))
    }
}

fn answer(kind: &ResourceType, written: &Written, shape: &Shape) -> Response<ReplyBody> {
    let code = if written.is_new { 201 } else { 200 };
    let mut response = reply::json(code, &shape.one(kind, &written.object));
    reply::warn(&mut response, &written.warnings);
    response
}

fn media_type(call: &Call) -> String {
    call.headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn body_of(call: &Call) -> Result<Value, ApiError> {
    match media_type(call).as_str() {
        "" | "application/json" => json_of(call),
        "application/yaml" => yaml_of(call),
        _ => Err(ApiError::unsupported_media(
            "application/json, application/yaml",
        )),
    }
}

fn patch_of(call: &Call, how: PatchKind) -> Result<Value, ApiError> {
    match (json_of(call), how) {
        (Err(_), PatchKind::Apply) => yaml_of(call),
        (patch, _) => patch,
    }
}

fn json_of(call: &Call) -> Result<Value, ApiError> {
    serde_json::from_slice(&call.body).map_err(|error| {
        ApiError::bad_request(format!("the object provided is unrecognized: {error}"))
    })
}

fn yaml_of(call: &Call) -> Result<Value, ApiError> {
    let text = std::str::from_utf8(&call.body)
        .map_err(|_| ApiError::bad_request("the body is no UTF-8 text"))?;
    crate::yaml::parse(text)
        .map_err(|error| ApiError::bad_request(format!("error decoding YAML: {error}")))
}

fn patch_options(problem: &FieldError) -> ApiError {
    let subject = crate::status::Subject {
        group: "meta.k8s.io",
        plural: "patchoptions",
        kind: "PatchOptions",
        name: "",
    };
    ApiError::invalid(subject, std::slice::from_ref(problem))
}

fn write_options(call: &Call, subresource: &str) -> Result<WriteOptions, ApiError> {
    let given = call.query.get("fieldManager");
    let manager = given.unwrap_or_else(|| {
        let agent = call
            .headers
            .get(header::USER_AGENT)
            .and_then(|agent| agent.to_str().ok());
        agent
            .and_then(|agent| agent.split('/').next())
            .unwrap_or("unknown")
    });
    if given.is_some_and(|manager| manager.len() > MANAGER_LENGTH_MAX) {
        let words = format!("may not be more than {MANAGER_LENGTH_MAX} bytes");
        return Err(patch_options(&FieldError::invalid(
            "fieldManager",
            &Value::from(manager),
            words,
        )));
    }
    let validation = match call.query.get("fieldValidation") {
        Some("Strict") => Validation::Strict,
        Some("Ignore") => Validation::Ignore,
        None | Some("Warn") => Validation::Warn,
        Some(other) => {
            let supported = ["Ignore", "Strict", "Warn"].map(ToOwned::to_owned);
            return Err(patch_options(&FieldError::not_supported(
                "fieldValidation",
                &Value::from(other),
                &supported,
            )));
        }
    };
    Ok(WriteOptions {
        manager: manager.chars().take(MANAGER_LENGTH_MAX).collect(),
        is_dry_run: is_dry_run(call)?,
        validation,
        is_forced: call.query.flag("force"),
        subresource: subresource.to_owned(),
    })
}

fn is_dry_run(call: &Call) -> Result<bool, ApiError> {
    match call.query.get("dryRun") {
        None => Ok(false),
        Some("All") => Ok(true),
        Some(other) => {
            let problem = FieldError::not_supported("dryRun", &json!([other]), &["All".to_owned()]);
            Err(patch_options(&problem))
        }
    }
}

fn delete_options(call: &Call) -> Result<DeleteOptions, ApiError> {
    let mut options = DeleteOptions::default();
    if let Some(policy) = call.query.get("propagationPolicy") {
        options.read_policy(policy)?;
    }
    options.grace_s = call
        .query
        .get("gracePeriodSeconds")
        .and_then(|seconds| seconds.parse().ok());
    options.is_dry_run = is_dry_run(call)?;
    if !call.body.is_empty() {
        options.read(&body_of(call)?)?;
    }
    Ok(options)
}
