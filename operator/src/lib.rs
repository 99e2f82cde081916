//! Runs every controller of Sluice against one cluster.
//!
//! `args` is what was typed, `settings` what it means, `run` does it. The canary controller
//! is `canary.rs` (observe, ask, decide, act, record); what it knows of the cluster is
//! `world.rs`. Nothing here judges a release: that is the crate `rollout`.
//!
//! ```text
//! watches ─→ world (projections) ─→ queue ─→ canary::reconcile ─→ API server
//!                                              │ decide: rollout
//!                                              │ ask: analysis ─→ metric servers, webhooks
//! ```

pub mod admin;
pub mod args;
pub mod canary;
pub mod clock;
pub mod clusters;
pub mod digest;
pub mod error;
pub mod events;
pub mod gitops;
mod json;
pub mod lease;
mod listen;
pub mod metrics;
mod outbound;
pub mod queue;
pub mod runtime;
pub mod settings;
pub mod throttle;
pub mod world;

pub use args::Args;
pub use clock::Clock;
pub use clusters::{Clusters, Mesh};
pub use runtime::{RunError, Ways, run, run_through};
pub use settings::{Settings, SettingsError};
