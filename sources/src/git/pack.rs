//! Reads a packfile while it streams in, and resolves its deltas at the end.
//!
//! Sizes are checked before memory is taken: bytes received, objects, inflated
//! bytes, their ratio, and the depth of deltas. Every object's id is computed,
//! never believed. It handles no thin packs and writes no disk.
//! Format: git-scm.com/docs/pack-format.

use std::collections::HashMap;

use bytes::{Buf as _, Bytes, BytesMut};
use flate2::{Decompress, FlushDecompress, Status};
use sha1_checked::{Digest as _, Sha1};

use crate::git::delta;
use crate::git::object::{self, Kind, Object, ObjectError, Oid};

/// What a pack may cost.
#[derive(Clone, Copy, Debug)]
pub struct PackLimits {
    /// Bytes on the wire.
    pub received_bytes_max: u64,
    /// Objects in the pack.
    pub objects_max: u32,
    /// Bytes of all objects, deltas and results, after inflating.
    pub inflated_bytes_max: u64,
    /// Bytes of one object.
    pub object_bytes_max: u64,
    /// Length of a chain of deltas.
    pub delta_depth_max: u32,
    /// Inflated bytes for each received byte, once 16 MiB are inflated.
    pub ratio_max: u64,
}

impl Default for PackLimits {
    fn default() -> Self {
        Self {
            received_bytes_max: 256 << 20,
            objects_max: 1_000_000,
            inflated_bytes_max: 768 << 20,
            object_bytes_max: 64 << 20,
            delta_depth_max: 512,
            ratio_max: 300,
        }
    }
}

const RATIO_FREE_BYTES: u64 = 16 << 20;
const SCRATCH_BYTES: usize = 32 << 10;

/// Why a pack was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PackError {
    /// The bytes do not follow the format.
    #[error("refused the pack: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// A limit was reached.
    #[error("refused the pack: more than {max} {unit}")]
    Limit {
        /// The limit.
        max: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// An object was refused.
    #[error("refused the pack")]
    Object(#[from] ObjectError),
}

/// Objects by id.
pub(crate) type Objects = HashMap<Oid, Object>;

#[derive(Clone, Copy, Debug)]
enum Form {
    Whole(Kind),
    /// The base starts this many bytes earlier in the pack.
    OffsetDelta(u64),
    ReferenceDelta(Oid),
}

struct Entry {
    offset: u64,
    form: Form,
    bytes: Bytes,
}

struct Inflating {
    offset: u64,
    form: Form,
    size: usize,
    inflate: Box<Decompress>,
    out: Vec<u8>,
}

enum State {
    Header,
    Entry,
    Inflating(Inflating),
    Trailer,
    Done,
}

/// A pack being received.
pub(crate) struct PackReader {
    limits: PackLimits,
    state: State,
    pending: BytesMut,
    hasher: Sha1,
    /// Bytes of the pack consumed so far.
    offset: u64,
    received: u64,
    inflated: u64,
    remaining: u32,
    entries: Vec<Entry>,
    scratch: Vec<u8>,
}

const fn malformed(what: &'static str) -> PackError {
    PackError::Malformed { what }
}

impl PackReader {
    pub(crate) fn new(limits: PackLimits) -> Self {
        Self {
            limits,
            state: State::Header,
            pending: BytesMut::new(),
            hasher: Sha1::new(),
            offset: 0,
            received: 0,
            inflated: 0,
            remaining: 0,
            entries: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES],
        }
    }

    /// Takes the next bytes of the pack.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<(), PackError> {
        self.received = self.received.saturating_add(chunk.len() as u64);
        if self.received > self.limits.received_bytes_max {
            return Err(PackError::Limit {
                max: self.limits.received_bytes_max,
                unit: "bytes received",
            });
        }
        self.pending.extend_from_slice(chunk);
        while self.step()? {}
        Ok(())
    }

    /// Consumes what it can; false when more bytes are needed.
    fn step(&mut self) -> Result<bool, PackError> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Header => self.read_header(),
            State::Entry => self.read_entry_head(),
            State::Inflating(entry) => self.inflate(entry),
            State::Trailer => self.read_trailer(),
            State::Done if self.pending.is_empty() => Ok(false),
            State::Done => Err(malformed("bytes follow its checksum")),
        }
    }

    fn consume(&mut self, count: usize) {
        if let Some(bytes) = self.pending.get(..count) {
            self.hasher.update(bytes);
        }
        self.pending.advance(count.min(self.pending.len()));
        self.offset = self.offset.saturating_add(count as u64);
    }

    fn read_header(&mut self) -> Result<bool, PackError> {
        let Some(header) = self.pending.first_chunk::<12>() else {
            self.state = State::Header;
            return Ok(false);
        };
        let [b'P', b'A', b'C', b'K', 0, 0, 0, 2 | 3, a, b, c, d] = *header else {
            return Err(malformed("it has no pack header of version 2 or 3"));
        };
        self.remaining = u32::from_be_bytes([a, b, c, d]);
        if self.remaining > self.limits.objects_max {
            return Err(PackError::Limit {
                max: u64::from(self.limits.objects_max),
                unit: "objects",
            });
        }
        self.consume(12);
        self.state = self.next_state();
        Ok(true)
    }

    fn next_state(&self) -> State {
        if self.remaining == 0 {
            State::Trailer
        } else {
            State::Entry
        }
    }

    fn read_entry_head(&mut self) -> Result<bool, PackError> {
        let Some((form, size, length)) = parse_entry_head(&self.pending)? else {
            self.state = State::Entry;
            return Ok(false);
        };
        self.admit(size)?;
        let size = usize::try_from(size).map_err(|_| malformed("an object is too large"))?;
        let offset = self.offset;
        self.consume(length);
        self.state = State::Inflating(Inflating {
            offset,
            form,
            size,
            inflate: Box::new(Decompress::new(true)),
            out: Vec::with_capacity(size.min(1 << 20)),
        });
        Ok(true)
    }

    /// Counts `size` bytes about to be held, before they are.
    fn admit(&mut self, size: u64) -> Result<(), PackError> {
        if size > self.limits.object_bytes_max {
            return Err(PackError::Limit {
                max: self.limits.object_bytes_max,
                unit: "bytes in one object",
            });
        }
        self.inflated = self.inflated.saturating_add(size);
        if self.inflated > self.limits.inflated_bytes_max {
            return Err(PackError::Limit {
                max: self.limits.inflated_bytes_max,
                unit: "inflated bytes",
            });
        }
        Ok(())
    }

    fn inflate(&mut self, mut entry: Inflating) -> Result<bool, PackError> {
        let (before_in, before_out) = (entry.inflate.total_in(), entry.inflate.total_out());
        let status = entry
            .inflate
            .decompress(&self.pending, &mut self.scratch, FlushDecompress::None)
            .map_err(|_| malformed("an object is no zlib stream"))?;
        let taken = entry.inflate.total_in().saturating_sub(before_in);
        let made = entry.inflate.total_out().saturating_sub(before_out);
        let (taken, made) = (
            usize::try_from(taken).unwrap_or(0),
            usize::try_from(made).unwrap_or(0),
        );
        self.consume(taken);
        if entry.out.len().saturating_add(made) > entry.size {
            return Err(malformed("an object is larger than it says"));
        }
        entry
            .out
            .extend_from_slice(self.scratch.get(..made).unwrap_or_default());
        match status {
            Status::StreamEnd => {
                if entry.out.len() != entry.size {
                    return Err(malformed("an object is smaller than it says"));
                }
                self.check_ratio(self.inflated)?;
                self.entries.push(Entry {
                    offset: entry.offset,
                    form: entry.form,
                    bytes: entry.out.into(),
                });
                self.remaining = self.remaining.saturating_sub(1);
                self.state = self.next_state();
                Ok(true)
            }
            Status::Ok | Status::BufError => {
                let has_progress = taken > 0 || made > 0;
                self.state = State::Inflating(entry);
                Ok(has_progress)
            }
        }
    }

    fn check_ratio(&self, inflated: u64) -> Result<(), PackError> {
        if inflated > RATIO_FREE_BYTES && inflated / self.received.max(1) > self.limits.ratio_max {
            return Err(PackError::Limit {
                max: self.limits.ratio_max,
                unit: "inflated bytes for each received byte",
            });
        }
        Ok(())
    }

    fn read_trailer(&mut self) -> Result<bool, PackError> {
        let Some(checksum) = self.pending.first_chunk::<20>().copied() else {
            self.state = State::Trailer;
            return Ok(false);
        };
        let digest = std::mem::take(&mut self.hasher).try_finalize();
        if digest.has_collision() || digest.hash().as_slice() != checksum {
            return Err(malformed("its checksum is wrong"));
        }
        self.pending.advance(20);
        Ok(true)
    }

    /// Resolves the deltas. Heavy: to be called off the event loop.
    pub(crate) fn finish(mut self) -> Result<Objects, PackError> {
        if !matches!(self.state, State::Done) || self.offset == 0 {
            return Err(malformed("it ends too early"));
        }
        let entries = std::mem::take(&mut self.entries);
        let (mut by_offset, mut by_id) = index_children(&entries)?;
        let mut ready: Vec<(usize, Kind, Bytes, u32)> = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            if let Form::Whole(kind) = entry.form {
                ready.push((index, kind, entry.bytes.clone(), 0));
            }
        }
        let mut objects = Objects::with_capacity(entries.len());
        let mut resolved: usize = 0;
        while let Some((index, kind, bytes, depth)) = ready.pop() {
            resolved = resolved.saturating_add(1);
            let oid = object::hash(kind, &bytes)?;
            let children = by_offset
                .remove(&index)
                .into_iter()
                .chain(by_id.remove(&oid))
                .flatten();
            for child in children {
                let depth = depth.saturating_add(1);
                if depth > self.limits.delta_depth_max {
                    return Err(PackError::Limit {
                        max: u64::from(self.limits.delta_depth_max),
                        unit: "deltas in a chain",
                    });
                }
                let delta = entries
                    .get(child)
                    .map(|entry| entry.bytes.clone())
                    .unwrap_or_default();
                self.admit(delta::sizes(&delta)?.1)?;
                self.check_ratio(self.inflated)?;
                ready.push((child, kind, delta::apply(&bytes, &delta)?, depth));
            }
            objects.insert(oid, Object { kind, bytes });
        }
        if resolved != entries.len() {
            return Err(malformed("a delta has no base"));
        }
        Ok(objects)
    }
}

type Children<K> = HashMap<K, Vec<usize>>;

/// Which entries are deltas of which base.
fn index_children(entries: &[Entry]) -> Result<(Children<usize>, Children<Oid>), PackError> {
    let mut by_offset: Children<usize> = HashMap::new();
    let mut by_id: Children<Oid> = HashMap::new();
    for (index, entry) in entries.iter().enumerate() {
        match entry.form {
            Form::Whole(_) => {}
            Form::OffsetDelta(distance) => {
                let base = entry
                    .offset
                    .checked_sub(distance)
                    .and_then(|offset| {
                        entries
                            .binary_search_by_key(&offset, |entry| entry.offset)
                            .ok()
                    })
                    .filter(|base| *base < index)
                    .ok_or(malformed("a delta points at no object"))?;
                by_offset.entry(base).or_default().push(index);
            }
            Form::ReferenceDelta(base) => by_id.entry(base).or_default().push(index),
        }
    }
    Ok((by_offset, by_id))
}

/// Form, inflated size and length of an entry's head; `None` when cut short.
fn parse_entry_head(bytes: &[u8]) -> Result<Option<(Form, u64, usize)>, PackError> {
    let mut bytes = bytes.iter().copied();
    let mut length: usize = 0;
    let mut next = || {
        length += 1;
        bytes.next()
    };
    let Some(mut byte) = next() else {
        return Ok(None);
    };
    let kind = (byte >> 4) & 7;
    let mut size = u64::from(byte & 15);
    let mut shift = 4;
    while byte & 0x80 != 0 {
        if shift > 46 {
            return Err(malformed("an object's size has too many digits"));
        }
        let Some(more) = next() else {
            return Ok(None);
        };
        byte = more;
        size |= u64::from(byte & 0x7f) << shift;
        shift += 7;
    }
    let form = match kind {
        1 => Form::Whole(Kind::Commit),
        2 => Form::Whole(Kind::Tree),
        3 => Form::Whole(Kind::Blob),
        4 => Form::Whole(Kind::Tag),
        6 => match parse_distance(&mut next)? {
            Some(distance) => Form::OffsetDelta(distance),
            None => return Ok(None),
        },
        7 => {
            let mut raw = [0; 20];
            for slot in &mut raw {
                let Some(byte) = next() else {
                    return Ok(None);
                };
                *slot = byte;
            }
            let base = Oid::from_raw(&raw).ok_or(malformed("a delta names no base"))?;
            Form::ReferenceDelta(base)
        }
        _ => return Err(malformed("an object has an unknown type")),
    };
    Ok(Some((form, size, length)))
}

/// A big-endian number of seven bits a byte, one added for each byte but the last.
fn parse_distance(next: &mut impl FnMut() -> Option<u8>) -> Result<Option<u64>, PackError> {
    let Some(mut byte) = next() else {
        return Ok(None);
    };
    let mut value = u64::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        let Some(more) = next() else {
            return Ok(None);
        };
        byte = more;
        value = value
            .checked_add(1)
            .and_then(|value| value.checked_mul(128))
            .map(|value| value | u64::from(byte & 0x7f))
            .ok_or(malformed("a delta's distance has too many digits"))?;
    }
    Ok(Some(value))
}

#[cfg(test)]
mod tests;
