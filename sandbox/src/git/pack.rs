//! Writes a pack of whole objects (gitformat-pack, version 2). Makes no deltas.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::object::{Object, Sha};

pub(super) fn write<'o>(objects: impl ExactSizeIterator<Item = &'o Object>) -> io::Result<Vec<u8>> {
    let count = u32::try_from(objects.len()).map_err(io::Error::other)?;
    let mut out = Vec::new();
    out.extend_from_slice(b"PACK\0\0\0\x02");
    out.extend_from_slice(&count.to_be_bytes());
    for object in objects {
        header(&mut out, object);
        let mut encoder = ZlibEncoder::new(&mut out, Compression::fast());
        encoder.write_all(&object.body)?;
        encoder.finish()?;
    }
    let trailer = Sha::of(&[&out]);
    out.extend_from_slice(trailer.as_bytes());
    Ok(out)
}

/// Type and length: 3 bits and 4 bits, then 7 bits a byte while the top bit is set.
fn header(out: &mut Vec<u8>, object: &Object) {
    let mut size = object.body.len();
    let low = |size: usize, bits: u32| u8::try_from(size & ((1 << bits) - 1)).unwrap_or(0);
    let mut byte = object.kind.pack_type() << 4 | low(size, 4);
    size >>= 4;
    while size > 0 {
        out.push(byte | 0x80);
        byte = low(size, 7);
        size >>= 7;
    }
    out.push(byte);
}
