//! Packed: what is kept of objects of which there are some for each canary: JSON, deflated.
//!
//! Objects of a kind are alike, so the deflater first reads a text that looks like all of them (`packed/words.txt`); what
//! that gives is the same each time and left out. An object then costs little more than what is its own: names, uids, times.

use std::fmt;
use std::io::{Read, Write};
use std::marker::PhantomData;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::bufread::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Words that the objects have in common, the most frequent last.
const WORDS: &[u8] = include_bytes!("packed/words.txt");

/// How every packed object begins: the deflated words.
static BEGINNING: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let begun = begin();
    begun.map_or_else(|_| Vec::new(), |encoder| encoder.get_ref().clone())
});

/// A deflated JSON object, to be read as a `T`. Equal objects have equal bytes.
pub struct Packed<T> {
    bytes: Box<[u8]>,
    of: PhantomData<fn() -> T>,
}

impl<T> Packed<T> {
    /// Packs what can be read as a `T`.
    pub fn new(object: &impl Serialize) -> Self {
        // Writing into a Vec does not fail, and neither does writing our own types as JSON.
        let mut packed = pack(object).unwrap_or_default();
        let own = packed.split_off(BEGINNING.len().min(packed.len()));
        Self {
            bytes: own.into_boxed_slice(),
            of: PhantomData,
        }
    }
}

impl<T: DeserializeOwned + Default> Packed<T> {
    /// Unpacks it; what was packed here is our own and bounded by what the API server stores.
    pub fn open(&self) -> T {
        let mut text = Vec::new();
        match DeflateDecoder::new(BEGINNING.chain(&*self.bytes)).read_to_end(&mut text) {
            Ok(_) => {
                let own = text.get(WORDS.len()..).unwrap_or_default();
                serde_json::from_slice(own).unwrap_or_default()
            }
            Err(_) => T::default(),
        }
    }
}

/// A deflater that has read the words.
fn begin() -> std::io::Result<DeflateEncoder<Vec<u8>>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(WORDS)?;
    encoder.flush()?;
    Ok(encoder)
}

fn pack(object: &impl Serialize) -> std::io::Result<Vec<u8>> {
    let mut encoder = begin()?;
    serde_json::to_writer(&mut encoder, object)?;
    encoder.finish()
}

impl<T> Clone for Packed<T> {
    fn clone(&self) -> Self {
        Self {
            bytes: self.bytes.clone(),
            of: PhantomData,
        }
    }
}

impl<T> PartialEq for Packed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<T> Eq for Packed<T> {}

impl<T> fmt::Debug for Packed<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Packed({} bytes)", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn gives_back_what_was_put_in() {
        let long = json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}, "spec": {"text": "x".repeat(5000)}});
        for value in [long, json!({}), json!("é"), json!([1, 2.5, null])] {
            let packed = Packed::<Value>::new(&value);
            assert_eq!(packed.open(), value);
            assert_eq!(packed, Packed::new(&value));
            assert!(packed.bytes.len() < 200, "{packed:?}");
        }
    }
}
