//! Sets namespaces and puts prefixes and suffixes on names.

use serde_json::Value;

use crate::error::Fault;
use crate::field::{self, Create};
use crate::id::Gvk;
use crate::resource::{Resource, text};

/// Puts every namespaced object, and what names a namespace, into `namespace`.
pub(super) fn namespace(resources: &mut [Resource], namespace: &str) -> Result<(), Fault> {
    if namespace.is_empty() {
        return Ok(());
    }
    for resource in resources {
        resource.remember();
        let gvk = resource.gvk();
        if !gvk.is_cluster_scoped() {
            resource.set_namespace(namespace);
        }
        if gvk.kind == "RoleBinding" || gvk.kind == "ClusterRoleBinding" {
            default_subjects(&mut resource.json, namespace);
        }
        let set = &mut |slot: &mut Value| {
            *slot = Value::String(namespace.to_owned());
            Ok(())
        };
        let json = &mut resource.json;
        match (gvk.group.as_str(), gvk.version.as_str(), gvk.kind.as_str()) {
            ("", "v1", "Namespace") => field::visit(json, "metadata/name", Create::Scalar, set)?,
            ("apiregistration.k8s.io", _, "APIService") => {
                field::visit(json, "spec/service/namespace", Create::Scalar, set)?;
            }
            ("apiextensions.k8s.io", _, "CustomResourceDefinition") => {
                let path = "spec/conversion/webhook/clientConfig/service/namespace";
                field::visit(json, path, Create::Nothing, set)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// kustomize moves only the subjects named `default`; others are followed as
/// references.
fn default_subjects(json: &mut Value, namespace: &str) {
    let subjects = json.get_mut("subjects").and_then(Value::as_array_mut);
    for subject in subjects.into_iter().flatten() {
        if text(subject.get("name")) == "default"
            && let Value::Object(subject) = subject
        {
            subject.insert("namespace".to_owned(), Value::from(namespace));
        }
    }
}

/// Puts a prefix on names.
pub(super) fn prefix(resources: &mut [Resource], prefix: &str) {
    if prefix.is_empty() {
        return;
    }
    for resource in resources.iter_mut().filter(|r| may_be_renamed(r)) {
        resource.prefixes.push(prefix.to_owned());
        resource.remember();
        let name = format!("{prefix}{}", resource.name());
        resource.set_name(&name);
    }
}

/// Puts a suffix on names.
pub(super) fn suffix(resources: &mut [Resource], suffix: &str) {
    if suffix.is_empty() {
        return;
    }
    for resource in resources.iter_mut().filter(|r| may_be_renamed(r)) {
        resource.suffixes.push(suffix.to_owned());
        resource.remember();
        let name = format!("{}{suffix}", resource.name());
        resource.set_name(&name);
    }
}

/// Some names mean something and stay: `things.example.com`, a namespace.
fn may_be_renamed(resource: &Resource) -> bool {
    let Gvk { group, kind, .. } = resource.original_id().gvk;
    match kind.as_str() {
        "CustomResourceDefinition" | "Namespace" => false,
        "APIService" => group != "apiregistration.k8s.io",
        _ => true,
    }
}
