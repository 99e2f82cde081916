//! Decides what a plain scalar is: null, boolean, number or string.

use crate::number::{self, Int};
use crate::timestamp::Timestamp;
use crate::value::Value;

/// Which go-yaml reads the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// `sigs.k8s.io/yaml` (go-yaml v2): `y`, `yes`, `on` and their opposites
    /// are booleans, timestamps are strings. kubectl, Helm and Flux read so.
    #[default]
    Sigs,
    /// go-yaml v3 as kustomize uses it: only true and false are booleans,
    /// timestamps become RFC 3339, keys stay as they are written.
    V3,
}

/// The kind that go-yaml gives a plain scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Int,
    Float,
    Timestamp,
    Str,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "boolean",
            Self::Int => "integer",
            Self::Float => "float",
            Self::Timestamp => "timestamp",
            Self::Str => "string",
        }
    }
}

/// Resolves a plain scalar.
pub(crate) fn resolve(text: &str, dialect: Dialect) -> (Kind, Value) {
    let string = || (Kind::Str, Value::String(text.to_owned()));
    match text.as_bytes().first() {
        None => (Kind::Null, Value::Null),
        Some(b'0'..=b'9' | b'+' | b'-') => numeric(text, dialect).unwrap_or_else(string),
        Some(b'.') => word(text, dialect)
            .or_else(|| float(text))
            .unwrap_or_else(string),
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => {
            word(text, dialect).unwrap_or_else(string)
        }
        Some(_) => string(),
    }
}

/// True when a string may be written without quotes and read back as itself.
pub(crate) fn reads_as_string(text: &str, dialect: Dialect) -> bool {
    // The old booleans are quoted by v3 too, for the sake of old readers.
    let old_boolean = dialect == Dialect::V3
        && word(text, Dialect::Sigs).is_some_and(|(kind, _)| kind == Kind::Bool);
    resolve(text, dialect).0 == Kind::Str && !is_base60(text) && !old_boolean
}

fn word(text: &str, dialect: Dialect) -> Option<(Kind, Value)> {
    let boolean = |b| Some((Kind::Bool, Value::Bool(b)));
    let float = |f| Some((Kind::Float, Value::Float(f)));
    match text {
        "true" | "True" | "TRUE" => boolean(true),
        "false" | "False" | "FALSE" => boolean(false),
        "~" | "null" | "Null" | "NULL" => Some((Kind::Null, Value::Null)),
        ".nan" | ".NaN" | ".NAN" => float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => float(f64::NEG_INFINITY),
        _ if dialect == Dialect::V3 => None,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => boolean(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => boolean(false),
        _ => None,
    }
}

fn numeric(text: &str, dialect: Dialect) -> Option<(Kind, Value)> {
    if let Some(found) = word(text, dialect) {
        return Some(found);
    }
    if let Some(time) = Timestamp::parse(text) {
        let text = match dialect {
            Dialect::Sigs => text.to_owned(),
            Dialect::V3 => time.to_rfc3339(),
        };
        return Some((Kind::Timestamp, Value::String(text)));
    }
    let plain = text.replace('_', "");
    match number::parse_int(&plain) {
        Some(Int::Signed(i)) => Some((Kind::Int, Value::Int(i))),
        Some(Int::Unsigned(u)) => Some((Kind::Int, Value::Uint(u))),
        None => float(&plain),
    }
}

fn float(text: &str) -> Option<(Kind, Value)> {
    number::parse_float(text).map(|f| (Kind::Float, Value::Float(f)))
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`: a number to YAML 1.1
/// readers other than go-yaml, so go-yaml quotes it.
fn is_base60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (sixties, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut parts = sixties.split(':');
    let head = parts.next().unwrap_or_default();
    let digits_and_underscores = |s: &str| s.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let mut tail = parts.peekable();
    head.starts_with(|c: char| c.is_ascii_digit())
        && digits_and_underscores(head)
        && digits_and_underscores(fraction)
        && tail.peek().is_some()
        && tail.all(|part| match part.as_bytes() {
            [b'0'..=b'5', b'0'..=b'9'] | [b'0'..=b'9'] => true,
            [..] => false,
        })
}
