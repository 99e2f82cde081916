//! Holds a YAML value with string keys, and turns it into JSON and back.
//!
//! A mapping keeps the order in which its keys were written.

use crate::error::{Error, Fault};
use crate::number;

/// A YAML value after scalars are resolved and aliases expanded.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer in the range of `i64`.
    Int(i64),
    /// An integer above `i64::MAX`.
    Uint(u64),
    /// A float, infinities and NaN included.
    Float(f64),
    /// A string.
    String(String),
    /// A sequence.
    Seq(Vec<Self>),
    /// A mapping.
    Map(Map),
}

/// String keys with values, in the order written. No key stands twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map(Vec<(String, Value)>);

impl Map {
    /// An empty mapping.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// The value of a key, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.0.iter_mut().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// Sets a key and returns the value it had; a new key goes last.
    pub fn insert(&mut self, key: String, value: Value) -> Option<Value> {
        if let Some(slot) = self.get_mut(&key) {
            return Some(std::mem::replace(slot, value));
        }
        self.0.push((key, value));
        None
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.0.iter().position(|(k, _)| k == key)?;
        Some(self.0.remove(at).1)
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v))
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The caller has made sure that no key stands twice.
    pub(crate) fn from_unique(pairs: Vec<(String, Value)>) -> Self {
        Self(pairs)
    }
}

impl IntoIterator for Map {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<(String, Value)> for Map {
    fn from_iter<T: IntoIterator<Item = (String, Value)>>(pairs: T) -> Self {
        let mut map = Self::new();
        for (key, value) in pairs {
            map.insert(key, value);
        }
        map
    }
}

impl Value {
    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(s) = self {
            Some(s)
        } else {
            None
        }
    }

    /// The mapping, if it is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        if let Self::Map(m) = self {
            Some(m)
        } else {
            None
        }
    }

    /// The sequence, if it is one.
    #[must_use]
    pub fn as_seq(&self) -> Option<&[Self]> {
        if let Self::Seq(s) = self {
            Some(s)
        } else {
            None
        }
    }

    /// The value of a key, if this is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map().and_then(|m| m.get(key))
    }

    /// Turns into JSON as Go's encoder does: a float without a fraction
    /// becomes an integer, because Go writes `1.0` as `1`.
    ///
    /// # Errors
    /// Infinity and NaN.
    pub fn into_json(self) -> Result<serde_json::Value, Error> {
        use serde_json::Value as Json;
        Ok(match self {
            Self::Null => Json::Null,
            Self::Bool(b) => Json::Bool(b),
            Self::Int(i) => Json::from(i),
            Self::Uint(u) => Json::from(u),
            Self::Float(f) => float_to_json(f)?,
            Self::String(s) => Json::String(s),
            Self::Seq(items) => Json::Array(
                items
                    .into_iter()
                    .map(Self::into_json)
                    .collect::<Result<_, _>>()?,
            ),
            Self::Map(map) => {
                let mut object = serde_json::Map::new();
                for (key, value) in map {
                    object.insert(key, value.into_json()?);
                }
                Json::Object(object)
            }
        })
    }
}

fn float_to_json(f: f64) -> Result<serde_json::Value, Error> {
    if let Some(i) = number::whole(f) {
        return Ok(i);
    }
    serde_json::Number::from_f64(f)
        .map(serde_json::Value::Number)
        .ok_or_else(|| Error::of(Fault::NotJson(number::format_float(f))))
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Self::Null,
            Json::Bool(b) => Self::Bool(b),
            Json::Number(n) => {
                if let Some(i) = n.as_i64() {
                    Self::Int(i)
                } else if let Some(u) = n.as_u64() {
                    Self::Uint(u)
                } else {
                    Self::Float(n.as_f64().unwrap_or(f64::NAN))
                }
            }
            Json::String(s) => Self::String(s),
            Json::Array(items) => Self::Seq(items.into_iter().map(Self::from).collect()),
            Json::Object(object) => Self::Map(Map::from_unique(
                object
                    .into_iter()
                    .map(|(k, v)| (k, Self::from(v)))
                    .collect(),
            )),
        }
    }
}
