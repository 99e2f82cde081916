//! Decides whether a patch's target means an object.

use regex::Regex;
use serde_json::{Map, Value};

use crate::error::Fault;
use crate::id::Id;
use crate::kustomization::Selector;
use crate::resource::Resource;

/// A compiled target.
pub(crate) struct Matcher {
    group: Option<Regex>,
    version: Option<Regex>,
    kind: Option<Regex>,
    name: Option<Regex>,
    namespace: Option<Regex>,
    labels: Vec<Requirement>,
    annotations: Vec<Requirement>,
}

/// One part of a label selector.
#[derive(Debug, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Missing(String),
    In(String, Vec<String>),
    /// True for objects without the key, too.
    NotIn(String, Vec<String>),
}

impl Matcher {
    /// Compiles a target.
    ///
    /// # Errors
    /// Bad regular expressions and selectors.
    pub(crate) fn new(target: &Selector) -> Result<Self, Fault> {
        let Selector {
            group,
            version,
            kind,
            name,
            namespace,
            label_selector,
            annotation_selector,
        } = target;
        Ok(Self {
            group: anchored("target.group", group)?,
            version: anchored("target.version", version)?,
            kind: anchored("target.kind", kind)?,
            name: anchored("target.name", name)?,
            namespace: anchored("target.namespace", namespace)?,
            labels: requirements("target.labelSelector", label_selector)?,
            annotations: requirements("target.annotationSelector", annotation_selector)?,
        })
    }

    /// True when every part matches; name and namespace may be the original
    /// or the present ones.
    pub(crate) fn matches(&self, resource: &Resource) -> bool {
        let fits =
            |pattern: &Option<Regex>, text: &str| pattern.as_ref().is_none_or(|p| p.is_match(text));
        let present = resource.id();
        let original = resource.original_id();
        let either = |pattern: &Option<Regex>, part: fn(&Id) -> &str| {
            fits(pattern, part(&present)) || fits(pattern, part(&original))
        };
        fits(&self.group, &present.gvk.group)
            && fits(&self.version, &present.gvk.version)
            && fits(&self.kind, &present.gvk.kind)
            && either(&self.name, |id| &id.name)
            && either(&self.namespace, |id| &id.namespace)
            && all_hold(&self.labels, resource, "labels")
            && all_hold(&self.annotations, resource, "annotations")
    }
}

impl Matcher {
    /// As [`Matcher::matches`] for a replacement: any identity that the object
    /// ever had may match, as a whole.
    pub(crate) fn matches_any_id(&self, resource: &Resource) -> bool {
        let fits =
            |pattern: &Option<Regex>, text: &str| pattern.as_ref().is_none_or(|p| p.is_match(text));
        let is = |id: &Id, namespace: &str| {
            fits(&self.group, &id.gvk.group)
                && fits(&self.version, &id.gvk.version)
                && fits(&self.kind, &id.gvk.kind)
                && fits(&self.name, &id.name)
                && fits(&self.namespace, namespace)
        };
        (is(&resource.id(), resource.namespace())
            || resource
                .previous_ids()
                .iter()
                .any(|id| is(id, &id.namespace)))
            && all_hold(&self.labels, resource, "labels")
            && all_hold(&self.annotations, resource, "annotations")
    }
}

fn anchored(field: &str, pattern: &str) -> Result<Option<Regex>, Fault> {
    if pattern.is_empty() {
        return Ok(None);
    }
    Regex::new(&format!("^(?:{pattern})$"))
        .map(Some)
        .map_err(|_| Fault::BadValue(format!("{field} {pattern:?} is no regular expression")))
}

fn all_hold(requirements: &[Requirement], resource: &Resource, field: &str) -> bool {
    if requirements.is_empty() {
        return true;
    }
    let strings = resource.strings(field);
    requirements.iter().all(|r| r.holds(&strings))
}

impl Requirement {
    fn holds(&self, strings: &Map<String, Value>) -> bool {
        let value = |key: &str| strings.get(key).and_then(Value::as_str);
        let among = |key: &str, values: &[String]| {
            value(key).is_some_and(|found| values.iter().any(|v| v == found))
        };
        match self {
            Self::Exists(key) => value(key).is_some(),
            Self::Missing(key) => value(key).is_none(),
            Self::In(key, values) => among(key, values),
            Self::NotIn(key, values) => !among(key, values),
        }
    }
}

/// Reads `a=b, c!=d, e in (x, y), f notin (z), g, !h`.
fn requirements(field: &str, selector: &str) -> Result<Vec<Requirement>, Fault> {
    split(selector)
        .into_iter()
        .map(|part| {
            requirement(part).ok_or_else(|| {
                Fault::BadValue(format!("{field} {selector:?} is no selector: see {part:?}"))
            })
        })
        .collect()
}

/// Splits at the commas outside parentheses.
fn split(selector: &str) -> Vec<&str> {
    let mut inside = false;
    let parts = selector.split(move |c| {
        match c {
            '(' => inside = true,
            ')' => inside = false,
            _ => {}
        }
        c == ',' && !inside
    });
    if selector.trim().is_empty() {
        return Vec::new();
    }
    parts.map(str::trim).collect()
}

fn requirement(part: &str) -> Option<Requirement> {
    if let Some(key) = part.strip_prefix('!') {
        return Some(Requirement::Missing(key_of(key)?));
    }
    if let Some((key, value)) = part.split_once("!=") {
        let values = vec![value.trim().to_owned()];
        return Some(Requirement::NotIn(key_of(key)?, values));
    }
    if let Some((key, value)) = part.split_once('=') {
        let value = value.strip_prefix('=').unwrap_or(value);
        return Some(Requirement::In(key_of(key)?, vec![value.trim().to_owned()]));
    }
    let Some((head, values)) = part.split_once('(') else {
        return Some(Requirement::Exists(key_of(part)?));
    };
    let values = values.trim().strip_suffix(')')?;
    let values = values.split(',').map(|v| v.trim().to_owned()).collect();
    let mut words = head.split_whitespace();
    let key = key_of(words.next()?)?;
    match (words.next(), words.next()) {
        (Some("in"), None) => Some(Requirement::In(key, values)),
        (Some("notin"), None) => Some(Requirement::NotIn(key, values)),
        _ => None,
    }
}

fn key_of(text: &str) -> Option<String> {
    let key = text.trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    (!key.is_empty() && key.chars().all(fits)).then(|| key.to_owned())
}
