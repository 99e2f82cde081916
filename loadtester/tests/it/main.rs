//! The load tester over loopback: its HTTP API, and the load it generates.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "support code of tests fails by panics; tables are long"
)]

mod api;
mod grpc;
mod load;
mod support;
mod tasks;
mod trust;
