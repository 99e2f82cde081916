//! Reads a GRPCRoute as the HTTPRoute that it means: a gRPC request is a POST to `/package.Service/Method`.
//!
//! Pure. Everything else of the two kinds has the same shape.

use serde_json::{Map, Value, json};

/// A name in a path of gRPC, where none is asked for.
const ANY_NAME: &str = "[^/]+";

/// The object with its matches in the words of an HTTPRoute; what is no match is left as it is.
pub(crate) fn as_http(mut object: Value) -> Value {
    let rules = object
        .pointer_mut("/spec/rules")
        .and_then(Value::as_array_mut);
    for rule in rules.into_iter().flatten() {
        let Value::Object(rule) = rule else { continue };
        // Without matches a rule takes all gRPC requests.
        let matches = rule.entry("matches").or_insert_with(|| json!([{}]));
        for one in matches.as_array_mut().into_iter().flatten() {
            if let Value::Object(one) = one {
                translate(one);
            }
        }
    }
    object
}

fn translate(one: &mut Map<String, Value>) {
    let method = one.remove("method").unwrap_or_default();
    let text = |key: &str| {
        method
            .get(key)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let is_regex = text("type") == Some("RegularExpression");
    let pattern = |part: Option<&str>| match part {
        None => ANY_NAME.to_owned(),
        Some(part) if is_regex => format!("(?:{part})"),
        Some(part) => regex::escape(part),
    };
    let path = match (text("service"), text("method")) {
        (None, None) => None,
        (Some(service), Some(name)) if !is_regex => {
            Some(json!({"type": "Exact", "value": format!("/{service}/{name}")}))
        }
        (Some(service), None) if !is_regex => {
            Some(json!({"type": "PathPrefix", "value": format!("/{service}")}))
        }
        (service, name) => {
            let value = format!("/{}/{}", pattern(service), pattern(name));
            Some(json!({"type": "RegularExpression", "value": value}))
        }
    };
    if let Some(path) = path {
        one.insert("path".to_owned(), path);
    }
    one.insert("method".to_owned(), "POST".into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_become_paths() {
        for (method, path) in [
            (
                json!({"service": "a.B", "method": "C"}),
                json!({"type": "Exact", "value": "/a.B/C"}),
            ),
            (
                json!({"type": "Exact", "service": "a.B"}),
                json!({"type": "PathPrefix", "value": "/a.B"}),
            ),
            (
                json!({"method": "C.D"}),
                json!({"type": "RegularExpression", "value": r"/[^/]+/C\.D"}),
            ),
            (
                json!({"type": "RegularExpression", "service": "a|b", "method": ""}),
                json!({"type": "RegularExpression", "value": "/(?:a|b)/[^/]+"}),
            ),
            (json!({}), Value::Null),
            (json!("odd"), Value::Null),
        ] {
            let found = as_http(json!({"spec": {"rules": [{"matches": [{"method": method}]}]}}));
            let one = &found["spec"]["rules"][0]["matches"][0];
            assert_eq!(
                (&one["path"], &one["method"]),
                (&path, &json!("POST")),
                "{method}"
            );
        }
        let whole = as_http(json!({"spec": {"rules": [{}, 5]}}));
        assert_eq!(
            whole["spec"]["rules"][0]["matches"],
            json!([{"method": "POST"}])
        );
        assert_eq!(as_http(json!(5)), json!(5));
    }
}
