//! Validates Services, Ingresses, ConfigMaps, Secrets and CRDs.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    object::{at, list, name, text, whole},
    status::FieldError,
};

/// Adds the broken rules of a Service.
pub(super) fn check_service(new: &Value, old: Option<&Value>, problems: &mut Vec<FieldError>) {
    let service_type = text(new, &["spec", "type"]).unwrap_or_default();
    if !matches!(
        service_type,
        "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName"
    ) {
        let supported =
            ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"].map(ToOwned::to_owned);
        problems.push(FieldError::not_supported(
            "spec.type",
            &Value::from(service_type),
            &supported,
        ));
    }
    let ports = list(new, &["spec", "ports"]);
    let is_headless = text(new, &["spec", "clusterIP"]) == Some("None");
    if ports.is_empty() && service_type != "ExternalName" && !is_headless {
        problems.push(FieldError::required("spec.ports", ""));
    }
    if service_type == "ExternalName"
        && text(new, &["spec", "externalName"]).is_none_or(str::is_empty)
    {
        problems.push(FieldError::required("spec.externalName", ""));
    }
    let mut names = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        let number = whole(port, &["port"]).unwrap_or(0);
        if !(1..=65_535).contains(&number) {
            problems.push(FieldError::invalid(
                format!("{path}.port"),
                &Value::from(number),
                "must be between 1 and 65535, inclusive",
            ));
        }
        let port_name = text(port, &["name"]).unwrap_or_default();
        if port_name.is_empty() && ports.len() > 1 {
            problems.push(FieldError::required(format!("{path}.name"), ""));
        } else if !port_name.is_empty() && !names.insert(port_name) {
            problems.push(FieldError::duplicate(
                format!("{path}.name"),
                &Value::from(port_name),
            ));
        }
        if !numbers.insert((number, text(port, &["protocol"]))) {
            problems.push(FieldError::duplicate(path, port));
        }
    }
    let address = at(new, &["spec", "clusterIP"]);
    let before = old.and_then(|old| at(old, &["spec", "clusterIP"]));
    let is_external = |service: &Value| text(service, &["spec", "type"]) == Some("ExternalName");
    if let (Some(_), Some(address)) = (before, address)
        && before != Some(address)
        && !old.is_some_and(is_external)
    {
        problems.push(FieldError::invalid(
            "spec.clusterIPs[0]",
            at(new, &["spec", "clusterIPs"]).unwrap_or(address),
            "may not change once set",
        ));
    }
}

/// Adds the broken rules of a ConfigMap or Secret. Values never appear in the words.
pub(super) fn check_keyed(new: &Value, old: Option<&Value>, problems: &mut Vec<FieldError>) {
    for field in ["data", "binaryData"] {
        for key in new
            .get(field)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(key, _)| key)
        {
            let fits = key.len() <= 253
                && !matches!(key.as_str(), "" | "." | "..")
                && key
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
            if !fits {
                problems.push(FieldError::invalid(
                    format!("{field}[{key}]"),
                    &Value::from(key.as_str()),
                    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
                ));
            }
        }
    }
    let Some(old) = old else {
        return;
    };
    if old.get("immutable").and_then(Value::as_bool) == Some(true) {
        for field in ["data", "binaryData", "immutable"] {
            if old.get(field) != new.get(field) {
                problems.push(FieldError::forbidden(
                    field,
                    "field is immutable when `immutable` is set",
                ));
            }
        }
    }
    if old.get("type") != new.get("type") {
        problems.push(FieldError::immutable(
            "type",
            new.get("type").unwrap_or(&Value::Null),
        ));
    }
}

/// Adds the broken rules of an Ingress.
pub(super) fn check_ingress(new: &Value, problems: &mut Vec<FieldError>) {
    let rules = list(new, &["spec", "rules"]);
    if rules.is_empty() && at(new, &["spec", "defaultBackend"]).is_none() {
        problems.push(FieldError::invalid(
            "spec",
            at(new, &["spec"]).unwrap_or(&Value::Null),
            "either `defaultBackend` or `rules` must be specified",
        ));
    }
    for (index, rule) in rules.iter().enumerate() {
        for (inner, path) in list(rule, &["http", "paths"]).iter().enumerate() {
            let here = format!("spec.rules[{index}].http.paths[{inner}]");
            match text(path, &["pathType"]) {
                Some("Exact" | "Prefix" | "ImplementationSpecific") => {}
                None => problems.push(FieldError::required(
                    format!("{here}.pathType"),
                    "pathType must be specified",
                )),
                Some(other) => {
                    let supported =
                        ["Exact", "ImplementationSpecific", "Prefix"].map(ToOwned::to_owned);
                    problems.push(FieldError::not_supported(
                        format!("{here}.pathType"),
                        &Value::from(other),
                        &supported,
                    ));
                }
            }
            if at(path, &["backend", "service"]).is_none()
                && at(path, &["backend", "resource"]).is_none()
            {
                problems.push(FieldError::required(
                    format!("{here}.backend"),
                    "a service or a resource is required",
                ));
            }
        }
    }
}

/// Adds the broken rules of a CRD.
pub(super) fn check_definition(new: &Value, problems: &mut Vec<FieldError>) {
    let group = text(new, &["spec", "group"]).unwrap_or_default();
    let plural = text(new, &["spec", "names", "plural"]).unwrap_or_default();
    if name(new) != format!("{plural}.{group}") {
        problems.push(FieldError::invalid(
            "metadata.name",
            &Value::from(name(new)),
            "must be spec.names.plural+\".\"+spec.group",
        ));
    }
    for (path, field) in [("spec.group", group), ("spec.names.plural", plural)] {
        if field.is_empty() {
            problems.push(FieldError::required(path, ""));
        }
    }
    if text(new, &["spec", "names", "kind"]).is_none_or(str::is_empty) {
        problems.push(FieldError::required("spec.names.kind", ""));
    }
    if let Some(scope) =
        text(new, &["spec", "scope"]).filter(|scope| !matches!(*scope, "Namespaced" | "Cluster"))
    {
        let supported = ["Cluster", "Namespaced"].map(ToOwned::to_owned);
        problems.push(FieldError::not_supported(
            "spec.scope",
            &Value::from(scope),
            &supported,
        ));
    }
    let versions = list(new, &["spec", "versions"]);
    let stored = versions
        .iter()
        .filter(|version| version.get("storage").and_then(Value::as_bool) == Some(true))
        .count();
    if stored != 1 {
        problems.push(FieldError::invalid(
            "spec.versions",
            at(new, &["spec", "versions"]).unwrap_or(&Value::Null),
            "must have exactly one version marked as storage version",
        ));
    }
    for (index, version) in versions.iter().enumerate() {
        if at(version, &["schema", "openAPIV3Schema"]).is_none() {
            problems.push(FieldError::required(
                format!("spec.versions[{index}].schema.openAPIV3Schema"),
                "schemas are required",
            ));
        }
    }
}
