//! Says why a fetch failed, in Flux's reasons, and when to try again.

use std::time::Duration;

use crate::Retry;
use crate::files::TreeError;
use crate::git::object::{ObjectError, Oid};
use crate::git::pack::PackError;
use crate::network::{BoxError, NetworkError};

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    /// `spec.url` cannot be used.
    #[error("refused spec.url {url:?}: {reason}")]
    Url {
        /// Without userinfo and query.
        url: String,
        /// What is wrong and what helps.
        reason: &'static str,
    },
    /// A field of `spec.ref` cannot be used.
    #[error("refused {field} {value:?}: {reason}")]
    Field {
        /// Path of the field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The credentials cannot be put into a header.
    #[error("refused the credentials: they hold characters that no HTTP header may have")]
    Credentials,
    /// The server refused the credentials.
    #[error("authentication required: {url:?} answered {status}; check spec.secretRef")]
    Unauthorized {
        /// Without userinfo and query.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// The server knows no such repository.
    #[error("repository not found at {url:?}; check spec.url, or spec.secretRef if it is private")]
    NotFound {
        /// Without userinfo and query.
        url: String,
    },
    /// The server answered something else.
    #[error("failed to fetch from {url:?}: it answered {status}")]
    Status {
        /// Without userinfo and query.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// A redirect was refused.
    #[error("refused a redirect from {url:?}: {reason}")]
    Redirect {
        /// Without userinfo and query.
        url: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// No answer.
    #[error("failed to ask the Git server")]
    Network(#[source] NetworkError),
    /// The answer broke off.
    #[error("failed to read the Git server's answer")]
    Body(#[source] BoxError),
    /// The answer is not the protocol's.
    #[error("failed to understand the Git server: {what}")]
    Protocol {
        /// What is wrong.
        what: &'static str,
    },
    /// The server reported an error.
    #[error("the Git server refused: {message:?}")]
    Remote {
        /// Its words.
        message: String,
    },
    /// The repository uses SHA-256.
    #[error("refused the repository: its object format is not sha1")]
    ObjectFormat,
    /// The repository has no commits.
    #[error("git repository is empty")]
    Empty,
    /// The remote lacks the reference.
    #[error("couldn't find remote ref {name:?}")]
    RefNotFound {
        /// Full name.
        name: String,
    },
    /// No tag is in the range.
    #[error("no match found for semver: {range}")]
    NoVersion {
        /// The range.
        range: String,
    },
    /// The commit is not on the branch, or nowhere.
    #[error("couldn't find commit {commit} on {place}")]
    NoCommit {
        /// The commit.
        commit: Oid,
        /// Where it was looked for.
        place: String,
    },
    /// The pack lacks an object it should have.
    #[error("failed to check out: object {oid} is missing from the pack")]
    MissingObject {
        /// The object.
        oid: Oid,
    },
    /// The pack was refused.
    #[error("failed to read the pack")]
    Pack(#[from] PackError),
    /// An object was refused.
    #[error("failed to read an object")]
    Object(#[source] ObjectError),
    /// A tree entry was refused.
    #[error("refused tree entry {path:?}: Git itself would not check it out")]
    TreeName {
        /// Its path.
        path: String,
    },
    /// The tree was refused.
    #[error("failed to check out")]
    Tree(#[from] TreeError),
    /// A limit was reached.
    #[error("stopped the fetch: more than {max} {unit}")]
    Limit {
        /// The limit.
        max: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// The whole fetch took too long.
    #[error("stopped the fetch after {} s: spec.timeout has passed", after.as_secs())]
    Timeout {
        /// `spec.timeout`
        after: Duration,
    },
}

impl GitError {
    /// Flux's word for the condition and the event.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Url { .. } => "URLInvalid",
            Self::Credentials | Self::Unauthorized { .. } => "AuthenticationFailed",
            Self::Empty => "EmptyGitRepository",
            Self::Field { .. }
            | Self::NotFound { .. }
            | Self::Status { .. }
            | Self::Redirect { .. }
            | Self::Network(_)
            | Self::Body(_)
            | Self::Protocol { .. }
            | Self::Remote { .. }
            | Self::ObjectFormat
            | Self::RefNotFound { .. }
            | Self::NoVersion { .. }
            | Self::NoCommit { .. }
            | Self::MissingObject { .. }
            | Self::Pack(_)
            | Self::Object(_)
            | Self::TreeName { .. }
            | Self::Tree(_)
            | Self::Limit { .. }
            | Self::Timeout { .. } => "GitOperationFailed",
        }
    }

    /// When to try again.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Url { .. } => Retry::NotUntilSpecChanges,
            // Flux retries these: the remote may change under an unchanged spec.
            Self::Field { .. }
            | Self::Credentials
            | Self::Unauthorized { .. }
            | Self::NotFound { .. }
            | Self::Redirect { .. }
            | Self::ObjectFormat
            | Self::Empty
            | Self::RefNotFound { .. }
            | Self::NoVersion { .. }
            | Self::NoCommit { .. }
            | Self::Pack(_)
            | Self::Object(_)
            | Self::TreeName { .. }
            | Self::Tree(_)
            | Self::Limit { .. } => Retry::AtNextCheck,
            Self::Status { .. }
            | Self::Network(_)
            | Self::Body(_)
            | Self::Protocol { .. }
            | Self::Remote { .. }
            | Self::MissingObject { .. }
            | Self::Timeout { .. } => Retry::Soon,
        }
    }
}
