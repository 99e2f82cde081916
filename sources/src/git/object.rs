//! Names and reads Git objects: commits, trees, tags.
//!
//! Every id is computed with SHA-1 that notices the known collision attacks.
//! It keeps no objects and follows no links between them.

use std::fmt;

use bytes::Bytes;
use sha1_checked::{Digest as _, Sha1};

/// An object id: 20 bytes of SHA-1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid([u8; 20]);

impl Oid {
    /// Reads 40 lower- or upper-case hex digits.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        if hex.len() != 40 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut oid = [0; 20];
        for (index, byte) in oid.iter_mut().enumerate() {
            let start = index.checked_mul(2)?;
            *byte = u8::from_str_radix(hex.get(start..start.checked_add(2)?)?, 16).ok()?;
        }
        Some(Self(oid))
    }

    /// Takes 20 raw bytes.
    pub(crate) fn from_raw(raw: &[u8]) -> Option<Self> {
        raw.try_into().ok().map(Self)
    }

    pub(crate) fn is_zero(self) -> bool {
        self.0 == [0; 20]
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The four kinds of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }
}

/// An object's kind and content.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    pub(crate) bytes: Bytes,
}

/// Why an object was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ObjectError {
    /// The content carries a known SHA-1 collision attack.
    #[error("refused a {kind}: its content is a SHA-1 collision attack")]
    Collision {
        /// Kind of the object.
        kind: &'static str,
    },
    /// The content does not follow the format.
    #[error("failed to read {kind} {oid}: {reason}")]
    Malformed {
        /// Kind of the object.
        kind: &'static str,
        /// Its id.
        oid: Oid,
        /// What is wrong.
        reason: &'static str,
    },
}

/// The id of an object.
pub(crate) fn hash(kind: Kind, bytes: &[u8]) -> Result<Oid, ObjectError> {
    let mut hasher = Sha1::new();
    hasher.update(format!("{} {}\0", kind.word(), bytes.len()).as_bytes());
    hasher.update(bytes);
    let digest = hasher.try_finalize();
    if digest.has_collision() {
        return Err(ObjectError::Collision { kind: kind.word() });
    }
    let mut oid = [0; 20];
    oid.copy_from_slice(digest.hash());
    Ok(Oid(oid))
}

/// What is used of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) tree: Oid,
    pub(crate) parents: Vec<Oid>,
    /// Seconds since the epoch.
    pub(crate) committed_at: i64,
    pub(crate) subject: String,
}

pub(crate) fn parse_commit(oid: Oid, bytes: &[u8]) -> Result<Commit, ObjectError> {
    let malformed = |reason| ObjectError::Malformed {
        kind: "commit",
        oid,
        reason,
    };
    let (mut tree, mut parents, mut committed_at) = (None, Vec::new(), 0);
    let mut rest = bytes;
    loop {
        let (line, after) = split_line(rest).ok_or_else(|| malformed("its header has no end"))?;
        rest = after;
        if line.is_empty() {
            break;
        }
        if let Some(hex) = line.strip_prefix(b"tree ") {
            tree = parse_hex(hex);
        } else if let Some(hex) = line.strip_prefix(b"parent ") {
            parents.push(parse_hex(hex).ok_or_else(|| malformed("a parent is no object id"))?);
        } else if let Some(person) = line.strip_prefix(b"committer ") {
            committed_at = parse_time(person).unwrap_or(0);
        }
        if rest.is_empty() {
            break; // A commit may have no message at all.
        }
    }
    let message = String::from_utf8_lossy(rest);
    let subject = message
        .trim_start()
        .lines()
        .next()
        .unwrap_or_default()
        .trim_end()
        .to_owned();
    let tree = tree.ok_or_else(|| malformed("it names no tree"))?;
    Ok(Commit {
        tree,
        parents,
        committed_at,
        subject,
    })
}

/// The object that an annotated tag points at.
pub(crate) fn parse_tag_target(oid: Oid, bytes: &[u8]) -> Result<Oid, ObjectError> {
    split_line(bytes)
        .and_then(|(line, _)| line.strip_prefix(b"object "))
        .and_then(parse_hex)
        .ok_or(ObjectError::Malformed {
            kind: "tag",
            oid,
            reason: "it names no object",
        })
}

/// What a tree entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    File,
    Executable,
    Directory,
    Symlink,
    Submodule,
}

/// One name in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TreeEntry<'a> {
    pub(crate) mode: Mode,
    pub(crate) name: &'a str,
    pub(crate) oid: Oid,
}

/// Reads `mode SP name NUL oid`, repeated.
pub(crate) fn parse_tree(oid: Oid, bytes: &[u8]) -> Result<Vec<TreeEntry<'_>>, ObjectError> {
    let malformed = |reason| ObjectError::Malformed {
        kind: "tree",
        oid,
        reason,
    };
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (mode, after) =
            split_at_byte(rest, b' ').ok_or_else(|| malformed("an entry has no mode"))?;
        let (name, after) =
            split_at_byte(after, 0).ok_or_else(|| malformed("an entry has no name"))?;
        let (id, after) = after
            .split_at_checked(20)
            .ok_or_else(|| malformed("an entry has no id"))?;
        rest = after;
        let mode = match mode {
            b"100644" | b"100664" => Mode::File,
            b"100755" => Mode::Executable,
            b"40000" | b"040000" => Mode::Directory,
            b"120000" => Mode::Symlink,
            b"160000" => Mode::Submodule,
            _ => return Err(malformed("an entry has an unknown mode")),
        };
        let name = std::str::from_utf8(name).map_err(|_| malformed("a name is not UTF-8"))?;
        let oid = Oid::from_raw(id).ok_or_else(|| malformed("an entry has no id"))?;
        entries.push(TreeEntry { mode, name, oid });
    }
    Ok(entries)
}

fn split_at_byte(bytes: &[u8], mark: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == mark)?;
    Some((bytes.get(..at)?, bytes.get(at.checked_add(1)?..)?))
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    split_at_byte(bytes, b'\n')
}

fn parse_hex(hex: &[u8]) -> Option<Oid> {
    Oid::parse(std::str::from_utf8(hex).ok()?)
}

/// The seconds in `Name <mail> 1700000000 +0000`.
fn parse_time(person: &[u8]) -> Option<i64> {
    let text = String::from_utf8_lossy(person);
    text.rsplit(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_gits() {
        let id = |kind, bytes: &[u8]| hash(kind, bytes).unwrap().to_string();
        assert_eq!(
            id(Kind::Blob, b""),
            "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
        );
        assert_eq!(
            id(Kind::Tree, b""),
            "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
        );
        assert_eq!(Oid::parse("zz"), None);
        assert_eq!(Oid::parse(&"+".repeat(40)), None);
    }

    #[test]
    fn commits_are_read_and_bad_ones_refused() {
        let oid = hash(Kind::Blob, b"").unwrap();
        let text = format!(
            "tree {oid}\nparent {oid}\nauthor A <a@b> 1 +0000\ncommitter C <c@d> 1700000000 +0200\ngpgsig x\n y\n\nFirst line\n\nmore\n"
        );
        let commit = parse_commit(oid, text.as_bytes()).unwrap();
        assert_eq!(
            (
                commit.tree,
                commit.parents.len(),
                commit.committed_at,
                commit.subject.as_str()
            ),
            (oid, 1, 1_700_000_000, "First line")
        );
        for bad in ["", "tree x\n\n", "author A\n\nmessage", "tree"] {
            assert!(parse_commit(oid, bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn trees_are_read_and_bad_ones_refused() {
        let oid = hash(Kind::Blob, b"").unwrap();
        let mut tree = b"100644 a\0".to_vec();
        tree.extend([7; 20]);
        assert_eq!(parse_tree(oid, &tree).unwrap().len(), 1);
        for bad in [
            &tree[..15],
            b"100644 a",
            b"100644",
            b"777 a\0aaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(parse_tree(oid, bad).is_err(), "{bad:?}");
        }
    }
}
