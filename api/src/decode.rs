//! Decodes one object leniently: an error names the field, and spoils no other object.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why an object could not be read as its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} cannot be read: {why}")]
pub struct DecodeError {
    /// Path of the field, for example `spec.analysis.stepWeights[2]`.
    pub field: String,
    /// What is wrong with it and what was expected.
    pub why: String,
}

/// Reads a JSON object as `T`. A property that is null is no property, as the API server has it.
///
/// # Errors
/// Names the first field whose value is of the wrong shape.
pub fn decode<T: DeserializeOwned>(mut object: Value) -> Result<T, DecodeError> {
    drop_nulls(&mut object);
    serde_path_to_error::deserialize(object).map_err(|error| DecodeError {
        field: match error.path().to_string() {
            path if path == "." => "the object".to_owned(),
            path => path,
        },
        why: error.inner().to_string(),
    })
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(properties) => {
            properties.retain(|_, one| !one.is_null());
            properties.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_the_field() {
        let canary = json!({"metadata": {"name": "a"}, "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"},
            "analysis": {"stepWeights": [1, "x"]}}});
        let error = decode::<crate::Canary>(canary).unwrap_err();
        assert_eq!(error.field, "spec.analysis.stepWeights[1]");
    }

    /// Charts write `webhooks:` and nothing below it.
    #[test]
    fn a_null_is_no_property() {
        let canary = json!({"metadata": {"name": "a"}, "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"},
            "service": {"port": 80, "hosts": null},
            "analysis": {"webhooks": null, "stepWeights": [null]}}});
        let error = decode::<crate::Canary>(canary.clone()).unwrap_err();
        assert_eq!(error.field, "spec.analysis.stepWeights[0]");
        let mut canary = canary;
        canary["spec"]["analysis"]["stepWeights"] = json!([1]);
        assert!(decode::<crate::Canary>(canary).is_ok());
    }
}
