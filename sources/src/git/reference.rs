//! Reads `spec.ref` and finds the commit it stands for on a remote.
//!
//! Precedence is Flux's: commit, name, tag, semver, branch. It lists references
//! and, where versions tie, reads commit times; it fetches no files.

use crate::git::GitError;
use crate::git::advertisement::RemoteRef;
use crate::git::object::{self, Kind, Oid};
use crate::git::session::{Session, Want};
use crate::semver_range::{Range, Version};

/// What to check out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// The head of a branch.
    Branch(String),
    /// A tag, peeled.
    Tag(String),
    /// The highest tag in a version range.
    Semver(String),
    /// A full reference name, peeled.
    Name(String),
    /// A commit, which must be on `branch` when one is given.
    Commit {
        /// The commit.
        oid: Oid,
        /// Branch, by its short name.
        branch: Option<String>,
    },
}

/// The fields of `spec.ref` as written; empty counts as absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReferenceFields<'a> {
    /// `spec.ref.branch`
    pub branch: Option<&'a str>,
    /// `spec.ref.tag`
    pub tag: Option<&'a str>,
    /// `spec.ref.semver`
    pub semver: Option<&'a str>,
    /// `spec.ref.name`
    pub name: Option<&'a str>,
    /// `spec.ref.commit`
    pub commit: Option<&'a str>,
}

const BRANCH_DEFAULT: &str = "master";
/// The wire caps a line at 65,516 bytes; names stay far below.
const NAME_BYTES_MAX: usize = 1024;

impl Reference {
    /// Chooses by precedence and checks the words.
    ///
    /// # Errors
    /// [`GitError::Field`] names the field, its value and what is wrong.
    pub fn from_fields(fields: ReferenceFields<'_>) -> Result<Self, GitError> {
        let given = |value: Option<&str>| value.filter(|text| !text.is_empty()).map(str::to_owned);
        let branch = given(fields.branch);
        if let Some(branch) = &branch {
            check_name("spec.ref.branch", branch)?;
        }
        if let Some(commit) = given(fields.commit) {
            let oid = Oid::parse(&commit).ok_or_else(|| {
                refuse(
                    "spec.ref.commit",
                    &commit,
                    "it must be 40 hexadecimal digits",
                )
            })?;
            return Ok(Self::Commit { oid, branch });
        }
        if let Some(name) = given(fields.name) {
            check_name("spec.ref.name", name.strip_suffix("^{}").unwrap_or(&name))?;
            return Ok(Self::Name(name));
        }
        if let Some(tag) = given(fields.tag) {
            check_name("spec.ref.tag", &tag)?;
            return Ok(Self::Tag(tag));
        }
        if let Some(range) = given(fields.semver) {
            Range::parse(&range)
                .map_err(|error| refuse("spec.ref.semver", &range, error.reason()))?;
            return Ok(Self::Semver(range));
        }
        Ok(Self::Branch(
            branch.unwrap_or_else(|| BRANCH_DEFAULT.to_owned()),
        ))
    }
}

fn refuse(field: &'static str, value: &str, reason: &'static str) -> GitError {
    GitError::Field {
        field,
        value: value.chars().take(200).collect(),
        reason,
    }
}

/// Refuses what `git check-ref-format` refuses, so that no name can break a line.
fn check_name(field: &'static str, name: &str) -> Result<(), GitError> {
    let reason = if name.len() > NAME_BYTES_MAX {
        "it is longer than 1024 bytes"
    } else if name
        .chars()
        .any(|c| c.is_control() || " ~^:?*[\\".contains(c))
    {
        "it holds a character that Git refuses in names"
    } else if name.starts_with(['/', '-', '.']) || name.ends_with(['/', '.']) {
        "it starts or ends with a character that Git refuses there"
    } else if ["..", "//", "@{", "/."]
        .iter()
        .any(|part| name.contains(part))
        || name.ends_with(".lock")
    {
        "it holds a sequence that Git refuses in names"
    } else {
        return Ok(());
    };
    Err(refuse(field, name, reason))
}

/// A commit and how the revision names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) commit: Oid,
    pub(crate) revision: String,
}

/// Finds the commit; costs one listing, and a second only to explain a failure.
pub(crate) async fn resolve(
    session: &Session<'_>,
    reference: &Reference,
) -> Result<Resolved, GitError> {
    match reference {
        Reference::Branch(branch) => {
            let found = find(session, &format!("refs/heads/{branch}")).await?;
            Ok(named(branch, found.target()))
        }
        Reference::Tag(tag) => {
            let found = find(session, &format!("refs/tags/{tag}")).await?;
            Ok(named(tag, found.target()))
        }
        Reference::Name(name) => {
            let found = find(session, name.strip_suffix("^{}").unwrap_or(name)).await?;
            Ok(named(name, found.target()))
        }
        Reference::Semver(range) => {
            let tag = find_version(session, range).await?;
            Ok(named(
                tag.name.trim_start_matches("refs/tags/"),
                tag.target(),
            ))
        }
        Reference::Commit { oid, branch: None } => Ok(Resolved {
            commit: *oid,
            revision: format!("sha1:{oid}"),
        }),
        Reference::Commit {
            oid,
            branch: Some(branch),
        } => Ok(named(branch, *oid)),
    }
}

fn named(name: &str, commit: Oid) -> Resolved {
    Resolved {
        commit,
        revision: format!("{name}@sha1:{commit}"),
    }
}

/// The one reference called `name`.
pub(crate) async fn find(session: &Session<'_>, name: &str) -> Result<RemoteRef, GitError> {
    let found = session.list(&[name]).await?;
    if let Some(found) = found.into_iter().find(|found| found.name == name) {
        return Ok(found);
    }
    explain_absence(
        session,
        GitError::RefNotFound {
            name: name.to_owned(),
        },
    )
    .await
}

/// An empty repository explains any missing reference.
async fn explain_absence<T>(session: &Session<'_>, otherwise: GitError) -> Result<T, GitError> {
    if session
        .list(&["HEAD", "refs/heads/", "refs/tags/"])
        .await?
        .is_empty()
    {
        return Err(GitError::Empty);
    }
    Err(otherwise)
}

async fn find_version(session: &Session<'_>, text: &str) -> Result<RemoteRef, GitError> {
    let range =
        Range::parse(text).map_err(|error| refuse("spec.ref.semver", text, error.reason()))?;
    let mut best: Vec<(Version, RemoteRef)> = Vec::new();
    for tag in session.list(&["refs/tags/"]).await? {
        let Some(version) = Version::parse_tag(tag.name.trim_start_matches("refs/tags/")) else {
            continue;
        };
        if !range.matches(&version) {
            continue;
        }
        match best.first().map(|(top, _)| version.cmp_precedence(top)) {
            None | Some(std::cmp::Ordering::Greater) => best = vec![(version, tag)],
            Some(std::cmp::Ordering::Equal) => best.push((version, tag)),
            Some(std::cmp::Ordering::Less) => {}
        }
    }
    if best.len() > 1 {
        return latest(session, best.into_iter().map(|(_, tag)| tag).collect()).await;
    }
    match best.pop() {
        Some((_, tag)) => Ok(tag),
        None => {
            explain_absence(
                session,
                GitError::NoVersion {
                    range: text.to_owned(),
                },
            )
            .await
        }
    }
}

/// Of tags that differ only in build metadata, the one committed last.
async fn latest(session: &Session<'_>, tags: Vec<RemoteRef>) -> Result<RemoteRef, GitError> {
    let mut oids: Vec<Oid> = tags.iter().map(RemoteRef::target).collect();
    oids.sort_unstable();
    oids.dedup();
    let objects = session
        .fetch(&Want {
            oids: &oids,
            is_shallow: true,
            is_commits_only: true,
        })
        .await?;
    let committed_at = |tag: &RemoteRef| -> Result<i64, GitError> {
        let oid = tag.target();
        let object = objects
            .get(&oid)
            .filter(|object| object.kind == Kind::Commit);
        let object = object.ok_or(GitError::MissingObject { oid })?;
        Ok(object::parse_commit(oid, &object.bytes)
            .map_err(GitError::Object)?
            .committed_at)
    };
    let mut best: Option<(i64, RemoteRef)> = None;
    for tag in tags {
        let at = committed_at(&tag)?;
        if best
            .as_ref()
            .is_none_or(|(top, held)| (at, &tag.name) > (*top, &held.name))
        {
            best = Some((at, tag));
        }
    }
    best.map(|(_, tag)| tag).ok_or(GitError::Empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precedence_is_commit_name_tag_semver_branch() {
        let sha = "0647aea75b85755411b007a290b9321668370be5";
        let mut fields = ReferenceFields {
            branch: Some("main"),
            tag: Some("v1"),
            semver: Some(">=1"),
            name: Some("refs/pull/1/head"),
            commit: Some(sha),
        };
        let chosen = |fields| format!("{:?}", Reference::from_fields(fields).unwrap());
        assert_eq!(
            chosen(fields),
            format!("Commit {{ oid: {sha}, branch: Some(\"main\") }}")
        );
        fields.commit = None;
        assert_eq!(chosen(fields), "Name(\"refs/pull/1/head\")");
        fields.name = Some("");
        assert_eq!(chosen(fields), "Tag(\"v1\")");
        fields.tag = None;
        assert_eq!(chosen(fields), "Semver(\">=1\")");
        fields.semver = None;
        assert_eq!(chosen(fields), "Branch(\"main\")");
        assert_eq!(chosen(ReferenceFields::default()), "Branch(\"master\")");
    }

    #[test]
    fn bad_words_name_their_field() {
        let cases = [
            (
                ReferenceFields {
                    branch: Some("a\nwant x"),
                    ..Default::default()
                },
                "spec.ref.branch",
            ),
            (
                ReferenceFields {
                    tag: Some("../x"),
                    ..Default::default()
                },
                "spec.ref.tag",
            ),
            (
                ReferenceFields {
                    name: Some("a b"),
                    ..Default::default()
                },
                "spec.ref.name",
            ),
            (
                ReferenceFields {
                    commit: Some("HEAD"),
                    ..Default::default()
                },
                "spec.ref.commit",
            ),
            (
                ReferenceFields {
                    semver: Some("latest"),
                    ..Default::default()
                },
                "spec.ref.semver",
            ),
        ];
        for (fields, field) in cases {
            let error = Reference::from_fields(fields).unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
    }
}
