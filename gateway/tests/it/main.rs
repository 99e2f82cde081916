//! Runs the gateway over loopback against backends in the test.
//!
//! Tables come from objects by `compile`, without a cluster; `cluster.rs` adds a small
//! API server for watches and status.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "support code of tests fails by panics; tables are long"
)]

mod cluster;
mod forward;
mod rendered;
mod support;
