//! The GitOps controllers: sources become artifacts, artifacts become objects.
//!
//! ```text
//! GitRepository ──source──▶ artifact ──kustomization──▶ objects in the cluster
//!      ▲ interval, requestedAt      ▲ revision, interval, dependsOn, requestedAt
//! ```
//!
//! Each reconcile is four verbs: observe (reads), plan or build (pure), act
//! (writes), record (one status write at the end). Kinds, conditions, reasons and
//! messages are Flux's. Fetching is in `sources`, building in `kustomize`,
//! writing users' objects in `apply`.

mod conditions;
mod context;
mod events;
mod failure;
mod kustomization;
mod recent;
mod record;
mod runtime;
mod schedule;
mod source;
mod subject;
mod substitute;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sources::store::Retention;

pub use runtime::{RunError, run};

/// Tells the time; tests and the demo give a virtual one.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// How the controllers run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Only this namespace; all when absent.
    pub namespace: Option<String>,
    /// Folder of the artifacts.
    pub storage_path: PathBuf,
    /// `host:port` or URL at which consumers reach them.
    pub storage_address: String,
    /// What stays beside the current artifact.
    pub retention: Retention,
    /// Passes of one kind that fetch, build or apply at a time.
    pub concurrency: usize,
    /// First delay after an error.
    pub retry_delay_min: Duration,
    /// Longest delay after an error.
    pub retry_delay_max: Duration,
    /// Delay while a dependency or an artifact is missing.
    pub requeue_dependency: Duration,
    /// How far intervals are spread, in percent of themselves.
    pub jitter_percent: u32,
    /// Refuse sources of other namespaces.
    pub no_cross_namespace_refs: bool,
    /// What one fetch may cost.
    pub git_limits: sources::git::GitLimits,
}

impl Settings {
    /// Flux's defaults, with artifacts below `storage_path`.
    #[must_use]
    pub fn new(storage_path: impl Into<PathBuf>, storage_address: &str) -> Self {
        Self {
            namespace: None,
            storage_path: storage_path.into(),
            storage_address: storage_address.to_owned(),
            retention: Retention::default(),
            concurrency: 4,
            retry_delay_min: Duration::from_millis(750),
            retry_delay_max: Duration::from_secs(15 * 60),
            requeue_dependency: Duration::from_secs(30),
            jitter_percent: 5,
            no_cross_namespace_refs: false,
            git_limits: sources::git::GitLimits::default(),
        }
    }
}
