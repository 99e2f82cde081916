//! Reads and writes pkt-lines, the framing of Git's wire protocol.
//!
//! A line is four hex digits of length (their own four included) and its
//! payload; lengths 0 to 2 are markers. It does not know what lines mean.
//! Format: git-scm.com/docs/protocol-common, git-scm.com/docs/protocol-v2.

use bytes::{Buf as _, Bytes, BytesMut};
use futures::StreamExt as _;

use crate::git::GitError;
use crate::network::Body;

const LINE_BYTES_MAX: usize = 65_520;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pkt {
    /// A payload.
    Line(Bytes),
    /// `0000`: end of a message.
    Flush,
    /// `0001`: end of a section.
    Delimiter,
    /// `0002`: end of a response.
    ResponseEnd,
}

/// Appends a line with `text` as payload; the caller keeps it under the limit.
pub(crate) fn write_line(out: &mut Vec<u8>, text: &str) {
    let length = text.len().saturating_add(4);
    out.extend_from_slice(format!("{length:04x}").as_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Appends a flush.
pub(crate) fn write_flush(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0000");
}

/// Appends a delimiter.
pub(crate) fn write_delimiter(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0001");
}

/// Frames of a streaming body, under a byte limit.
pub(crate) struct PktReader {
    body: Body,
    pending: BytesMut,
    received: u64,
    received_max: u64,
}

impl PktReader {
    pub(crate) fn new(body: Body, received_max: u64) -> Self {
        Self {
            body,
            pending: BytesMut::new(),
            received: 0,
            received_max,
        }
    }

    /// The next frame; `None` at a clean end of the body.
    pub(crate) async fn next(&mut self) -> Result<Option<Pkt>, GitError> {
        if !self.fill(4).await? {
            return if self.pending.is_empty() {
                Ok(None)
            } else {
                Err(GitError::Protocol {
                    what: "the response ends inside a pkt-line",
                })
            };
        }
        let length = self.pending.get(..4).and_then(parse_length);
        let length = length.ok_or(GitError::Protocol {
            what: "a pkt-line has a bad length",
        })?;
        self.pending.advance(4);
        match length {
            0 => return Ok(Some(Pkt::Flush)),
            1 => return Ok(Some(Pkt::Delimiter)),
            2 => return Ok(Some(Pkt::ResponseEnd)),
            _ => {}
        }
        let payload = length.checked_sub(4).filter(|_| length <= LINE_BYTES_MAX);
        let payload = payload.ok_or(GitError::Protocol {
            what: "a pkt-line has a bad length",
        })?;
        if !self.fill(payload).await? {
            return Err(GitError::Protocol {
                what: "the response ends inside a pkt-line",
            });
        }
        Ok(Some(Pkt::Line(self.pending.split_to(payload).freeze())))
    }

    /// Reads until `wanted` bytes are pending; false when the body ends first.
    async fn fill(&mut self, wanted: usize) -> Result<bool, GitError> {
        while self.pending.len() < wanted {
            let Some(chunk) = self.body.next().await else {
                return Ok(false);
            };
            let chunk = chunk.map_err(GitError::Body)?;
            self.received = self.received.saturating_add(chunk.len() as u64);
            if self.received > self.received_max {
                return Err(GitError::Limit {
                    max: self.received_max,
                    unit: "bytes in a response",
                });
            }
            self.pending.extend_from_slice(&chunk);
        }
        Ok(true)
    }
}

fn parse_length(digits: &[u8]) -> Option<usize> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// A payload as text without its newline.
pub(crate) fn text(line: &Bytes) -> Result<&str, GitError> {
    let text = std::str::from_utf8(line).map_err(|_| GitError::Protocol {
        what: "a line is not UTF-8 text",
    })?;
    Ok(text.strip_suffix('\n').unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn read(chunks: &[&str], received_max: u64) -> Result<Vec<Pkt>, GitError> {
        let chunks: Vec<_> = chunks
            .iter()
            .map(|c| Ok(Bytes::copy_from_slice(c.as_bytes())))
            .collect();
        let mut reader = PktReader::new(futures::stream::iter(chunks).boxed(), received_max);
        let mut seen = Vec::new();
        while let Some(pkt) = reader.next().now_or_never().unwrap()? {
            seen.push(pkt);
        }
        Ok(seen)
    }

    #[test]
    fn frames_are_cut_wherever_chunks_end() {
        let line = |text: &'static str| Pkt::Line(Bytes::from_static(text.as_bytes()));
        let wanted = vec![
            line("a\n"),
            Pkt::Delimiter,
            line(""),
            Pkt::Flush,
            Pkt::ResponseEnd,
        ];
        assert_eq!(read(&["0006a\n0001000400000002"], 100).unwrap(), wanted);
        assert_eq!(
            read(&["00", "06", "a", "\n00010", "00400000002"], 100).unwrap(),
            wanted
        );
    }

    #[test]
    fn bad_frames_are_refused() {
        for bytes in ["0003", "zzzz", "+006a\n", "0008ab", "00", "fff5"] {
            assert!(read(&[bytes], 100).is_err(), "{bytes}");
        }
        assert!(matches!(
            read(&["0006a\n", "0006b\n"], 8),
            Err(GitError::Limit { .. })
        ));
    }
}
