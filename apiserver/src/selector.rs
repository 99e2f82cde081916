//! Reads label and field selectors and matches objects against them.
//!
//! Which fields of a kind can be selected is in `fields`; any other field is refused, as kube-apiserver does.

use serde_json::Value;

use crate::{
    object::{at, text},
    resource::ResourceType,
    status::{ApiError, plain},
};

/// Requirements in one selector.
const REQUIREMENTS_MAX: usize = 100;

/// A label selector and a field selector, both to be met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    labels: Vec<LabelRule>,
    fields: Vec<FieldRule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum LabelRule {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldRule {
    field: String,
    value: String,
    is_equal: bool,
}

impl Selector {
    /// Reads both selectors as the query parameters hold them.
    pub(crate) fn parse(labels: &str, fields: &str, kind: &ResourceType) -> Result<Self, ApiError> {
        let labels = split(labels)
            .into_iter()
            .map(|part| {
                label_rule(part).ok_or_else(|| {
                    ApiError::bad_request(format!(
                        "unable to parse requirement: found {part:?} in label selector"
                    ))
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let fields = split(fields)
            .into_iter()
            .map(|part| field_rule(part, kind))
            .collect::<Result<Vec<_>, _>>()?;
        if labels.len() + fields.len() > REQUIREMENTS_MAX {
            return Err(ApiError::bad_request(
                "the selector has too many requirements",
            ));
        }
        Ok(Self { labels, fields })
    }

    /// Whether an object meets both.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.labels.iter().all(|rule| rule.matches(object))
            && self.fields.iter().all(|rule| rule.matches(object))
    }
}

impl LabelRule {
    fn matches(&self, object: &Value) -> bool {
        let label = |key: &str| text(object, &["metadata", "labels", key]);
        match self {
            Self::In(key, values) => {
                label(key).is_some_and(|found| values.iter().any(|value| value == found))
            }
            Self::NotIn(key, values) => {
                !label(key).is_some_and(|found| values.iter().any(|value| value == found))
            }
            Self::Exists(key) => label(key).is_some(),
            Self::Absent(key) => label(key).is_none(),
        }
    }
}

impl FieldRule {
    fn matches(&self, object: &Value) -> bool {
        let path: Vec<&str> = self.field.split('.').collect();
        let found = at(object, &path).map(plain).unwrap_or_default();
        (found == self.value) == self.is_equal
    }
}

/// Splits at commas outside parentheses.
fn split(selector: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = selector;
    while !rest.trim().is_empty() {
        let mut depth = 0_usize;
        let end = rest.find(|c| match c {
            '(' => {
                depth += 1;
                false
            }
            ')' => {
                depth = depth.saturating_sub(1);
                false
            }
            ',' => depth == 0,
            _ => false,
        });
        let (part, after) = match end.and_then(|end| rest.split_at_checked(end)) {
            Some((part, after)) => (part, after.strip_prefix(',').unwrap_or(after)),
            None => (rest, ""),
        };
        parts.push(part.trim());
        rest = after;
    }
    parts
}

fn label_rule(part: &str) -> Option<LabelRule> {
    if let Some((left, list)) = part.split_once('(') {
        let values = list
            .trim()
            .strip_suffix(')')?
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect();
        let mut words = left.split_whitespace();
        return match (words.next()?, words.next()?, words.next()) {
            (key, "in", None) => Some(LabelRule::In(label_key(key)?, values)),
            (key, "notin", None) => Some(LabelRule::NotIn(label_key(key)?, values)),
            _ => None,
        };
    }
    if let Some((key, value)) = part.split_once("!=") {
        return Some(LabelRule::NotIn(label_key(key)?, vec![label_value(value)?]));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Some(LabelRule::In(label_key(key)?, vec![label_value(value)?]));
    }
    match part.strip_prefix('!') {
        Some(key) => Some(LabelRule::Absent(label_key(key)?)),
        None => Some(LabelRule::Exists(label_key(part)?)),
    }
}

fn label_key(key: &str) -> Option<String> {
    let key = key.trim();
    let fits = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
    fits.then(|| key.to_owned())
}

fn label_value(value: &str) -> Option<String> {
    let value = value.trim();
    let fits = value
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    fits.then(|| value.to_owned())
}

fn field_rule(part: &str, kind: &ResourceType) -> Result<FieldRule, ApiError> {
    let (field, value, is_equal) = if let Some((field, value)) = part.split_once("!=") {
        (field, value, false)
    } else if let Some((field, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        (field, value, true)
    } else {
        return Err(ApiError::bad_request(format!(
            "invalid selector: {part:?}; can't understand {part:?}"
        )));
    };
    let field = field.trim();
    let is_known = matches!(field, "metadata.name" | "metadata.namespace")
        || fields(kind).contains(&field)
        || kind.selectable_fields.iter().any(|known| known == field);
    if !is_known {
        let words = if fields(kind).is_empty() && !kind.is_custom {
            format!(
                "{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
            )
        } else {
            format!("field label not supported: {field}")
        };
        return Err(ApiError::bad_request(words));
    }
    Ok(FieldRule {
        field: stored_field(field).to_owned(),
        value: value.trim().to_owned(),
        is_equal,
    })
}

/// The field of the stored form; events are kept in the form of the core group.
fn stored_field(field: &str) -> &str {
    match field {
        "regarding.kind" => "involvedObject.kind",
        "regarding.name" => "involvedObject.name",
        "regarding.namespace" => "involvedObject.namespace",
        "regarding.uid" => "involvedObject.uid",
        "reportingController" => "source.component",
        _ => field,
    }
}

/// The fields that can be selected beside name and namespace.
fn fields(kind: &ResourceType) -> &'static [&'static str] {
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("", "namespaces") => &["status.phase"],
        ("", "nodes") => &["spec.unschedulable"],
        ("", "secrets") => &["type"],
        ("" | "events.k8s.io", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "regarding.kind",
            "regarding.name",
            "regarding.namespace",
            "regarding.uid",
            "reason",
            "reportingComponent",
            "reportingController",
            "source",
            "type",
        ],
        ("apps", "replicasets") => &["status.replicas"],
        ("batch", "jobs") => &["status.successful"],
        _ => &[],
    }
}

/// Whether labels meet a `metav1.LabelSelector`; one without rules meets everything.
pub(crate) fn label_selector_matches(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.get("matchLabels").and_then(Value::as_object);
    let rules = selector.get("matchExpressions").and_then(Value::as_array);
    let equal = wanted
        .into_iter()
        .flatten()
        .all(|(key, value)| labels.get(key) == Some(value));
    equal
        && rules.into_iter().flatten().all(|rule| {
            let found = rule
                .get("key")
                .and_then(Value::as_str)
                .and_then(|key| labels.get(key));
            let values = rule.get("values").and_then(Value::as_array);
            let is_in =
                || found.is_some_and(|found| values.is_some_and(|values| values.contains(found)));
            match rule.get("operator").and_then(Value::as_str) {
                Some("In") => is_in(),
                Some("NotIn") => !is_in(),
                Some("Exists") => found.is_some(),
                Some("DoesNotExist") => found.is_none(),
                Some(_) | None => false,
            }
        })
}
