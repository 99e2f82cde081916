//! Packed: JSON objects that are kept whole, deflated, because there is one a canary.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use kube::api::DynamicObject;
use serde_json::Value;

/// A deflated JSON object. Equal objects have equal bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed(Box<[u8]>);

impl Packed {
    /// Packs an object.
    pub fn new(object: &DynamicObject) -> Self {
        let text = serde_json::to_vec(object).unwrap_or_default();
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        // Writing into a Vec does not fail.
        let packed = encoder.write_all(&text).and_then(|()| encoder.finish());
        Self(packed.unwrap_or_default().into_boxed_slice())
    }

    /// Unpacks it; what was packed here is our own and bounded by what the API server stores.
    pub fn value(&self) -> Value {
        let mut text = Vec::new();
        match DeflateDecoder::new(&*self.0).read_to_end(&mut text) {
            Ok(_) => serde_json::from_slice(&text).unwrap_or_default(),
            Err(_) => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn gives_back_what_was_put_in() {
        let value = json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}, "spec": {"text": "x".repeat(5000)}});
        let object: DynamicObject = serde_json::from_value(value.clone()).unwrap();
        let packed = Packed::new(&object);
        assert_eq!(packed.value(), value);
        assert_eq!(packed, Packed::new(&object));
        assert!(packed.0.len() < 200, "{}", packed.0.len());
    }
}
