//! Lets the writer look into any tree of YAML-like values.

use crate::value::Value;

/// A tree that can be written.
pub trait Node: Sized {
    /// What this node is.
    fn view(&self) -> View<'_, Self>;
}

/// One node, borrowed.
#[derive(Debug)]
pub enum View<'a, N> {
    /// Null.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer in the range of `i64`.
    Int(i64),
    /// An integer above `i64::MAX`.
    Uint(u64),
    /// A float.
    Float(f64),
    /// A string.
    Str(&'a str),
    /// A sequence.
    Seq(&'a [N]),
    /// A mapping, in its own order.
    Map(Vec<(&'a str, &'a N)>),
}

impl Node for Value {
    fn view(&self) -> View<'_, Self> {
        match self {
            Self::Null => View::Null,
            Self::Bool(b) => View::Bool(*b),
            Self::Int(i) => View::Int(*i),
            Self::Uint(u) => View::Uint(*u),
            Self::Float(f) => View::Float(*f),
            Self::String(s) => View::Str(s),
            Self::Seq(items) => View::Seq(items),
            Self::Map(map) => View::Map(map.iter().collect()),
        }
    }
}

impl Node for serde_json::Value {
    fn view(&self) -> View<'_, Self> {
        match self {
            Self::Null => View::Null,
            Self::Bool(b) => View::Bool(*b),
            Self::Number(n) => {
                if let Some(i) = n.as_i64() {
                    View::Int(i)
                } else if let Some(u) = n.as_u64() {
                    View::Uint(u)
                } else {
                    json_float(n.as_f64().unwrap_or(f64::NAN))
                }
            }
            Self::String(s) => View::Str(s),
            Self::Array(items) => View::Seq(items),
            Self::Object(object) => {
                View::Map(object.iter().map(|(k, v)| (k.as_str(), v)).collect())
            }
        }
    }
}

/// Go writes a JSON number without fraction as an integer, and so do we.
fn json_float<N>(f: f64) -> View<'static, N> {
    match crate::number::whole(f) {
        Some(serde_json::Value::Number(n)) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => View::Int(i),
            (None, Some(u)) => View::Uint(u),
            (None, None) => View::Float(f),
        },
        Some(_) | None => View::Float(f),
    }
}
