//! Metadata of calls: a JSON object of texts into headers.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

/// Why a text is no metadata. Values, which may be credentials, are not told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MetadataError {
    #[error("it is no JSON object: give one such as {{\"name\": \"value\"}}")]
    Json,
    #[error("{name:?} is no name of a header: give letters, digits and dashes")]
    Name { name: String },
    #[error(
        "the value of {name:?} is no text that a header can hold: give printable ASCII in quotes"
    )]
    Value { name: String },
    #[error("the value of {name:?} is not in base64, as the name's end says: encode it")]
    Binary { name: String },
}

/// Headers of a JSON object of texts; of nothing if it is empty. Values of names that end in
/// `-bin` are in base64, with padding as ghz has it, and without on the wire.
pub(crate) fn read(text: &str) -> Result<HeaderMap, MetadataError> {
    let mut headers = HeaderMap::new();
    if text.trim().is_empty() {
        return Ok(headers);
    }
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|_| MetadataError::Json)?;
    for (name, value) in object {
        let header: Result<HeaderName, _> = name.to_ascii_lowercase().parse();
        let Ok(header) = header else {
            return Err(MetadataError::Name { name });
        };
        let wrong = || MetadataError::Value { name: name.clone() };
        let mut value = value.as_str().ok_or_else(wrong)?.to_owned();
        if header.as_str().ends_with("-bin") {
            let Ok(bytes) = STANDARD.decode(&value) else {
                return Err(MetadataError::Binary { name });
            };
            value = STANDARD_NO_PAD.encode(bytes);
        }
        let value = HeaderValue::try_from(value).map_err(|_| wrong())?;
        headers.insert(header, value);
    }
    Ok(headers)
}
