//! Messages of gRPC in their frames: one byte that says whether it is compressed, four of length.

use bytes::{BufMut, Bytes, BytesMut};

/// One message in its frame.
pub(super) fn frame(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(message.len().saturating_add(5));
    framed.put_u8(0);
    // Messages are made of lines, which are far shorter than 4 GiB.
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    framed.freeze()
}

/// The messages of a body; `None` if it is cut, or one is compressed.
pub(super) fn unframe(mut body: Bytes) -> Option<Vec<Bytes>> {
    let mut messages = Vec::new();
    while !body.is_empty() {
        let (&[compressed, a, b, c, d], _) = body.split_first_chunk::<5>()?;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
        let end = length.checked_add(5)?;
        if compressed != 0 || body.len() < end {
            return None;
        }
        messages.push(body.slice(5..end));
        body = body.slice(end..);
    }
    Some(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_there_and_back() {
        let both = [frame(b"one"), frame(b"")].concat();
        assert_eq!(both.len(), 13);
        let back = unframe(Bytes::from(both.clone()));
        assert_eq!(back, Some(vec![Bytes::from_static(b"one"), Bytes::new()]));
        assert_eq!(unframe(Bytes::new()), Some(vec![]));
        for cut in 1..8 {
            assert_eq!(unframe(Bytes::copy_from_slice(&both[..cut])), None, "{cut}");
        }
        assert_eq!(unframe(Bytes::from_static(&[1, 0, 0, 0, 0])), None);
    }
}
