//! Runs the gateway over loopback against backends in the test.
//!
//! Tables come from objects by `compile`, without a cluster; `cluster.rs` adds a small
//! API server for watches and status.

mod cluster;
mod forward;
mod support;
