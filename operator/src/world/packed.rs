//! Packed: what is kept of objects of which there are some for each canary: JSON, deflated.
//!
//! Objects of a kind are alike, so the deflater knows a text that looks like all of them (`packed/words.txt`), a preset
//! dictionary in the words of RFC 1950. An object then costs little more than what is its own: names, uids, times.

use std::fmt;
use std::io::{Error, Read, Result, Write};
use std::marker::PhantomData;

use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;
use flate2::{Compress, Compression, Decompress};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Words that the objects have in common, the most frequent last.
const WORDS: &[u8] = include_bytes!("packed/words.txt");
/// How far back the deflater looks, as a power of two: over the words and a usual object.
const WINDOW_BITS: u8 = 14;
/// Neither header nor checksum: nobody else reads it.
const HAS_HEADER: bool = false;

/// A deflated JSON object, to be read as a `T`. Equal objects have equal bytes.
pub struct Packed<T> {
    bytes: Box<[u8]>,
    of: PhantomData<fn() -> T>,
}

impl<T> Packed<T> {
    /// Packs what can be read as a `T`.
    pub fn new(object: &impl Serialize) -> Self {
        // Writing into a Vec does not fail, and neither does writing our own types as JSON.
        let packed = pack(object).unwrap_or_default();
        Self {
            bytes: packed.into_boxed_slice(),
            of: PhantomData,
        }
    }
}

impl<T: DeserializeOwned + Default> Packed<T> {
    /// Unpacks it; what was packed here is our own and bounded by what the API server stores.
    pub fn open(&self) -> T {
        let text = unpack(&self.bytes).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }
}

fn pack(object: &impl Serialize) -> Result<Vec<u8>> {
    let mut deflater =
        Compress::new_with_window_bits(Compression::default(), HAS_HEADER, WINDOW_BITS);
    deflater.set_dictionary(WORDS).map_err(Error::other)?;
    let mut encoder = ZlibEncoder::new_with_compress(Vec::new(), deflater);
    encoder.write_all(&serde_json::to_vec(object)?)?;
    encoder.finish()
}

fn unpack(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut inflater = Decompress::new_with_window_bits(HAS_HEADER, WINDOW_BITS);
    inflater.set_dictionary(WORDS).map_err(Error::other)?;
    let mut text = Vec::new();
    ZlibDecoder::new_with_decompress(bytes, inflater).read_to_end(&mut text)?;
    Ok(text)
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
