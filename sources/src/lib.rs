//! Fetches sources into artifacts, all in memory until the store writes them.
//!
//! ```text
//! Remote + Reference ──git──▶ Files ──ignore──▶ Files ──archive──▶ tar.gz ──store──▶ path, digest
//! ```
//!
//! Nothing here talks to Kubernetes, starts a program or unpacks to disk; the
//! controllers that call it are in `gitops`.

pub mod archive;
pub mod credentials;
pub mod files;
pub mod git;
pub mod glob;
pub mod ignore;
pub mod network;
pub mod semver_range;
pub mod serve;
pub mod store;

/// When it makes sense to try again after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// After a back-off: the cause may pass by itself.
    Soon,
    /// At the next interval: the cause lies upstream.
    AtNextCheck,
    /// Only after the object's spec changes.
    NotUntilSpecChanges,
}

/// The chain of an error and its causes, outermost first, joined by ": ".
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
