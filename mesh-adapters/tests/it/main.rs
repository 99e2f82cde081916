//! Tests of the adapters through their public door.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "a test that goes wrong has to stop, and golden files are files"
)]

mod drift;
mod golden;
mod hostile;
mod inventory;
mod live;
mod meshes;
mod ports;
