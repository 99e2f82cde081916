//! Packs files into a tar.gz and reads one back, both in memory.
//!
//! The same files give the same bytes: lexical order, no owner, no time.
//! Reading refuses links, devices, twins, traversal, lying sizes and bombs; it
//! never unpacks to disk and never hands out part of an archive.

use std::collections::BTreeSet;
use std::io::{self, Read, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

use crate::files::{File, FileLimits, Files, PathError, RelPath, TreeBuilder, TreeError};

const DIRECTORY_MODE: u32 = 0o750;
const FILE_MODE: u32 = 0o600;
const EXECUTABLE_MODE: u32 = 0o700;
/// What headers and padding may add for each entry.
const ENTRY_OVERHEAD_BYTES: u64 = 8 << 10;
const RATIO_MAX: u64 = 200;
const RATIO_FREE_BYTES: u64 = 16 << 20;

/// Why an archive could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Writing failed; the disk is not involved, so this names a bad entry.
    #[error("failed to write the archive")]
    Write(#[source] io::Error),
    /// The stream is damaged or too large.
    #[error("failed to read the archive")]
    Read(#[source] io::Error),
    /// An entry is of a kind that no artifact has.
    #[error("refused archive entry {path:?}: {reason}")]
    Entry {
        /// Its name.
        path: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The files were refused.
    #[error("refused the archive")]
    Tree(#[from] TreeError),
    /// Bytes follow the end.
    #[error("refused the archive: data follows its end")]
    Trailing,
}

impl From<PathError> for ArchiveError {
    fn from(error: PathError) -> Self {
        Self::Tree(TreeError::Path(error))
    }
}

/// Packs `files`, parents before children, behind an entry `.`.
///
/// # Errors
/// [`ArchiveError::Write`].
pub fn pack(files: &Files) -> Result<Bytes, ArchiveError> {
    let gzip = GzEncoder::new(Vec::new(), Compression::default());
    let mut tar = tar::Builder::new(gzip);
    let mut root = header(EntryType::Directory, DIRECTORY_MODE, 0);
    if let Some(first) = root.as_old_mut().name.first_mut() {
        *first = b'.';
    }
    root.set_cksum();
    tar.append(&root, io::empty())
        .map_err(ArchiveError::Write)?;
    let mut directories = BTreeSet::new();
    for (path, file) in files {
        for directory in parents(path) {
            if directories.insert(directory) {
                let mut head = header(EntryType::Directory, DIRECTORY_MODE, 0);
                tar.append_data(&mut head, directory, io::empty())
                    .map_err(ArchiveError::Write)?;
            }
        }
        let mode = if file.is_executable {
            EXECUTABLE_MODE
        } else {
            FILE_MODE
        };
        let mut head = header(EntryType::Regular, mode, file.bytes.len() as u64);
        tar.append_data(&mut head, path.as_str(), file.bytes.as_ref())
            .map_err(ArchiveError::Write)?;
    }
    let mut gzip = tar.into_inner().map_err(ArchiveError::Write)?;
    gzip.flush().map_err(ArchiveError::Write)?;
    Ok(gzip.finish().map_err(ArchiveError::Write)?.into())
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// `a`, `a/b` of `a/b/c`.
fn parents(path: &RelPath) -> impl Iterator<Item = &str> {
    let text = path.as_str();
    text.match_indices('/').filter_map(|(at, _)| text.get(..at))
}

/// Reads a tar.gz back into files.
///
/// # Errors
/// [`ArchiveError`] for anything a well-meaning archive does not hold.
pub fn unpack(archive: &[u8], limits: FileLimits) -> Result<Files, ArchiveError> {
    let mut compressed = archive;
    let entries_bytes = ENTRY_OVERHEAD_BYTES.saturating_mul(limits.entries_max as u64);
    let mut inflated = Inflated {
        gzip: GzDecoder::new(&mut compressed),
        read: 0,
        read_max: limits.bytes_max.saturating_add(entries_bytes),
        compressed: archive.len() as u64,
    };
    let files = read_entries(&mut inflated, limits)?;
    let mut rest = [0; 8192];
    loop {
        match inflated.read(&mut rest).map_err(ArchiveError::Read)? {
            0 => break,
            count
                if rest
                    .get(..count)
                    .is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0)) => {}
            _ => return Err(ArchiveError::Trailing),
        }
    }
    if compressed.is_empty() {
        Ok(files)
    } else {
        Err(ArchiveError::Trailing)
    }
}

fn read_entries(inflated: &mut impl Read, limits: FileLimits) -> Result<Files, ArchiveError> {
    let mut tree = TreeBuilder::new(limits);
    let mut tar = tar::Archive::new(inflated);
    for entry in tar.entries().map_err(ArchiveError::Read)? {
        let mut entry = entry.map_err(ArchiveError::Read)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let refuse = |reason| ArchiveError::Entry {
            path: name.chars().take(200).collect(),
            reason,
        };
        if std::str::from_utf8(&entry.path_bytes()).is_err() {
            return Err(refuse("its name is not UTF-8"));
        }
        let header_size = entry.header().entry_size().map_err(ArchiveError::Read)?;
        if header_size != entry.size() {
            return Err(refuse("its two sizes differ"));
        }
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            tree.count_entry()?;
            let name = name.strip_suffix('/').unwrap_or(&name);
            if name != "." {
                RelPath::parse(name.strip_prefix("./").unwrap_or(name))?;
            }
        } else if kind.is_file() {
            let path = RelPath::parse(name.strip_prefix("./").unwrap_or(&name))?;
            tree.admit(entry.size())?;
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(ArchiveError::Read)?;
            if bytes.len() as u64 != header_size {
                return Err(refuse("it ends too early"));
            }
            let mode = entry.header().mode().map_err(ArchiveError::Read)?;
            let is_executable = mode & 0o100 != 0;
            let bytes = bytes.into();
            tree.add(
                path,
                File {
                    bytes,
                    is_executable,
                },
            )?;
        } else {
            return Err(refuse(
                "it is a link, a device or another thing that is neither file nor directory",
            ));
        }
    }
    Ok(tree.finish()?)
}

/// Counts what comes out of the decompressor and stops a bomb.
struct Inflated<'a, 'b> {
    gzip: GzDecoder<&'a mut &'b [u8]>,
    read: u64,
    read_max: u64,
    compressed: u64,
}

impl Read for Inflated<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.gzip.read(out)?;
        self.read = self.read.saturating_add(count as u64);
        let ratio = self.read / self.compressed.max(1);
        if self.read > self.read_max || (self.read > RATIO_FREE_BYTES && ratio > RATIO_MAX) {
            return Err(io::Error::other("it inflates to more than its limit"));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
