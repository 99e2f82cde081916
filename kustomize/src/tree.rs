//! Holds the files of one source.

use std::collections::BTreeMap;

use crate::path::RelPath;

/// Files by path. Folders are there through the files below them.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    files: BTreeMap<RelPath, Vec<u8>>,
}

impl Tree {
    /// An empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a file.
    pub fn insert(&mut self, path: RelPath, content: Vec<u8>) {
        self.files.insert(path, content);
    }

    /// The content of a file.
    #[must_use]
    pub fn file(&self, path: &RelPath) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// True when some file lies below this path.
    #[must_use]
    pub fn has_folder(&self, path: &RelPath) -> bool {
        self.below(path).next().is_some()
    }

    /// Every file below a folder, in order.
    pub fn below(&self, folder: &RelPath) -> impl Iterator<Item = (&RelPath, &[u8])> {
        let folder = folder.clone();
        // Names such as "a-b" sort between "a" and "a/x": skip, do not stop.
        let prefix = folder.as_str().to_owned();
        self.files
            .range(folder.clone()..)
            .take_while(move |(path, _)| path.as_str().starts_with(&prefix))
            .filter(move |(path, _)| folder.contains(path) && **path != folder)
            .map(|(path, content)| (path, content.as_slice()))
    }
}

impl FromIterator<(RelPath, Vec<u8>)> for Tree {
    fn from_iter<T: IntoIterator<Item = (RelPath, Vec<u8>)>>(files: T) -> Self {
        Self {
            files: files.into_iter().collect(),
        }
    }
}
