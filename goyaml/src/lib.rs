//! YAML exactly as go-yaml reads and writes it.
//!
//! Kubernetes tools read YAML through two Go libraries that disagree with YAML
//! 1.2 and with each other. [`Dialect`] names the two. The scanner and the
//! grammar come from `granit-parser`; what a scalar means, what a document may
//! cost, and every byte that is written are decided here.
//!
//! It does not keep comments, styles or anchors: those are for an editor.

mod emit;
mod error;
mod limits;
mod load;
mod number;
mod resolve;
mod timestamp;
mod value;

pub use emit::{Node, Style, View, to_string, to_string_styled};
pub use error::{Error, Fault, describe_mismatch};
pub use limits::Limits;
pub use load::{parse_documents, parse_documents_as};
pub use number::format_float;
pub use resolve::Dialect;
pub use value::{Map, Value};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads every document as `sigs.k8s.io/yaml` converts YAML to JSON.
///
/// # Errors
/// What [`parse_documents`] refuses, and infinities and NaN, which JSON cannot say.
pub fn parse_json(text: &str, limits: &Limits) -> Result<Vec<serde_json::Value>, Error> {
    parse_documents(text, limits)?
        .into_iter()
        .map(Value::into_json)
        .collect()
}

/// Reads the only document of `text` into a type; an empty text is null.
///
/// # Errors
/// Bad YAML, more than one document, or a value that does not fit `T`.
pub fn from_str<T: DeserializeOwned>(text: &str, limits: &Limits) -> Result<T, Error> {
    let mut documents = parse_json(text, limits)?;
    if documents.len() > 1 {
        let count = documents.len();
        return Err(Error::of(Fault::ManyDocuments { count }));
    }
    let document = documents.pop().unwrap_or(serde_json::Value::Null);
    serde_json::from_value(document)
        .map_err(|source| Error::of(Fault::Shape(describe_mismatch(&source))))
}

/// Writes a value as `sigs.k8s.io/yaml` marshals it: keys sorted, two spaces.
///
/// # Errors
/// When the value does not serialise to JSON.
pub fn to_yaml<T: Serialize>(value: &T) -> Result<String, Error> {
    let value = serde_json::to_value(value)
        .map_err(|source| Error::of(Fault::Shape(describe_mismatch(&source))))?;
    Ok(to_string(&value))
}
