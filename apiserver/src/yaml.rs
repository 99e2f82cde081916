//! Reads a YAML body as JSON.

use serde_json::Value;

/// The first document of a text.
///
/// # Errors
/// When the text is no YAML, or is beyond goyaml's limits.
pub(crate) fn parse(text: &str) -> Result<Value, goyaml::Error> {
    let documents = goyaml::parse_json(text, &goyaml::Limits::default())?;
    Ok(documents.into_iter().next().unwrap_or(Value::Null))
}
