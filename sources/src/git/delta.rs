//! Applies one pack delta to its base.
//!
//! A delta is two sizes and a run of copy and insert instructions; the result
//! has exactly the second size or the delta is refused. It does not look for bases.
//! Format: git-scm.com/docs/pack-format, "Deltified representation".

use bytes::Bytes;

use crate::git::pack::PackError;

const MALFORMED: PackError = PackError::Malformed {
    what: "a delta breaks its format",
};

/// The sizes of base and result that a delta declares, and its instructions.
pub(crate) fn sizes(delta: &[u8]) -> Result<(u64, u64, &[u8]), PackError> {
    let (base, rest) = read_size(delta)?;
    let (result, rest) = read_size(rest)?;
    Ok((base, result, rest))
}

/// Applies `delta`; the caller has admitted the declared result size.
pub(crate) fn apply(base: &[u8], delta: &[u8]) -> Result<Bytes, PackError> {
    let (base_size, result_size, mut rest) = sizes(delta)?;
    if base_size != base.len() as u64 {
        return Err(MALFORMED);
    }
    let result_size = usize::try_from(result_size).map_err(|_| MALFORMED)?;
    let mut result = Vec::with_capacity(result_size);
    while let Some((&instruction, after)) = rest.split_first() {
        rest = after;
        let piece = if instruction & 0x80 != 0 {
            let (offset, size);
            (offset, size, rest) = read_copy(instruction, rest)?;
            let end = offset.checked_add(size).ok_or(MALFORMED)?;
            base.get(offset..end).ok_or(MALFORMED)?
        } else if instruction == 0 {
            return Err(MALFORMED); // Reserved by the format.
        } else {
            let piece;
            (piece, rest) = rest
                .split_at_checked(usize::from(instruction))
                .ok_or(MALFORMED)?;
            piece
        };
        if result.len().saturating_add(piece.len()) > result_size {
            return Err(MALFORMED);
        }
        result.extend_from_slice(piece);
    }
    if result.len() != result_size {
        return Err(MALFORMED);
    }
    Ok(result.into())
}

/// Offset and size of a copy; each set bit of the instruction adds one byte.
fn read_copy(instruction: u8, mut rest: &[u8]) -> Result<(usize, usize, &[u8]), PackError> {
    let mut number = |bits: std::ops::Range<u32>| -> Result<usize, PackError> {
        let mut value: usize = 0;
        for (shift, bit) in bits.enumerate() {
            if instruction & (1 << bit) != 0 {
                let (&byte, after) = rest.split_first().ok_or(MALFORMED)?;
                rest = after;
                value |= usize::from(byte) << (shift * 8);
            }
        }
        Ok(value)
    };
    let offset = number(0..4)?;
    let size = match number(4..7)? {
        0 => 0x1_0000,
        size => size,
    };
    Ok((offset, size, rest))
}

/// A little-endian number of seven bits a byte.
fn read_size(mut bytes: &[u8]) -> Result<(u64, &[u8]), PackError> {
    let mut value: u64 = 0;
    for shift in (0..56).step_by(7) {
        let (&byte, after) = bytes.split_first().ok_or(MALFORMED)?;
        bytes = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((value, bytes));
        }
    }
    Err(MALFORMED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_and_inserts_make_the_result() {
        // Base of 5, result of 7: copy 1..4, insert "xy", copy 0..2.
        let delta = [5, 7, 0x91, 1, 3, 2, b'x', b'y', 0x90, 2];
        assert_eq!(apply(b"hello", &delta).unwrap(), &b"ellxyhe"[..]);
    }

    #[test]
    fn hostile_deltas_are_refused() {
        let cases: [(&str, &[u8]); 7] = [
            ("wrong base size", &[4, 1, 1, b'x']),
            ("copy past the base", &[5, 9, 0x91, 4, 9]),
            ("insert past the delta", &[5, 3, 3, b'x']),
            ("reserved instruction", &[5, 1, 0]),
            ("result too long", &[5, 1, 2, b'x', b'y']),
            ("result too short", &[5, 9, 1, b'x']),
            ("endless size", &[0xff; 12]),
        ];
        for (name, delta) in cases {
            assert!(apply(b"hello", delta).is_err(), "{name}");
        }
    }
}
