//! Tests of the rollout core through its public door.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "a test that goes wrong has to stop, and helpers of tests are tests"
)]

mod clock;
mod liveness;
mod scenarios;
mod script;
mod sessions;
mod spec;
mod values;
