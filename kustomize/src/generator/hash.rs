//! Computes the suffix of a generated name.
//!
//! kustomize hashes the JSON that Go writes of the kind and data, so
//! Go's escapes matter: `<`, `>` and `&` are written as `\u003c` and so on.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Characters of the suffix.
const HASH_CHARS: usize = 10;

/// The suffix of a ConfigMap or Secret.
pub(super) fn of(object: &Value) -> String {
    let field = |pointer: &str| object.pointer(pointer).cloned().unwrap_or(json!(""));
    let mut hashed = Map::new();
    hashed.insert("kind".to_owned(), field("/kind"));
    // kustomize looks the name up at a path that never exists, so that the
    // hash depends on content alone.
    hashed.insert("name".to_owned(), json!(""));
    hashed.insert("data".to_owned(), field("/data"));
    let optional = if field("/kind") == "Secret" {
        hashed.insert("type".to_owned(), field("/type"));
        "stringData"
    } else {
        "binaryData"
    };
    if let Some(map @ Value::Object(_)) = object.get(optional) {
        hashed.insert(optional.to_owned(), map.clone());
    }
    let mut text = String::new();
    write(&Value::Object(hashed), &mut text);
    let digest = Sha256::digest(text.as_bytes());
    digest
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .take(HASH_CHARS)
        .map(letter)
        .collect()
}

/// A hexadecimal digit, with those replaced that make words or look alike.
fn letter(digit: u8) -> char {
    match digit {
        0 => 'g',
        1 => 'h',
        3 => 'k',
        0xa => 'm',
        0xe => 't',
        _ => char::from_digit(u32::from(digit), 16).unwrap_or('g'),
    }
}

/// Writes JSON as Go does: keys sorted, no spaces, HTML escaped.
fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => {
            let mut pairs: Vec<_> = object.iter().collect();
            pairs.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (at, (key, value)) in pairs.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                string(key, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::String(text) => string(text, out),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}
