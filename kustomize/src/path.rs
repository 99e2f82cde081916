//! Holds paths that cannot leave the tree.

use std::fmt;

use crate::error::Fault;

/// Bytes of a path.
const PATH_BYTES_MAX: usize = 4096;

/// A path below the root: parts joined by `/`, without `.`, `..` or a leading
/// `/`. The empty path is the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(String);

impl RelPath {
    /// The root of the tree.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Reads a path relative to the root and normalises it lexically.
    ///
    /// # Errors
    /// Absolute paths, URLs, backslashes, NUL, and paths that leave the root.
    pub fn parse(path: &str) -> Result<Self, Fault> {
        Self::root().join(path)
    }

    /// Reads a path relative to this folder.
    ///
    /// # Errors
    /// As [`RelPath::parse`].
    pub fn join(&self, path: &str) -> Result<Self, Fault> {
        let fault = |why| {
            Err(Fault::Path {
                path: path.chars().take(200).collect(),
                why,
            })
        };
        if path.len() > PATH_BYTES_MAX {
            return fault("is too long");
        }
        if path.starts_with('/') {
            return fault("is absolute");
        }
        if path.contains("://") || path.starts_with("git@") || path.starts_with("git::") {
            return fault("is remote");
        }
        if path.contains(['\\', '\0']) {
            return fault("has a backslash or a NUL");
        }
        let mut parts: Vec<&str> = self.parts().collect();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." if parts.pop().is_none() => return fault("leaves the root of the source"),
                ".." => {}
                name => parts.push(name),
            }
        }
        Ok(Self(parts.join("/")))
    }

    /// The folder that holds this path; the root for the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(
            self.0
                .rsplit_once('/')
                .map(|(dir, _)| dir.to_owned())
                .unwrap_or_default(),
        )
    }

    /// The last part; empty for the root.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0
            .rsplit_once('/')
            .map_or(self.0.as_str(), |(_, name)| name)
    }

    /// The path as text; empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True when this is `other` or a folder above it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.0.is_empty()
            || self == other
            || other
                .0
                .strip_prefix(&self.0)
                .is_some_and(|rest| rest.starts_with('/'))
    }

    fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}
