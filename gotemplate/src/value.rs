//! The values that templates work on, and Go's names for their types
//!
//! Values are cheap to clone. Numbers are Go's `int` (64 bits) and `float64`;
//! map keys are strings. There are no structs, pointers, channels or methods.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::funcs::Function;

/// A value inside a template.
#[derive(Clone, Default)]
pub enum Value {
    /// Go's untyped nil, and what a missing thing evaluates to.
    #[default]
    Nil,
    /// `bool`.
    Bool(bool),
    /// `int`.
    Int(i64),
    /// `float64`.
    Float(f64),
    /// `string`.
    String(Arc<str>),
    /// `[]interface {}`.
    List(Arc<[Self]>),
    /// A map with string keys.
    Map(Arc<Map>),
    /// A function, callable with `call`.
    Func(Function),
}

/// A map with string keys, walked in the order of its keys.
#[derive(Debug, Clone, Default)]
pub struct Map {
    /// The entries.
    pub entries: BTreeMap<String, Value>,
    /// True for Go's `map[string]string`, whose missing keys are `""` to `index`;
    /// false for `map[string]interface {}`.
    pub is_of_strings: bool,
}

impl Value {
    /// A `map[string]string`.
    pub fn string_map<K: Into<String>, V: AsRef<str>>(
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let entries = entries
            .into_iter()
            .map(|(k, v)| (k.into(), Self::from(v.as_ref())))
            .collect();
        Self::Map(Arc::new(Map {
            entries,
            is_of_strings: true,
        }))
    }

    /// Go's name of the value's type, as `%T` prints it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::String(_) => "string",
            Self::List(_) => "[]interface {}",
            Self::Map(map) if map.is_of_strings => "map[string]string",
            Self::Map(_) => "map[string]interface {}",
            Self::Func(_) => "func",
        }
    }

    /// Whether conditions take the value for true: not nil, zero or empty.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            // NaN is true, because it differs from zero.
            Self::Float(value) => value.total_cmp(&0.0).is_ne() && value.total_cmp(&-0.0).is_ne(),
            Self::String(text) => !text.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Map(map) => !map.entries.is_empty(),
            Self::Func(_) => true,
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::format::go_syntax(self))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(Arc::from(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(Arc::from(text))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<Vec<Self>> for Value {
    fn from(items: Vec<Self>) -> Self {
        Self::List(Arc::from(items))
    }
}

impl From<BTreeMap<String, Self>> for Value {
    fn from(entries: BTreeMap<String, Self>) -> Self {
        Self::Map(Arc::new(Map {
            entries,
            is_of_strings: false,
        }))
    }
}

/// Every JSON number becomes a float, as in Go's decoding into `interface {}`.
impl From<&serde_json::Value> for Value {
    fn from(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Nil,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => Self::from(text.as_str()),
            serde_json::Value::Array(items) => {
                Self::from(items.iter().map(Self::from).collect::<Vec<_>>())
            }
            serde_json::Value::Object(fields) => {
                let entries: BTreeMap<_, _> = fields
                    .iter()
                    .map(|(k, v)| (k.clone(), Self::from(v)))
                    .collect();
                Self::from(entries)
            }
        }
    }
}
