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

/// Reads a JSON object as `T`.
///
/// # Errors
/// Names the first field whose value is of the wrong shape.
pub fn decode<T: DeserializeOwned>(object: Value) -> Result<T, DecodeError> {
    serde_path_to_error::deserialize(object).map_err(|error| DecodeError {
        field: match error.path().to_string() {
            path if path == "." => "the object".to_owned(),
            path => path,
        },
        why: error.inner().to_string(),
    })
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
}
