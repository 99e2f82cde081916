//! Turns one scalar event into a value or a key: style, tag, then resolution.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use granit_parser::{ScalarStyle, Tag};

use crate::error::Fault;
use crate::number;
use crate::resolve::{Dialect, Kind, resolve};
use crate::value::Value;

/// Prefix of the tags that YAML itself defines.
const CORE: &str = "tag:yaml.org,2002:";

/// A scalar as the parser saw it.
pub(super) struct Scalar<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) style: ScalarStyle,
    pub(super) tag: Option<&'a Tag>,
}

/// A key of a mapping, or the sign that its value is to be merged.
pub(super) enum Key {
    Name(String),
    Merge,
}

impl Scalar<'_> {
    pub(super) fn into_value(self, dialect: Dialect) -> Result<Value, Fault> {
        let Some(tag) = self.tag else {
            if self.style != ScalarStyle::Plain {
                return Ok(Value::String(self.text.into_owned()));
            }
            return Ok(resolve(&self.text, dialect).1);
        };
        match tag.suffix_in_namespace(CORE).as_deref() {
            Some("binary") => binary(&self.text),
            Some(suffix @ ("int" | "float" | "bool" | "null" | "timestamp")) => {
                tagged(&self.text, suffix, dialect)
            }
            Some(_) | None => Ok(Value::String(self.text.into_owned())),
        }
    }

    pub(super) fn into_key(self, dialect: Dialect) -> Result<Key, Fault> {
        let merge_tag = self
            .tag
            .and_then(|tag| tag.suffix_in_namespace(CORE))
            .is_some_and(|suffix| suffix == "merge");
        let plain = self.style == ScalarStyle::Plain && self.tag.is_none();
        if self.text == "<<" && (plain || merge_tag) {
            return Ok(Key::Merge);
        }
        if dialect == Dialect::V3 && plain {
            return match resolve(&self.text, dialect).0 {
                Kind::Null => Err(Fault::BadKey("null")),
                Kind::Bool | Kind::Int | Kind::Float | Kind::Timestamp | Kind::Str => {
                    Ok(Key::Name(self.text.into_owned()))
                }
            };
        }
        name_of(self.into_value(dialect)?).map(Key::Name)
    }
}

/// The key as sigs.k8s.io/yaml words it for JSON.
pub(super) fn name_of(key: Value) -> Result<String, Fault> {
    match key {
        Value::String(s) => Ok(s),
        Value::Bool(b) => Ok(b.to_string()),
        Value::Int(i) => Ok(i.to_string()),
        Value::Uint(u) => Ok(u.to_string()),
        Value::Float(f) => Ok(number::format_float_key(f)),
        Value::Null => Err(Fault::BadKey("null")),
        Value::Seq(_) => Err(Fault::BadKey("a sequence")),
        Value::Map(_) => Err(Fault::BadKey("a mapping")),
    }
}

fn binary(text: &str) -> Result<Value, Fault> {
    let packed: String = text.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(packed).map_err(|_| Fault::BadBinary)?;
    // Go writes bytes that are no UTF-8 as U+FFFD when it makes JSON.
    Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned()))
}

fn tagged(text: &str, suffix: &str, dialect: Dialect) -> Result<Value, Fault> {
    let (kind, value) = resolve(text, dialect);
    match (suffix, kind, value) {
        ("int", Kind::Int, value)
        | ("float", Kind::Float, value)
        | ("bool", Kind::Bool, value)
        | ("null", Kind::Null, value)
        | ("timestamp", Kind::Timestamp, value) => Ok(value),
        ("float", Kind::Int, value) => Ok(Value::Float(as_float(&value))),
        (_, found, _) => Err(Fault::BadTag {
            tag: format!("!!{suffix}"),
            found: found.word(),
        }),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "!!float on an integer asks for just that"
)]
fn as_float(value: &Value) -> f64 {
    match value {
        Value::Int(i) => *i as f64,
        Value::Uint(u) => *u as f64,
        Value::Null
        | Value::Bool(_)
        | Value::Float(_)
        | Value::String(_)
        | Value::Seq(_)
        | Value::Map(_) => f64::NAN,
    }
}
