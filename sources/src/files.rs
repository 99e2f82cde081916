//! Holds a tree of files in memory, under paths that cannot escape their root.
//!
//! Every path that comes from outside (tar names, git tree names, `spec.path`)
//! becomes a [`RelPath`] here or is refused. It reads and writes no disk.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

/// Longest path accepted.
pub const PATH_BYTES_MAX: usize = 4096;
/// Most segments a path may have.
pub const PATH_DEPTH_MAX: usize = 128;

/// A relative path of plain names, ordered as a directory walk visits them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RelPath(String);

/// Why a path was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("refused path {path:?}: {reason}")]
pub struct PathError {
    /// The path as it was given.
    pub path: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl RelPath {
    /// Takes `a/b/c`; refuses empty, absolute, `.`, `..`, NUL and over-long paths.
    ///
    /// # Errors
    /// [`PathError`] names the path and the reason.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let refuse = |reason| {
            Err(PathError {
                path: text.chars().take(200).collect(),
                reason,
            })
        };
        if text.is_empty() {
            return refuse("it is empty");
        }
        if text.len() > PATH_BYTES_MAX {
            return refuse("it is longer than 4096 bytes");
        }
        if text.starts_with('/') {
            return refuse("it is absolute");
        }
        if text.contains('\0') {
            return refuse("it holds a NUL byte");
        }
        if text.split('/').count() > PATH_DEPTH_MAX {
            return refuse("it is deeper than 128 levels");
        }
        for segment in text.split('/') {
            match segment {
                "" => return refuse("it has an empty segment"),
                "." => return refuse("it has a \".\" segment"),
                ".." => return refuse("it leaves its root by \"..\""),
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// Resolves `./a//b/../c` lexically below the root; `None` is the root itself.
    ///
    /// # Errors
    /// [`PathError`] when the path is absolute or leaves the root.
    pub fn normalize(text: &str) -> Result<Option<Self>, PathError> {
        let mut segments: Vec<&str> = Vec::new();
        for segment in text.split('/') {
            match segment {
                "" | "." => {}
                ".." => {
                    if segments.pop().is_none() {
                        return Err(PathError {
                            path: text.chars().take(200).collect(),
                            reason: "it leaves its root by \"..\"",
                        });
                    }
                }
                name => segments.push(name),
            }
        }
        if segments.is_empty() {
            return Ok(None);
        }
        Self::parse(&segments.join("/")).map(Some)
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Everything before the last segment, unless the path has only one.
    #[must_use]
    pub fn parent(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(parent, _)| parent)
    }

    /// The rest below `directory` (empty means the root), when it is below it.
    #[must_use]
    pub fn below(&self, directory: &str) -> Option<&str> {
        if directory.is_empty() {
            return Some(&self.0);
        }
        self.0.strip_prefix(directory)?.strip_prefix('/')
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Ord for RelPath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.split('/').cmp(other.0.split('/'))
    }
}

impl PartialOrd for RelPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A regular file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Content.
    pub bytes: Bytes,
    /// Whether the owner may execute it.
    pub is_executable: bool,
}

/// Files by path; directories exist only through their files.
pub type Files = BTreeMap<RelPath, File>;

/// What a file tree may hold.
#[derive(Clone, Copy, Debug)]
pub struct FileLimits {
    /// Entries (files and directories).
    pub entries_max: usize,
    /// Bytes of all files together.
    pub bytes_max: u64,
    /// Bytes of one file.
    pub file_bytes_max: u64,
}

impl Default for FileLimits {
    fn default() -> Self {
        Self {
            entries_max: 100_000,
            bytes_max: 256 << 20,
            file_bytes_max: 64 << 20,
        }
    }
}

/// Why a file could not be added to a tree.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TreeError {
    /// A path was refused.
    #[error("refused an entry")]
    Path(#[from] PathError),
    /// One path came twice, or is both a file and a directory.
    #[error("refused entry {path:?}: the name is taken by another entry")]
    Duplicate {
        /// The second entry.
        path: String,
    },
    /// A limit was reached.
    #[error("refused the tree: more than {max} {unit}")]
    Limit {
        /// The limit.
        max: u64,
        /// What is counted.
        unit: &'static str,
    },
}

/// Collects files under limits; a tree that breaks one is never handed out.
#[derive(Debug)]
pub struct TreeBuilder {
    files: Files,
    limits: FileLimits,
    entries: usize,
    bytes: u64,
}

impl TreeBuilder {
    /// An empty tree.
    #[must_use]
    pub fn new(limits: FileLimits) -> Self {
        Self {
            files: Files::new(),
            limits,
            entries: 0,
            bytes: 0,
        }
    }

    /// Counts an entry that is kept nowhere (a directory).
    ///
    /// # Errors
    /// [`TreeError::Limit`] past the entry limit.
    pub fn count_entry(&mut self) -> Result<(), TreeError> {
        self.entries = self.entries.saturating_add(1);
        if self.entries > self.limits.entries_max {
            return Err(TreeError::Limit {
                max: self.limits.entries_max as u64,
                unit: "entries",
            });
        }
        Ok(())
    }

    /// Says whether a file of `size` bytes still fits, before it is read.
    ///
    /// # Errors
    /// [`TreeError::Limit`] when it does not.
    pub fn admit(&self, size: u64) -> Result<(), TreeError> {
        if size > self.limits.file_bytes_max {
            return Err(TreeError::Limit {
                max: self.limits.file_bytes_max,
                unit: "bytes in one file",
            });
        }
        if self.bytes.saturating_add(size) > self.limits.bytes_max {
            return Err(TreeError::Limit {
                max: self.limits.bytes_max,
                unit: "bytes in all files",
            });
        }
        Ok(())
    }

    /// Adds a file.
    ///
    /// # Errors
    /// [`TreeError`] when a limit is reached or the name is taken.
    pub fn add(&mut self, path: RelPath, file: File) -> Result<(), TreeError> {
        let size = file.bytes.len() as u64;
        self.count_entry()?;
        self.admit(size)?;
        self.bytes = self.bytes.saturating_add(size);
        match self.files.entry(path) {
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert(file);
                Ok(())
            }
            std::collections::btree_map::Entry::Occupied(slot) => Err(TreeError::Duplicate {
                path: slot.key().as_str().to_owned(),
            }),
        }
    }

    /// The finished tree.
    ///
    /// # Errors
    /// [`TreeError::Duplicate`] when one path is a file and also a directory.
    pub fn finish(self) -> Result<Files, TreeError> {
        // The order of paths puts `a/b` directly after `a`.
        let mut previous: Option<&RelPath> = None;
        for path in self.files.keys() {
            if let Some(file) = previous
                && path.below(file.as_str()).is_some()
            {
                return Err(TreeError::Duplicate {
                    path: path.as_str().to_owned(),
                });
            }
            previous = Some(path);
        }
        Ok(self.files)
    }
}

/// Keeps only what lies in `directories` (a leading `./` is dropped).
///
/// # Errors
/// The first directory that holds no file, or that leaves the root.
pub fn keep_directories(files: Files, directories: &[String]) -> Result<Files, PathError> {
    if directories.is_empty() {
        return Ok(files);
    }
    let mut wanted = Vec::new();
    for directory in directories {
        let Some(path) = RelPath::normalize(directory)? else {
            return Ok(files);
        };
        if !files.keys().any(|file| file.below(path.as_str()).is_some()) {
            return Err(PathError {
                path: directory.clone(),
                reason: "the directory does not exist in the repository",
            });
        }
        wanted.push(path);
    }
    Ok(files
        .into_iter()
        .filter(|(path, _)| {
            wanted
                .iter()
                .any(|directory| path.below(directory.as_str()).is_some())
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_paths_are_refused() {
        for path in [
            "",
            "/a",
            "../a",
            "a/..",
            "a//b",
            "a/./b",
            "a\0b",
            ".",
            &"a/".repeat(200),
        ] {
            assert!(RelPath::parse(path).is_err(), "{path:?}");
        }
        for path in ["a", "a/b", "..a/b..", "ä/ö", "a b"] {
            assert_eq!(RelPath::parse(path).unwrap().as_str(), path);
        }
    }

    #[test]
    fn normalize_stays_below_the_root() {
        let shown = |text| RelPath::normalize(text).map(|path| path.map(|p| p.to_string()));
        assert_eq!(shown("./a//b/../c/"), Ok(Some("a/c".into())));
        assert_eq!(shown("./"), Ok(None));
        assert_eq!(shown("/a"), Ok(Some("a".into())));
        assert!(shown("a/../../b").is_err());
    }

    #[test]
    fn order_is_that_of_a_walk_and_overlaps_are_refused() {
        let file = || File {
            bytes: Bytes::from_static(b"x"),
            is_executable: false,
        };
        let mut tree = TreeBuilder::new(FileLimits::default());
        for path in ["a.txt", "a/b", "b"] {
            tree.add(RelPath::parse(path).unwrap(), file()).unwrap();
        }
        let files = tree.finish().unwrap();
        let order: Vec<_> = files.keys().map(RelPath::as_str).collect();
        assert_eq!(order, ["a/b", "a.txt", "b"]);

        let mut tree = TreeBuilder::new(FileLimits::default());
        tree.add(RelPath::parse("a").unwrap(), file()).unwrap();
        tree.add(RelPath::parse("a/b").unwrap(), file()).unwrap();
        assert!(matches!(tree.finish(), Err(TreeError::Duplicate { path }) if path == "a/b"));
    }

    #[test]
    fn limits_hold() {
        let limits = FileLimits {
            entries_max: 2,
            bytes_max: 3,
            file_bytes_max: 2,
        };
        let mut tree = TreeBuilder::new(limits);
        let file = |n: usize| File {
            bytes: vec![0; n].into(),
            is_executable: false,
        };
        assert!(tree.admit(3).is_err());
        tree.add(RelPath::parse("a").unwrap(), file(2)).unwrap();
        assert!(tree.add(RelPath::parse("b").unwrap(), file(2)).is_err());
        assert!(tree.count_entry().is_err());
    }
}
