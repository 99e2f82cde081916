//! Keeps artifacts as files, and gives none out whose digest is wrong.
//!
//! ```text
//! <root>/<kind>/<namespace>/<name>/<file>
//! ```
//!
//! Writes go to a temporary file and are renamed, so a crash leaves the old
//! file or the new one. Lost files are the caller's to rebuild from upstream;
//! what they should be lives in the object's status, not here.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use crate::files::{PathError, RelPath};

const FILES_SCANNED_MAX: usize = 1000;
const ARTIFACT_BYTES_MAX: u64 = 512 << 20;
const TEMPORARY_PREFIX: &str = ".tmp-";

/// The folder of one object's artifacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot(RelPath);

impl Slot {
    /// `kind` in lower case, such as `gitrepository`.
    ///
    /// # Errors
    /// [`PathError`] when a part is no plain name.
    pub fn new(kind: &str, namespace: &str, name: &str) -> Result<Self, PathError> {
        for part in [kind, namespace, name] {
            if part.contains('/') {
                return Err(PathError {
                    path: part.to_owned(),
                    reason: "a name must have no slash",
                });
            }
        }
        RelPath::parse(&format!("{kind}/{namespace}/{name}")).map(Self)
    }
}

/// What stays beside the current artifact.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Older files go.
    pub ttl: Duration,
    /// Of the younger ones, so many stay, the current one counted.
    pub records_max: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(60),
            records_max: 2,
        }
    }
}

/// An artifact as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Below the root.
    pub path: String,
    /// Where it is served.
    pub url: String,
    /// `sha256:<hex>` of the file's bytes.
    pub digest: String,
    /// Bytes.
    pub size: u64,
    /// When it was stored.
    pub updated_at: DateTime<Utc>,
}

/// Whether a stored artifact is what its digest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// There, and right.
    Verified,
    /// Not there.
    Missing,
    /// There, but other bytes; it was removed.
    Corrupt,
}

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A path was refused.
    #[error("refused an artifact path")]
    Path(#[from] PathError),
    /// The folder could not be made.
    #[error("failed to create the folder of {path:?}")]
    CreateFolder {
        /// Below the root.
        path: String,
        /// Cause.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("failed to write artifact {path:?}")]
    Write {
        /// Below the root.
        path: String,
        /// Cause.
        source: io::Error,
    },
    /// A file could not be read.
    #[error("failed to read artifact {path:?}")]
    Read {
        /// Below the root.
        path: String,
        /// Cause.
        source: io::Error,
    },
    /// No such file.
    #[error("artifact {path:?} is not in the storage")]
    Missing {
        /// Below the root.
        path: String,
    },
    /// The bytes are not those the digest names.
    #[error("refused artifact {path:?}: its digest is {found}, not {wanted}")]
    Digest {
        /// Below the root.
        path: String,
        /// As expected.
        wanted: String,
        /// As computed.
        found: String,
    },
    /// The artifact is too large.
    #[error("refused artifact {path:?}: it is larger than {ARTIFACT_BYTES_MAX} bytes")]
    TooLarge {
        /// Below the root.
        path: String,
    },
    /// Old files could not be removed.
    #[error("failed to remove old artifacts of {path:?}")]
    Collect {
        /// Below the root.
        path: String,
        /// Cause.
        source: io::Error,
    },
    /// The runtime is shutting down.
    #[error("stopped at shutdown")]
    Interrupted,
}

impl StoreError {
    /// Flux's word for the condition and the event.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Path(_) => "InvalidPath",
            Self::CreateFolder { .. } => "DirectoryCreationFailed",
            Self::Write { .. } | Self::TooLarge { .. } | Self::Interrupted => {
                "ArchiveOperationFailed"
            }
            Self::Read { .. } | Self::Missing { .. } => "ReadOperationFailed",
            Self::Digest { .. } => "ArtifactVerificationFailed",
            Self::Collect { .. } => "GarbageCollectionFailed",
        }
    }
}

/// Artifacts below one folder; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    root: Arc<Path>,
    base_url: Arc<str>,
    /// Makes temporary names unique in the process.
    next: Arc<AtomicU64>,
}

impl Store {
    /// Opens `root`, making it if needed. `address` is `host:port` or a whole URL.
    ///
    /// # Errors
    /// [`StoreError::CreateFolder`].
    pub fn open(root: impl Into<PathBuf>, address: &str) -> Result<Self, StoreError> {
        let root: PathBuf = root.into();
        fs::create_dir_all(&root).map_err(|source| StoreError::CreateFolder {
            path: root.display().to_string(),
            source,
        })?;
        let address = address.trim_end_matches('/');
        let is_url = address.starts_with("http://") || address.starts_with("https://");
        let base_url = if is_url {
            address.to_owned()
        } else {
            format!("http://{address}")
        };
        Ok(Self {
            root: root.into(),
            base_url: base_url.into(),
            next: Arc::default(),
        })
    }

    /// Where `path` is served.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base_url)
    }

    /// Writes `bytes` as `file` of `slot`.
    ///
    /// # Errors
    /// [`StoreError`]; the file is then the old one or absent.
    pub async fn put(
        &self,
        slot: &Slot,
        file: &str,
        bytes: Bytes,
        now: DateTime<Utc>,
    ) -> Result<Stored, StoreError> {
        let (store, path) = (self.clone(), RelPath::parse(&format!("{}/{file}", slot.0))?);
        off_loop(move || store.write(&path, &bytes, now)).await
    }

    /// The bytes of an artifact, their digest checked.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Digest`] and reading errors.
    pub async fn read(&self, path: &str, digest: &str) -> Result<Bytes, StoreError> {
        let (store, path, wanted) = (self.clone(), RelPath::parse(path)?, digest.to_owned());
        off_loop(move || {
            let bytes = store.read_file(&path)?;
            let found = sha256(&bytes);
            if found == wanted {
                return Ok(bytes);
            }
            Err(StoreError::Digest {
                path: path.to_string(),
                wanted,
                found,
            })
        })
        .await
    }

    /// Checks an artifact and removes it when its digest is wrong.
    ///
    /// # Errors
    /// [`StoreError::Read`] when the disk fails.
    pub async fn verify(&self, path: &str, digest: &str) -> Result<Presence, StoreError> {
        match self.read(path, digest).await {
            Ok(_) => Ok(Presence::Verified),
            Err(StoreError::Missing { .. } | StoreError::Path(_)) => Ok(Presence::Missing),
            Err(StoreError::Digest { .. }) => {
                let file = self.root.join(RelPath::parse(path)?.as_str());
                off_loop(move || remove_if_there(&file))
                    .await
                    .map_err(|source| StoreError::Collect {
                        path: path.to_owned(),
                        source,
                    })?;
                Ok(Presence::Corrupt)
            }
            Err(error) => Err(error),
        }
    }

    /// Removes what `retention` does not keep; gives the names removed.
    ///
    /// # Errors
    /// [`StoreError::Collect`].
    pub async fn collect(
        &self,
        slot: &Slot,
        current: Option<&str>,
        retention: Retention,
        now: DateTime<Utc>,
    ) -> Result<Vec<String>, StoreError> {
        let folder = self.root.join(slot.0.as_str());
        let current = current
            .and_then(|path| path.rsplit('/').next())
            .map(str::to_owned);
        let path = slot.0.to_string();
        off_loop(move || {
            collect_in(
                &folder,
                current.as_deref(),
                retention,
                SystemTime::from(now),
            )
        })
        .await
        .map_err(|source| StoreError::Collect { path, source })
    }

    /// Removes everything of an object.
    ///
    /// # Errors
    /// [`StoreError::Collect`].
    pub async fn remove(&self, slot: &Slot) -> Result<(), StoreError> {
        let folder = self.root.join(slot.0.as_str());
        let path = slot.0.to_string();
        off_loop(move || match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        })
        .await
        .map_err(|source| StoreError::Collect { path, source })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    fn write(
        &self,
        path: &RelPath,
        bytes: &Bytes,
        now: DateTime<Utc>,
    ) -> Result<Stored, StoreError> {
        let size = bytes.len() as u64;
        if size > ARTIFACT_BYTES_MAX {
            return Err(StoreError::TooLarge {
                path: path.to_string(),
            });
        }
        let target = self.root.join(path.as_str());
        let folder = target.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(|source| StoreError::CreateFolder {
            path: path.to_string(),
            source,
        })?;
        let temporary = folder.join(format!(
            "{TEMPORARY_PREFIX}{}",
            self.next.fetch_add(1, Ordering::Relaxed)
        ));
        let written =
            write_private(&temporary, bytes, now).and_then(|()| fs::rename(&temporary, &target));
        if let Err(source) = written {
            // The error below is the one to tell; a leftover is collected later.
            drop(fs::remove_file(&temporary));
            return Err(StoreError::Write {
                path: path.to_string(),
                source,
            });
        }
        Ok(Stored {
            path: path.to_string(),
            url: self.url(path.as_str()),
            digest: sha256(bytes),
            size,
            updated_at: now,
        })
    }

    fn read_file(&self, path: &RelPath) -> Result<Bytes, StoreError> {
        let file = self.root.join(path.as_str());
        let failed = |source: io::Error| {
            let path = path.to_string();
            if source.kind() == io::ErrorKind::NotFound {
                StoreError::Missing { path }
            } else {
                StoreError::Read { path, source }
            }
        };
        // A link could lead out of the root; the store never makes one.
        let metadata = fs::symlink_metadata(&file).map_err(failed)?;
        if !metadata.is_file() {
            return Err(StoreError::Missing {
                path: path.to_string(),
            });
        }
        if metadata.len() > ARTIFACT_BYTES_MAX {
            return Err(StoreError::TooLarge {
                path: path.to_string(),
            });
        }
        fs::read(&file).map(Bytes::from).map_err(failed)
    }
}

/// `sha256:<hex>` of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn write_private(path: &Path, bytes: &[u8], now: DateTime<Utc>) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    // Retention counts from this time, so it follows the caller's clock.
    file.set_modified(SystemTime::from(now))?;
    file.sync_all()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn collect_in(
    folder: &Path,
    current: Option<&str>,
    retention: Retention,
    now: SystemTime,
) -> io::Result<Vec<String>> {
    let listing = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing?,
    };
    let mut others = Vec::new();
    for entry in listing.take(FILES_SCANNED_MAX) {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if Some(name.as_str()) != current {
            others.push((entry.metadata()?.modified()?, name));
        }
    }
    others.sort();
    let kept_max = retention
        .records_max
        .saturating_sub(usize::from(current.is_some()));
    let surplus = others.len().saturating_sub(kept_max);
    let mut removed = Vec::new();
    for (index, (modified, name)) in others.into_iter().enumerate() {
        let is_old = now
            .duration_since(modified)
            .is_ok_and(|age| age > retention.ttl);
        if is_old || index < surplus {
            remove_if_there(&folder.join(&name))?;
            removed.push(name);
        }
    }
    Ok(removed)
}

async fn off_loop<T: Send + 'static, E: Send + From<Interrupted> + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Interrupted.into()),
    }
}

/// The runtime dropped the work.
struct Interrupted;

impl From<Interrupted> for StoreError {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

impl From<Interrupted> for io::Error {
    fn from(_: Interrupted) -> Self {
        Self::from(io::ErrorKind::Interrupted)
    }
}

#[cfg(test)]
mod tests;
