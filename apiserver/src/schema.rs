//! Holds the type of a resource as a tree: what fields there are, how they merge, and what values they may have.
//!
//! Built-in types come from k8s-openapi's JSON schemas (`builtin`), custom ones from their CRD (`parse` reads both).
//! `shape` prunes and normalises, `fill` puts defaults in, `check` validates. Merging itself is in `managed` and `patch`.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use regex::Regex;
use serde_json::Value;

pub(crate) mod builtin;
pub(crate) mod check;
pub(crate) mod fill;
mod merge_keys;
pub(crate) mod parse;
pub(crate) mod quantity;
pub(crate) mod shape;

/// The JSON type that a value must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    /// No type is given: anything goes.
    #[default]
    Any,
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    IntOrString,
    /// A `resource.Quantity`: text, or a number that becomes text.
    Quantity,
}

/// How a list merges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum ListKind {
    /// As one value.
    #[default]
    Atomic,
    /// As a set of scalars.
    Set,
    /// Item by item, told apart by these fields.
    Map(Vec<String>),
}

/// One node of a type.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schema {
    pub(crate) kind: Kind,
    pub(crate) properties: BTreeMap<String, Arc<Self>>,
    /// The type of every value of a free map.
    pub(crate) values: Option<Arc<Self>>,
    pub(crate) items: Option<Arc<Self>>,
    pub(crate) required: Vec<String>,
    pub(crate) default: Option<Value>,
    pub(crate) nullable: bool,
    /// Unknown fields stay.
    pub(crate) keeps_unknown: bool,
    /// `x-kubernetes-embedded-resource`: holds an object with its own metadata.
    pub(crate) is_embedded: bool,
    pub(crate) list: ListKind,
    pub(crate) is_atomic_map: bool,
    /// The merge key of a strategic merge patch; empty text merges scalars as a set.
    pub(crate) patch_key: Option<String>,
    /// A Go type: nulls and empty optional fields vanish, a wrong type cannot be decoded.
    pub(crate) is_native: bool,
    pub(crate) rules: Rules,
}

/// What a value must obey beside its type.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    pub(crate) choices: Option<Vec<Value>>,
    pub(crate) pattern: Option<Regex>,
    pub(crate) format: Option<String>,
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) is_minimum_exclusive: bool,
    pub(crate) is_maximum_exclusive: bool,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) length_min: Option<u64>,
    pub(crate) length_max: Option<u64>,
    pub(crate) items_min: Option<u64>,
    pub(crate) items_max: Option<u64>,
    pub(crate) are_items_unique: bool,
    pub(crate) properties_min: Option<u64>,
    pub(crate) properties_max: Option<u64>,
    pub(crate) all_of: Vec<Schema>,
    pub(crate) any_of: Vec<Schema>,
    pub(crate) one_of: Vec<Schema>,
    pub(crate) not: Option<Box<Schema>>,
}

/// The type of what no schema describes.
pub(crate) static ANY: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    Arc::new(Schema {
        keeps_unknown: true,
        nullable: true,
        ..Schema::default()
    })
});

impl Schema {
    /// The type of a field, or of a value of a free map.
    pub(crate) fn child(&self, key: &str) -> &Self {
        self.properties
            .get(key)
            .or(self.values.as_ref())
            .unwrap_or(&ANY)
    }

    /// The type of the items of a list.
    pub(crate) fn item(&self) -> &Self {
        self.items.as_ref().unwrap_or(&ANY)
    }

    /// Whether the key is a field of a struct rather than a key of a map.
    pub(crate) fn is_field(&self, key: &str) -> bool {
        self.properties.contains_key(key)
    }
}
