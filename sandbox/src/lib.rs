//! A cluster in the process: the API server, and what a rollout meets in a
//! cluster. Deployments become ReplicaSets become pods, pods become ready and
//! enter endpoints, users send requests, Prometheus counts them, and a Git
//! server holds manifests.
//!
//! ```text
//!   kube::Client ─▶ ApiServer ◀─ controllers + kubelet ─▶ workloads (real HTTP, or simulated)
//!                       ▲                                      │ scraped, or recorded
//!     Traffic ─ reads routes, endpoints ──────────────▶ Prometheus ─▶ PromQL     GitServer
//! ```
//!
//! Time comes from tokio, chance from a seed: under paused time a run of the
//! same seed is the same run. It has one node and no network policy, volumes,
//! Jobs, StatefulSets or horizontal autoscaler.

mod behaviour;
mod cache;
mod clock;
mod control;
mod git;
mod load;
mod objects;
mod prometheus;
mod sandbox;
mod traffic;
mod workload;

pub use behaviour::{CRASH_LOOP, ERROR_RATE, IMAGE_PULL, LATENCY, READY, READY_AFTER};
pub use clock::Clock;
pub use git::{BRANCH_DEFAULT, BadSha, GitError, GitServer, Repository, Sha};
pub use load::{FIELD_MANAGER, LoadError};
pub use prometheus::{Prometheus, Target};
pub use sandbox::{CONTROLLERS_USER, Options, Sandbox, SandboxError, TRAFFIC_USER, Workloads};
pub use traffic::{Counts, Mesh, Traffic, TrafficOptions, Users};
