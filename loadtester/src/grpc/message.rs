//! JSON into messages of a method, as proto3 maps one to the other.

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::Value;

use super::CallError;
use super::frame::frame;

/// The bodies that calls send in turn. `data` is a message, a list of messages, or empty for one
/// without fields. A method that takes a stream gets all of a list with each call.
pub(super) fn bodies(method: &MethodDescriptor, data: &str) -> Result<Vec<Bytes>, CallError> {
    let input = method.input();
    let bad = |why: String| CallError::Data {
        message: input.full_name().to_owned(),
        why,
    };
    let text = if data.trim().is_empty() { "{}" } else { data };
    let values = match serde_json::from_str(text).map_err(|error| bad(error.to_string()))? {
        Value::Array(values) => values,
        value @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)) => vec![value],
    };
    if values.is_empty() && !method.is_client_streaming() {
        return Err(bad("the list is empty".to_owned()));
    }
    let frames: Result<Vec<Bytes>, CallError> = values
        .into_iter()
        .map(|value| {
            let message = DynamicMessage::deserialize(input.clone(), value);
            let message = message.map_err(|error| bad(error.to_string()))?;
            Ok(frame(&message.encode_to_vec()))
        })
        .collect();
    let frames = frames?;
    if method.is_client_streaming() {
        return Ok(vec![Bytes::from(frames.concat())]);
    }
    Ok(frames)
}
