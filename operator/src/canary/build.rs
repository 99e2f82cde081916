//! Builds the objects of a canary: client-free, from values to values.
//!
//! What they all share is here: owner reference, names, selector label, filters of labels.
//! Sources of the rules: Flagger 1.44 `pkg/canary` as described in its docs ("How it works")
//! and seen in its output.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use thiserror::Error;

pub mod autoscaler;
pub mod config;
pub mod copy;
pub mod primary;
pub mod scaled_object;
pub mod service;
pub mod zero;

/// Annotation on the primary that names what was copied into it.
pub const REVISION_ANNOTATION: &str = "sluice.dev/revision";
/// Annotation that kubectl keeps.
pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Keys with this text belong to Flux and are never copied.
const TOOLKIT: &str = "toolkit.fluxcd.io";

/// Why an object cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    /// No selector label.
    #[error("{kind} {name}: spec.selector.matchLabels must contain one of {labels:?}")]
    SelectorLabel {
        /// Kind of the target.
        kind: String,
        /// Name of the target.
        name: String,
        /// The keys looked for.
        labels: Vec<String>,
    },
    /// A label value that would be too long.
    #[error(
        "{kind} {name}: spec.selector.matchLabels.{key} is {value:?}: with \"-primary\" it has more than the 63 characters of a label; shorten it"
    )]
    LabelTooLong {
        /// Kind of the target.
        kind: String,
        /// Name of the target.
        name: String,
        /// The label's key.
        key: String,
        /// The label's value.
        value: String,
    },
}

/// Who owns what is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Name of the Canary.
    pub name: String,
    /// Its namespace, which all it owns is in.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
}

impl Owner {
    /// The reference that makes the Canary the controller.
    pub fn reference(&self) -> Value {
        json!({
            "apiVersion": "flagger.app/v1beta1",
            "kind": "Canary",
            "name": self.name,
            "uid": self.uid,
            "blockOwnerDeletion": true,
            "controller": true,
        })
    }
}

/// The label that tells primary and canary pods apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    /// The key.
    pub key: String,
    /// The value on the target's pods.
    pub value: String,
}

/// Longest value of a label.
const LABEL_LENGTH_MAX: usize = 63;

impl Selector {
    /// Finds the first of `labels` in `spec.selector.matchLabels` of the target.
    pub fn find(
        target: &Value,
        kind: &str,
        name: &str,
        labels: &[String],
    ) -> Result<Self, BuildError> {
        let (kind, name) = (kind.to_owned(), name.to_owned());
        let selected = target
            .pointer("/spec/selector/matchLabels")
            .and_then(Value::as_object);
        let found = labels.iter().find_map(|key| {
            let value = selected?.get(key)?.as_str()?;
            Some(Self {
                key: key.clone(),
                value: value.to_owned(),
            })
        });
        match found {
            Some(found) if found.primary_value().len() > LABEL_LENGTH_MAX => {
                Err(BuildError::LabelTooLong {
                    kind,
                    name,
                    key: found.key,
                    value: found.value,
                })
            }
            Some(found) => Ok(found),
            None => Err(BuildError::SelectorLabel {
                kind,
                name,
                labels: labels.to_vec(),
            }),
        }
    }

    /// The value on the primary's pods.
    pub fn primary_value(&self) -> String {
        primary_name(&self.value)
    }
}

/// `<name>-primary`.
pub fn primary_name(name: &str) -> String {
    format!("{name}-primary")
}

/// Leaves out Flux's own keys.
fn without_toolkit(map: Map<String, Value>) -> Map<String, Value> {
    map.into_iter()
        .filter(|(key, _)| !key.contains(TOOLKIT))
        .collect()
}

/// Keeps keys that start with one of `prefixes` (`*`: all), without Flux's own.
fn included(map: Map<String, Value>, prefixes: &[String]) -> Map<String, Value> {
    without_toolkit(map)
        .into_iter()
        .filter(|(key, _)| {
            prefixes
                .iter()
                .any(|prefix| prefix == "*" || key.starts_with(prefix.as_str()))
        })
        .collect()
}
