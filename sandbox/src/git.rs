//! A Git server in memory: repositories made from maps of files, served over
//! smart HTTP (protocols 0 and 2, fetch only). It takes no pushes, packs
//! without deltas, and keeps no reflog.

mod object;
mod pack;
mod pktline;
mod server;
mod upload;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use object::{BadSha, Sha};
use object::{Kind, Object};

/// The branch that HEAD names.
pub const BRANCH_DEFAULT: &str = "main";
/// 2026-01-01T00:00:00Z: the first commit; each further one is a minute later,
/// so that the same commits have the same ids in every run.
const FIRST_COMMIT_UNIX_S: u64 = 1_767_225_600;
const COMMIT_EVERY_S: u64 = 60;
const WHO: &str = "Sandbox <git@sandbox.sluice.dev>";
const PATH_BYTES_MAX: usize = 4_096;

/// Why a repository refused a commit or a ref.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    /// A path that no Git tree can hold, or that is a file and a folder at once.
    #[error("refused path {0:?}")]
    Path(String),
    /// A name that no ref can have.
    #[error("refused ref name {0:?}")]
    RefName(String),
    /// An id that is no commit of this repository.
    #[error("found no commit {0}")]
    UnknownCommit(Sha),
}

/// One repository; clones share it.
#[derive(Clone, Debug)]
pub struct Repository {
    name: String,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    objects: BTreeMap<Sha, Object>,
    /// By full name, such as `refs/heads/main`.
    refs: BTreeMap<String, Sha>,
    commits: u64,
}

impl Repository {
    /// An empty repository.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            inner: Arc::default(),
        }
    }

    /// Its name, the path under which it is served.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Commits exactly these files on a branch, which is made if it is new.
    ///
    /// # Errors
    /// When a path or the branch's name is one Git does not take.
    pub fn commit(
        &self,
        branch: &str,
        files: &BTreeMap<String, Vec<u8>>,
        message: &str,
    ) -> Result<Sha, GitError> {
        let reference = ref_name("refs/heads/", branch)?;
        let mut inner = self.inner();
        let tree = inner.put_tree(files)?;
        let parent = inner
            .refs
            .get(&reference)
            .map(|sha| format!("parent {sha}\n"))
            .unwrap_or_default();
        let when = inner.next_time();
        let body = format!(
            "tree {tree}\n{parent}author {WHO} {when} +0000\ncommitter {WHO} {when} +0000\n\n{message}\n"
        );
        let sha = inner.put(Kind::Commit, body.into_bytes());
        inner.refs.insert(reference, sha);
        Ok(sha)
    }

    /// Names a commit by a lightweight tag; an existing tag moves.
    ///
    /// # Errors
    /// When the name is none or the commit is unknown.
    pub fn tag(&self, name: &str, commit: Sha) -> Result<(), GitError> {
        let reference = ref_name("refs/tags/", name)?;
        let mut inner = self.inner();
        inner.check_commit(commit)?;
        inner.refs.insert(reference, commit);
        Ok(())
    }

    /// Names a commit by a tag with a message; an existing tag moves. Gives the tag object's id.
    ///
    /// # Errors
    /// When the name is none or the commit is unknown.
    pub fn tag_annotated(&self, name: &str, commit: Sha, message: &str) -> Result<Sha, GitError> {
        let reference = ref_name("refs/tags/", name)?;
        let mut inner = self.inner();
        inner.check_commit(commit)?;
        let when = inner.next_time();
        let body = format!(
            "object {commit}\ntype commit\ntag {name}\ntagger {WHO} {when} +0000\n\n{message}\n"
        );
        let sha = inner.put(Kind::Tag, body.into_bytes());
        inner.refs.insert(reference, sha);
        Ok(sha)
    }

    /// Moves a branch to a commit, as a forced push would; makes it if it is new.
    ///
    /// # Errors
    /// When the name is none or the commit is unknown.
    pub fn set_branch(&self, branch: &str, commit: Sha) -> Result<(), GitError> {
        let reference = ref_name("refs/heads/", branch)?;
        let mut inner = self.inner();
        inner.check_commit(commit)?;
        inner.refs.insert(reference, commit);
        Ok(())
    }

    /// Removes a branch or tag by its full name; false when there was none.
    #[must_use]
    pub fn remove_ref(&self, full_name: &str) -> bool {
        self.inner().refs.remove(full_name).is_some()
    }

    /// The commit or tag object a full ref name stands for.
    #[must_use]
    pub fn resolve(&self, full_name: &str) -> Option<Sha> {
        self.inner().refs.get(full_name).copied()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn put(&mut self, kind: Kind, body: Vec<u8>) -> Sha {
        let object = Object { kind, body };
        let sha = object.sha();
        self.objects.insert(sha, object);
        sha
    }

    fn next_time(&mut self) -> u64 {
        let when = FIRST_COMMIT_UNIX_S + self.commits * COMMIT_EVERY_S;
        self.commits += 1;
        when
    }

    fn check_commit(&self, sha: Sha) -> Result<(), GitError> {
        let is_commit = self
            .objects
            .get(&sha)
            .is_some_and(|o| o.kind == Kind::Commit);
        is_commit.then_some(()).ok_or(GitError::UnknownCommit(sha))
    }

    /// Stores the files as blobs and trees; gives the root.
    fn put_tree(&mut self, files: &BTreeMap<String, Vec<u8>>) -> Result<Sha, GitError> {
        let mut root = Folder::default();
        for (path, content) in files {
            let bad = || GitError::Path(path.clone());
            let is_part =
                |part: &str| !matches!(part, "" | "." | ".." | ".git") && !part.contains('\0');
            if path.len() > PATH_BYTES_MAX || !path.split('/').all(is_part) {
                return Err(bad());
            }
            let blob = self.put(Kind::Blob, content.clone());
            let mut folder = &mut root;
            let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
            for part in folders.split('/').filter(|part| !part.is_empty()) {
                let entry = folder
                    .0
                    .entry(part.to_owned())
                    .or_insert_with(|| Entry::Folder(Folder::default()));
                folder = match entry {
                    Entry::Folder(inner) => inner,
                    Entry::File(_) => return Err(bad()),
                };
            }
            if folder
                .0
                .insert(name.to_owned(), Entry::File(blob))
                .is_some()
            {
                return Err(bad());
            }
        }
        Ok(self.put_folder(&root))
    }

    fn put_folder(&mut self, folder: &Folder) -> Sha {
        // Git sorts a folder as if its name ended with a slash.
        let mut entries: Vec<(String, &str, &str, Sha)> = Vec::new();
        for (name, entry) in &folder.0 {
            entries.push(match entry {
                Entry::File(sha) => (name.clone(), "100644", name, *sha),
                Entry::Folder(inner) => (format!("{name}/"), "40000", name, self.put_folder(inner)),
            });
        }
        entries.sort();
        let mut body = Vec::new();
        for (_, mode, name, sha) in entries {
            body.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            body.extend_from_slice(sha.as_bytes());
        }
        self.put(Kind::Tree, body)
    }
}

#[derive(Default)]
struct Folder(BTreeMap<String, Entry>);

enum Entry {
    File(Sha),
    Folder(Folder),
}

/// The part of git-check-ref-format that matters to a wire protocol of lines.
fn ref_name(prefix: &str, name: &str) -> Result<String, GitError> {
    let is_bad_char = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    let is_bad_part =
        |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    if name.contains(is_bad_char)
        || name.contains("..")
        || name.contains("@{")
        || name.split('/').any(is_bad_part)
    {
        return Err(GitError::RefName(name.to_owned()));
    }
    Ok(format!("{prefix}{name}"))
}

/// The repositories of a sandbox; clones share them.
#[derive(Clone, Debug, Default)]
pub struct GitServer {
    repositories: Arc<Mutex<BTreeMap<String, Repository>>>,
}

impl GitServer {
    /// Serves a repository under its name, with and without `.git`.
    pub fn add(&self, repository: &Repository) {
        let mut all = self
            .repositories
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.insert(repository.name().to_owned(), repository.clone());
    }

    /// Makes and serves an empty repository.
    #[must_use]
    pub fn create(&self, name: &str) -> Repository {
        let repository = Repository::new(name);
        self.add(&repository);
        repository
    }

    fn find(&self, name: &str) -> Option<Repository> {
        let all = self
            .repositories
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let bare = name.strip_suffix(".git").unwrap_or(name);
        all.get(name).or_else(|| all.get(bare)).cloned()
    }

    /// Answers smart HTTP on a listener, until the task is aborted.
    #[must_use]
    pub fn serve(&self, listener: TcpListener) -> JoinHandle<()> {
        let router = self.router();
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "Git server stopped serving.");
            }
        })
    }

    /// Smart HTTP as a router, to be served elsewhere.
    pub fn router(&self) -> axum::Router {
        server::router(self.clone())
    }
}
