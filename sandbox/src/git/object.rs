//! Git objects and their ids: SHA-1 of `<kind> <length>\0<body>`. Reads only
//! what a walk over history needs.

use std::fmt;
use std::str::FromStr;

use sha1_checked::{Digest, Sha1};

/// The id of an object: SHA-1, printed as 40 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha([u8; 20]);

impl Sha {
    /// The 20 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The SHA-1 of bytes.
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let mut state = Sha1::new();
        for part in parts {
            state.update(part);
        }
        Self(state.finalize().into())
    }
}

impl fmt::Display for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A text that is no object id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to read an object id of 40 hexadecimal digits")]
pub struct BadSha;

impl FromStr for Sha {
    type Err = BadSha;

    fn from_str(text: &str) -> Result<Self, BadSha> {
        let digits = text.as_bytes();
        let mut bytes = [0; 20];
        if digits.len() != 40 {
            return Err(BadSha);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let value = |digit: u8| {
                char::from(digit)
                    .to_digit(16)
                    .and_then(|v| u8::try_from(v).ok())
            };
            let (Some(high), Some(low)) = (
                pair.first().copied().and_then(value),
                pair.last().copied().and_then(value),
            ) else {
                return Err(BadSha);
            };
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }

    /// The number of the kind in a pack.
    pub(super) fn pack_type(self) -> u8 {
        match self {
            Self::Commit => 1,
            Self::Tree => 2,
            Self::Blob => 3,
            Self::Tag => 4,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) body: Vec<u8>,
}

impl Object {
    pub(super) fn sha(&self) -> Sha {
        let header = format!("{} {}\0", self.kind.name(), self.body.len());
        Sha::of(&[header.as_bytes(), &self.body])
    }

    /// The ids in the header lines that begin with `field`, of a commit or tag.
    fn header(&self, field: &str) -> Vec<Sha> {
        let text = String::from_utf8_lossy(&self.body);
        let lines = text.lines().take_while(|line| !line.is_empty());
        let values = lines.filter_map(|line| line.strip_prefix(field)?.strip_prefix(' '));
        values.filter_map(|value| value.parse().ok()).collect()
    }

    pub(super) fn parents(&self) -> Vec<Sha> {
        match self.kind {
            Kind::Commit => self.header("parent"),
            Kind::Tree | Kind::Blob | Kind::Tag => Vec::new(),
        }
    }

    /// What a tag names.
    pub(super) fn tagged(&self) -> Option<Sha> {
        match self.kind {
            Kind::Tag => self.header("object").into_iter().next(),
            Kind::Commit | Kind::Tree | Kind::Blob => None,
        }
    }

    /// The objects directly below, history apart: a commit's tree, a tree's entries, a tag's object.
    pub(super) fn below(&self) -> Vec<Sha> {
        match self.kind {
            Kind::Commit => self.header("tree"),
            Kind::Tag => self.header("object"),
            Kind::Tree => self.entries(),
            Kind::Blob => Vec::new(),
        }
    }

    fn entries(&self) -> Vec<Sha> {
        let mut rest = self.body.as_slice();
        let mut found = Vec::new();
        while let Some(end) = rest.iter().position(|byte| *byte == 0) {
            let Some(id) = rest.get(end + 1..end + 21) else {
                break;
            };
            if let Ok(bytes) = id.try_into() {
                found.push(Sha(bytes));
            }
            rest = rest.get(end + 21..).unwrap_or_default();
        }
        found
    }
}
