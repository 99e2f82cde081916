//! Git's pkt-lines (gitprotocol-common): four hexadecimal digits of length,
//! then the line; 0000 flushes, 0001 divides.

/// Bytes of payload in one packet at most.
const PAYLOAD_BYTES_MAX: usize = 65_516;
const FLUSH: &[u8] = b"0000";
const DELIMITER: &[u8] = b"0001";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    Line(String),
    Flush,
    Delimiter,
}

/// Reads all packets; nothing when the bytes are no packets.
pub(super) fn read(mut bytes: &[u8]) -> Option<Vec<Packet>> {
    let mut packets = Vec::new();
    while !bytes.is_empty() {
        let digits = std::str::from_utf8(bytes.get(..4)?).ok()?;
        let length = usize::from_str_radix(digits, 16).ok()?;
        let taken = match length {
            0 => {
                packets.push(Packet::Flush);
                4
            }
            1 => {
                packets.push(Packet::Delimiter);
                4
            }
            2 | 3 => return None,
            _ => {
                let line = String::from_utf8_lossy(bytes.get(4..length)?);
                packets.push(Packet::Line(line.trim_end_matches('\n').to_owned()));
                length
            }
        };
        bytes = bytes.get(taken..)?;
    }
    Some(packets)
}

/// Packets to send.
#[derive(Default)]
pub(super) struct Packets(pub(super) Vec<u8>);

impl Packets {
    pub(super) fn line(&mut self, line: &str) {
        self.payload(&[line.as_bytes(), b"\n"]);
    }

    fn payload(&mut self, parts: &[&[u8]]) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        self.0
            .extend_from_slice(format!("{:04x}", length + 4).as_bytes());
        for part in parts {
            self.0.extend_from_slice(part);
        }
    }

    /// Bytes in as many packets of side band 1 as they need.
    pub(super) fn band(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(PAYLOAD_BYTES_MAX - 1) {
            self.payload(&[&[1], chunk]);
        }
    }

    pub(super) fn flush(&mut self) {
        self.0.extend_from_slice(FLUSH);
    }

    pub(super) fn delimiter(&mut self) {
        self.0.extend_from_slice(DELIMITER);
    }
}
