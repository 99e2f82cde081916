//! Reads what a Git server says of itself: protocol version, capabilities, references.
//!
//! Formats: git-scm.com/docs/gitprotocol-v2, gitprotocol-pack. It asks nothing.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::git::GitError;
use crate::git::object::Oid;
use crate::git::pkt_line::{self, Pkt, PktReader};

/// A reference of the remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemoteRef {
    pub(crate) name: String,
    pub(crate) oid: Oid,
    /// What an annotated tag ends at.
    pub(crate) peeled: Option<Oid>,
}

impl RemoteRef {
    /// The id behind any annotated tag.
    pub(crate) fn target(&self) -> Oid {
        self.peeled.unwrap_or(self.oid)
    }
}

/// The protocol that a server speaks.
pub(crate) enum Version {
    V0 {
        refs: Vec<RemoteRef>,
        capabilities: Vec<String>,
    },
    V2 {
        capabilities: BTreeMap<String, String>,
    },
}

pub(crate) async fn read_advertisement(
    lines: &mut PktReader,
    refs_max: usize,
) -> Result<Version, GitError> {
    let mut line = next_line(lines).await?;
    if pkt_line::text(&line)?.starts_with("# service=") {
        if lines.next().await? != Some(Pkt::Flush) {
            return Err(GitError::Protocol {
                what: "the service line has no end",
            });
        }
        line = match lines.next().await? {
            Some(Pkt::Line(line)) => line,
            // A server of protocol 0 may say nothing at all of an empty repository.
            _ => {
                return Ok(Version::V0 {
                    refs: Vec::new(),
                    capabilities: Vec::new(),
                });
            }
        };
    }
    let first = pkt_line::text(&line)?.to_owned();
    refuse_error_line(&first)?;
    if first == "version 2" {
        return read_v2_capabilities(lines).await;
    }
    if first == "version 1" {
        line = next_line(lines).await?;
    }
    read_v0_refs(lines, &line, refs_max).await
}

async fn next_line(lines: &mut PktReader) -> Result<Bytes, GitError> {
    match lines.next().await? {
        Some(Pkt::Line(line)) => Ok(line),
        Some(Pkt::Flush | Pkt::Delimiter | Pkt::ResponseEnd) | None => Err(GitError::Protocol {
            what: "the advertisement is empty",
        }),
    }
}

async fn read_v2_capabilities(lines: &mut PktReader) -> Result<Version, GitError> {
    let mut capabilities = BTreeMap::new();
    while let Some(Pkt::Line(line)) = lines.next().await? {
        let text = pkt_line::text(&line)?;
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        capabilities.insert(name.to_owned(), value.to_owned());
    }
    if capabilities
        .get("object-format")
        .is_some_and(|format| format != "sha1")
    {
        return Err(GitError::ObjectFormat);
    }
    Ok(Version::V2 { capabilities })
}

async fn read_v0_refs(
    lines: &mut PktReader,
    first: &Bytes,
    refs_max: usize,
) -> Result<Version, GitError> {
    let text = pkt_line::text(first)?;
    let (first, capabilities) = text.split_once('\0').unwrap_or((text, ""));
    let capabilities: Vec<String> = capabilities
        .split_ascii_whitespace()
        .map(str::to_owned)
        .collect();
    if capabilities
        .iter()
        .any(|word| word.starts_with("object-format=") && word != "object-format=sha1")
    {
        return Err(GitError::ObjectFormat);
    }
    let mut refs: Vec<RemoteRef> = Vec::new();
    let mut text = first.to_owned();
    loop {
        let (oid, name) = text
            .split_once(' ')
            .and_then(|(oid, name)| Some((Oid::parse(oid)?, name)))
            .ok_or(GitError::Protocol {
                what: "a reference line has no object id",
            })?;
        match (name.strip_suffix("^{}"), refs.last_mut()) {
            (Some(name), Some(tag)) if tag.name == name => tag.peeled = Some(oid),
            (Some(_), _) => {} // `capabilities^{}` of an empty repository.
            (None, _) => push_ref(
                &mut refs,
                RemoteRef {
                    name: name.to_owned(),
                    oid,
                    peeled: None,
                },
                refs_max,
            )?,
        }
        match lines.next().await? {
            Some(Pkt::Line(line)) => text = pkt_line::text(&line)?.to_owned(),
            Some(Pkt::Flush | Pkt::Delimiter | Pkt::ResponseEnd) | None => break,
        }
    }
    Ok(Version::V0 { refs, capabilities })
}

/// Reads `oid name [attribute:value]…`; an unborn reference is none.
pub(crate) fn parse_v2_ref(line: &str) -> Result<Option<RemoteRef>, GitError> {
    let mut words = line.split(' ');
    let (Some(oid), Some(name)) = (words.next(), words.next()) else {
        return Err(GitError::Protocol {
            what: "a reference line has no name",
        });
    };
    if oid == "unborn" {
        return Ok(None);
    }
    let oid = Oid::parse(oid).ok_or(GitError::Protocol {
        what: "a reference line has no object id",
    })?;
    let peeled = words
        .find_map(|word| word.strip_prefix("peeled:"))
        .and_then(Oid::parse);
    Ok(Some(RemoteRef {
        name: name.to_owned(),
        oid,
        peeled,
    }))
}

pub(crate) fn push_ref(
    refs: &mut Vec<RemoteRef>,
    reference: RemoteRef,
    refs_max: usize,
) -> Result<(), GitError> {
    if refs.len() >= refs_max {
        return Err(GitError::Limit {
            max: refs_max as u64,
            unit: "references",
        });
    }
    if !reference.oid.is_zero() {
        refs.push(reference);
    }
    Ok(())
}

pub(crate) fn refuse_error_line(line: &str) -> Result<(), GitError> {
    line.strip_prefix("ERR ")
        .map_or(Ok(()), |message| Err(remote_error(message)))
}

pub(crate) fn remote_error(message: &str) -> GitError {
    const MESSAGE_CHARS_MAX: usize = 300;
    let printable = message.trim().chars().filter(|c| !c.is_control());
    GitError::Remote {
        message: printable.take(MESSAGE_CHARS_MAX).collect(),
    }
}
