//! Validates names, labels, annotations, owners and finalizers.

use serde_json::Value;

use crate::{
    object::{at, list, name, text},
    resource::ResourceType,
    status::{FieldError, FieldFault},
};

/// Characters of a DNS label.
const LABEL_LENGTH_MAX: usize = 63;
/// Characters of a DNS subdomain.
const SUBDOMAIN_LENGTH_MAX: usize = 253;
/// Bytes of all annotations together.
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1_024;

const SUBDOMAIN_WORDS: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_WORDS: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SERVICE_WORDS: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const VALUE_WORDS: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const KEY_WORDS: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// All broken rules of an object's metadata.
pub(super) fn check(kind: &ResourceType, object: &Value) -> Vec<FieldError> {
    let mut problems = Vec::new();
    check_name(kind, name(object), &mut problems);
    check_labels(
        at(object, &["metadata", "labels"]),
        "metadata.labels",
        &mut problems,
    );
    let mut bytes = 0;
    for (key, value) in at(object, &["metadata", "annotations"])
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        bytes += key.len() + value.as_str().map_or(0, str::len);
        if !is_qualified_name(&key.to_ascii_lowercase()) {
            problems.push(FieldError::invalid(
                "metadata.annotations",
                &Value::from(key.as_str()),
                KEY_WORDS,
            ));
        }
    }
    if bytes > ANNOTATIONS_BYTES_MAX {
        problems.push(FieldError {
            field: "metadata.annotations".to_owned(),
            fault: FieldFault::TooLong(ANNOTATIONS_BYTES_MAX),
        });
    }
    let mut controllers = 0;
    for (index, owner) in list(object, &["metadata", "ownerReferences"])
        .iter()
        .enumerate()
    {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if text(owner, &[field]).is_none_or(str::is_empty) {
                let words = if field == "apiVersion" {
                    "version"
                } else {
                    field
                };
                problems.push(FieldError::invalid(
                    format!("metadata.ownerReferences[{index}].{field}"),
                    &Value::from(""),
                    format!("{words} must not be empty"),
                ));
            }
        }
        controllers += usize::from(owner.get("controller").and_then(Value::as_bool) == Some(true));
    }
    if controllers > 1 {
        let owners = at(object, &["metadata", "ownerReferences"]).unwrap_or(&Value::Null);
        problems.push(FieldError::invalid(
            "metadata.ownerReferences",
            owners,
            "Only one reference can have Controller set to true",
        ));
    }
    for finalizer in list(object, &["metadata", "finalizers"]) {
        if !is_qualified_name(finalizer.as_str().unwrap_or_default()) {
            problems.push(FieldError::invalid(
                "metadata.finalizers",
                finalizer,
                KEY_WORDS,
            ));
        }
    }
    problems
}

fn check_name(kind: &ResourceType, name: &str, problems: &mut Vec<FieldError>) {
    let mut refuse = |words: &str| {
        problems.push(FieldError::invalid(
            "metadata.name",
            &Value::from(name),
            words,
        ));
    };
    match (kind.group.as_str(), kind.plural.as_str()) {
        // Names of RBAC objects are path segments.
        ("rbac.authorization.k8s.io", _)
            if matches!(name, "." | "..") || name.contains('/') || name.contains('%') =>
        {
            refuse("may not be '.', '..', or contain '/' or '%'");
        }
        ("rbac.authorization.k8s.io", _) => {}
        ("", "services") if !is_service_name(name) => {
            refuse(length_or(name, SERVICE_WORDS).as_str())
        }
        ("", "namespaces") if !is_label(name) => refuse(length_or(name, LABEL_WORDS).as_str()),
        ("", "services" | "namespaces") => {}
        _ if !is_subdomain(name) => refuse(SUBDOMAIN_WORDS),
        _ => {}
    }
}

fn length_or(name: &str, words: &str) -> String {
    if name.len() > LABEL_LENGTH_MAX {
        format!("must be no more than {LABEL_LENGTH_MAX} characters")
    } else {
        words.to_owned()
    }
}

/// Adds the broken rules of labels.
pub(super) fn check_labels(labels: Option<&Value>, path: &str, problems: &mut Vec<FieldError>) {
    for (key, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        if !is_qualified_name(key) {
            problems.push(FieldError::invalid(
                path,
                &Value::from(key.as_str()),
                KEY_WORDS,
            ));
        }
        let text = value.as_str().unwrap_or_default();
        if text.len() > LABEL_LENGTH_MAX {
            problems.push(FieldError::invalid(
                path,
                value,
                format!("must be no more than {LABEL_LENGTH_MAX} bytes"),
            ));
        } else if !text.is_empty() && !is_name_part(text) {
            problems.push(FieldError::invalid(path, value, VALUE_WORDS));
        }
    }
}

fn is_label_char(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

/// Whether text is a DNS label.
pub(super) fn is_label(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= LABEL_LENGTH_MAX
        && name.starts_with(is_label_char)
        && name.ends_with(is_label_char)
        && name.chars().all(|c| is_label_char(c) || c == '-')
}

fn is_service_name(name: &str) -> bool {
    is_label(name) && name.starts_with(|c: char| c.is_ascii_lowercase())
}

fn is_subdomain(name: &str) -> bool {
    let is_part = |part: &str| {
        part.starts_with(is_label_char)
            && part.ends_with(is_label_char)
            && part.chars().all(|c| is_label_char(c) || c == '-')
    };
    name.len() <= SUBDOMAIN_LENGTH_MAX && name.split('.').all(is_part)
}

fn is_name_part(name: &str) -> bool {
    name.len() <= LABEL_LENGTH_MAX
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn is_qualified_name(name: &str) -> bool {
    match name.split_once('/') {
        Some((prefix, rest)) => is_subdomain(prefix) && is_name_part(rest),
        None => is_name_part(name),
    }
}
