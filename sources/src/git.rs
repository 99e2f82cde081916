//! Fetches one revision of a Git repository over smart HTTP, wholly in memory.
//!
//! ```text
//! open ─▶ list references ─▶ same revision? ─▶ Unchanged
//!                               │ no
//!                               ▼
//!                        fetch one pack ─▶ verify ids ─▶ walk the tree ─▶ Files
//! ```
//!
//! It starts no program, runs no hook, writes no disk, follows no submodule and
//! pushes nothing. SSH is not spoken.

mod advertisement;
mod delta;
mod error;
mod object;
mod pack;
mod pkt_line;
mod reference;
mod session;
mod tree;

use std::time::Duration;

use reqwest::Url;

use crate::credentials::{Access, Credentials, Hidden};
use crate::files::{FileLimits, Files};
use crate::network::Network;

pub use error::GitError;
pub use object::{ObjectError, Oid};
pub use pack::{PackError, PackLimits};
pub use reference::{Reference, ReferenceFields};

use object::{Commit, Kind};
use pack::Objects;
use session::{Session, Want};

/// A repository and how to reach it.
#[derive(Clone, Debug)]
pub struct Remote {
    url: Url,
    access: Access,
    timeout: Duration,
}

impl Remote {
    /// Checks the URL; its userinfo is used when the Secret has no credentials.
    ///
    /// # Errors
    /// [`GitError::Url`] for anything that is not `http` or `https`.
    pub fn new(url: &str, mut access: Access, timeout: Duration) -> Result<Self, GitError> {
        let refuse = |reason| GitError::Url {
            url: printable(url),
            reason,
        };
        let mut parsed = Url::parse(url).map_err(|_| refuse("it is no URL"))?;
        match parsed.scheme() {
            "http" | "https" => {}
            "ssh" => {
                return Err(refuse(
                    "ssh is not served; use the https:// address of the repository with a token",
                ));
            }
            _ => return Err(refuse("its scheme is neither http nor https")),
        }
        if parsed.host_str().is_none_or(str::is_empty) {
            return Err(refuse("it names no host"));
        }
        if access.credentials == Credentials::Anonymous && !parsed.username().is_empty() {
            access.credentials = Credentials::Basic {
                username: decode(parsed.username()),
                password: Hidden::new(decode(parsed.password().unwrap_or_default())),
            };
        }
        // Neither setter can fail on a URL with a host.
        let _ = parsed.set_username("");
        let _ = parsed.set_password(None);
        Ok(Self {
            url: parsed,
            access,
            timeout,
        })
    }
}

/// Everything before the path of what may be no URL, without userinfo.
fn printable(url: &str) -> String {
    let url: String = url.chars().take(300).collect();
    let Some((scheme, rest)) = url.split_once("://") else {
        return url;
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}://{host}/{path}")
}

/// Undoes percent-encoding; bad escapes stay as they are.
fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = (byte == b'%')
            .then(|| after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        rest = match escaped {
            Some(_) => after.get(2..).unwrap_or_default(),
            None => after,
        };
        out.push(escaped.unwrap_or(byte));
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What one fetch may cost.
#[derive(Clone, Copy, Debug)]
pub struct GitLimits {
    /// References listed.
    pub refs_max: usize,
    /// Bytes of a listing.
    pub refs_bytes_max: u64,
    /// The pack.
    pub pack: PackLimits,
    /// The files.
    pub files: FileLimits,
}

impl Default for GitLimits {
    fn default() -> Self {
        Self {
            refs_max: 200_000,
            refs_bytes_max: 64 << 20,
            pack: PackLimits::default(),
            files: FileLimits::default(),
        }
    }
}

/// A commit with its files.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// `main@sha1:…` and its kin.
    pub revision: String,
    /// 40 hexadecimal digits.
    pub commit: String,
    /// First line of the commit message.
    pub subject: String,
    /// Regular files.
    pub files: Files,
}

/// What a fetch found.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The remote still stands at the known revision.
    Unchanged,
    /// Another revision, or none was known.
    Fetched(Checkout),
}

/// Fetches `reference`, unless it still stands at `known_revision`.
///
/// # Errors
/// [`GitError`]; never a partial tree.
pub async fn fetch(
    network: &dyn Network,
    remote: &Remote,
    reference: &Reference,
    known_revision: Option<&str>,
    limits: GitLimits,
) -> Result<Outcome, GitError> {
    let work = fetch_untimed(network, remote, reference, known_revision, limits);
    tokio::time::timeout(remote.timeout, work)
        .await
        .map_err(|_| GitError::Timeout {
            after: remote.timeout,
        })?
}

async fn fetch_untimed(
    network: &dyn Network,
    remote: &Remote,
    reference: &Reference,
    known_revision: Option<&str>,
    limits: GitLimits,
) -> Result<Outcome, GitError> {
    if let Reference::Commit { oid, branch: None } = reference
        && known_revision == Some(format!("sha1:{oid}").as_str())
    {
        return Ok(Outcome::Unchanged); // A commit never moves.
    }
    let session = Session::open(network, remote, limits).await?;
    let resolved = reference::resolve(&session, reference).await?;
    if known_revision == Some(resolved.revision.as_str()) {
        return Ok(Outcome::Unchanged);
    }
    let objects = match reference {
        Reference::Branch(_) | Reference::Tag(_) | Reference::Semver(_) | Reference::Name(_) => {
            fetch_one(&session, resolved.commit).await?
        }
        Reference::Commit { oid, branch: None } => fetch_commit(&session, *oid).await?,
        Reference::Commit {
            oid,
            branch: Some(branch),
        } => fetch_on_branch(&session, *oid, branch).await?,
    };
    let commit = read_commit(&objects, resolved.commit)?;
    let files = tree::walk(&objects, commit.tree, limits.files)?;
    Ok(Outcome::Fetched(Checkout {
        revision: resolved.revision,
        commit: resolved.commit.to_string(),
        subject: commit.subject,
        files,
    }))
}

async fn fetch_one(session: &Session<'_>, oid: Oid) -> Result<Objects, GitError> {
    session
        .fetch(&Want {
            oids: &[oid],
            is_shallow: true,
            is_commits_only: false,
        })
        .await
}

/// Asks for the commit alone, and for all history where the server refuses that.
async fn fetch_commit(session: &Session<'_>, oid: Oid) -> Result<Objects, GitError> {
    match fetch_one(session, oid).await {
        Err(GitError::Remote { .. }) => {}
        outcome => return outcome,
    }
    let mut heads: Vec<Oid> = session
        .list(&["refs/heads/", "refs/tags/"])
        .await?
        .iter()
        .map(|r| r.oid)
        .collect();
    if heads.is_empty() {
        return Err(GitError::Empty);
    }
    heads.sort_unstable();
    heads.dedup();
    let objects = session
        .fetch(&Want {
            oids: &heads,
            is_shallow: false,
            is_commits_only: false,
        })
        .await?;
    if !objects.contains_key(&oid) {
        return Err(GitError::NoCommit {
            commit: oid,
            place: "any branch or tag".to_owned(),
        });
    }
    Ok(objects)
}

/// Makes sure that the commit is on the branch before fetching it.
async fn fetch_on_branch(
    session: &Session<'_>,
    oid: Oid,
    branch: &str,
) -> Result<Objects, GitError> {
    let head = reference::find(session, &format!("refs/heads/{branch}"))
        .await?
        .target();
    if head == oid {
        return fetch_one(session, oid).await;
    }
    let history = session
        .fetch(&Want {
            oids: &[head],
            is_shallow: false,
            is_commits_only: true,
        })
        .await?;
    if !is_ancestor(&history, head, oid)? {
        return Err(GitError::NoCommit {
            commit: oid,
            place: format!("branch {branch:?}"),
        });
    }
    if session.has_filter() {
        return fetch_one(session, oid).await;
    }
    Ok(history)
}

fn is_ancestor(history: &Objects, head: Oid, wanted: Oid) -> Result<bool, GitError> {
    let mut seen = std::collections::HashSet::from([head]);
    let mut waiting = vec![head];
    while let Some(oid) = waiting.pop() {
        if oid == wanted {
            return Ok(true);
        }
        let parents = read_commit(history, oid)?.parents;
        waiting.extend(parents.into_iter().filter(|parent| seen.insert(*parent)));
    }
    Ok(false)
}

/// Reads a commit, through an annotated tag where the server did not peel it.
fn read_commit(objects: &Objects, oid: Oid) -> Result<Commit, GitError> {
    const TAG_DEPTH_MAX: usize = 8;
    let mut at = oid;
    for _ in 0..TAG_DEPTH_MAX {
        let object = objects
            .get(&at)
            .ok_or(GitError::MissingObject { oid: at })?;
        match object.kind {
            Kind::Commit => {
                return object::parse_commit(at, &object.bytes).map_err(GitError::Object);
            }
            Kind::Tag => {
                at = object::parse_tag_target(at, &object.bytes).map_err(GitError::Object)?
            }
            Kind::Tree | Kind::Blob => break,
        }
    }
    Err(GitError::Protocol {
        what: "the reference does not lead to a commit",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Retry;

    #[test]
    fn urls_are_checked_and_lose_their_userinfo() {
        let remote = |url| Remote::new(url, Access::default(), Duration::from_secs(1));
        let plain = remote("https://u%40x:se%2Fcret@example.com/r.git").unwrap();
        assert_eq!(plain.url.as_str(), "https://example.com/r.git");
        assert_eq!(
            plain.access.credentials,
            Credentials::Basic {
                username: "u@x".into(),
                password: Hidden::new("se/cret".into())
            }
        );
        for url in [
            "ssh://git@example.com/r",
            "git@example.com:r",
            "file:///etc",
            "http://",
            "https://u:marker@[bad/?t=marker",
        ] {
            let error = remote(url).unwrap_err();
            assert_eq!(
                (error.reason(), error.retry()),
                ("URLInvalid", Retry::NotUntilSpecChanges)
            );
            assert!(
                error.to_string().contains("spec.url") && !error.to_string().contains("marker"),
                "{error}"
            );
        }
    }
}
