//! Digests JSON values so that equal meaning gives equal digests.
//!
//! Two forms: [`canonical`], sha256 over sorted keys without nulls and empties, which a
//! newer API server's added empty fields do not change; and [`config_checksum`], Flagger's
//! checksum of a ConfigMap's or Secret's data, byte for byte.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Depth beyond which a value is digested as its text: API servers refuse deeper ones.
const DEPTH_MAX: usize = 200;

/// sha256 of the canonical JSON of `value`, as 64 hex digits.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text, 0);
    hex(&Sha256::digest(text.as_bytes()))
}

/// The first eight bytes of [`canonical`]: to compare in memory, never to store.
pub fn short(value: &Value) -> u64 {
    let mut text = String::new();
    write_canonical(value, &mut text, 0);
    short_of(text.as_bytes())
}

/// The first eight bytes of the sha256 of `bytes`.
pub fn short_of(bytes: &[u8]) -> u64 {
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .take(8)
        .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

/// Flagger's checksum of `.data`: sha256 of Go's JSON, first eight bytes, as 16 hex digits.
/// `data` is an object of strings (a Secret's values in base64), or null.
pub fn config_checksum(data: Option<&Value>) -> String {
    let mut text = String::new();
    match data.and_then(Value::as_object) {
        None => text.push_str("null"),
        Some(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            text.push('{');
            for (position, (key, value)) in entries.into_iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                push_go_string(key, &mut text);
                text.push(':');
                push_go_string(value.as_str().unwrap_or_default(), &mut text);
            }
            text.push('}');
        }
    }
    let digest = Sha256::digest(text.as_bytes());
    hex(digest.get(..8).unwrap_or_default())
}

fn write_canonical(value: &Value, text: &mut String, depth: usize) {
    match value {
        Value::Object(map) if depth < DEPTH_MAX => {
            let mut entries: Vec<_> = map
                .iter()
                .filter(|(key, value)| says_something(key, value, depth))
                .collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            text.push('{');
            for (key, value) in entries {
                push_go_string(key, text);
                text.push(':');
                write_canonical(value, text, depth.saturating_add(1));
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) if depth < DEPTH_MAX => {
            text.push('[');
            for item in items {
                write_canonical(item, text, depth.saturating_add(1));
                text.push(',');
            }
            text.push(']');
        }
        Value::String(word) => push_go_string(word, text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) | Value::Array(_) => {
            text.push_str(&value.to_string());
        }
    }
}

/// False for what API servers add and leave out. In an affinity term an empty selector stands for all, an absent one
/// for none.
fn says_something(key: &str, value: &Value, depth: usize) -> bool {
    let is_selector = matches!(key, "labelSelector" | "namespaceSelector") && value.is_object();
    is_selector || !is_empty(value, depth)
}

/// Whether a field says nothing: API servers differ in whether they send such fields.
fn is_empty(value: &Value, depth: usize) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => {
            depth >= DEPTH_MAX
                || !map
                    .iter()
                    .any(|(key, value)| says_something(key, value, depth.saturating_add(1)))
        }
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Go's `encoding/json` escapes `<`, `>`, `&` and the two Unicode line separators.
fn push_go_string(word: &str, text: &mut String) {
    for c in Value::from(word).to_string().chars() {
        match c {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            other => text.push(other),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| DIGITS.get(usize::from(digit)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn checksums_are_those_of_flagger() {
        for (data, expected) in [
            (Some(json!({"color": "red"})), "241889ca0604e333"),
            (Some(json!({"value": "czNjcjN0"})), "e9508890208eabc4"),
            (Some(json!({})), "44136fa355b3678a"),
            (None, "74234e98afe7498f"),
        ] {
            assert_eq!(config_checksum(data.as_ref()), expected, "{data:?}");
        }
        let escaped = json!({"page": "<a href=\"x\">&</a>"});
        assert_ne!(
            config_checksum(Some(&escaped)),
            config_checksum(Some(&json!({"page": "<a>"})))
        );
    }

    #[test]
    fn canonical_ignores_order_nulls_and_empties_only() {
        let base = json!({"spec": {"a": 1, "b": [1, 2]}});
        let same = json!({"spec": {"b": [1, 2], "a": 1, "c": null, "d": {}, "e": [], "f": {"g": null}}, "status": {}});
        assert_eq!(canonical(&base), canonical(&same));
        for other in [
            json!({"spec": {"a": 1, "b": [2, 1]}}),
            json!({"spec": {"a": "1", "b": [1, 2]}}),
            json!({"spec": {"a": 1, "b": [1, 2], "c": ""}}),
            json!({"spec": {"a": 1, "b": [1, 2], "c": false}}),
            json!({"spec": {"a": 1, "b": [1, 2], "d": {"namespaceSelector": {}}}}),
        ] {
            assert_ne!(canonical(&base), canonical(&other), "{other}");
        }
    }
}
