//! The controllers against an API server in this process, on virtual time, with
//! repositories made by the git program.

#[path = "../../../sources/tests/it/bridge.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of `sources`, which use more of it"
)]
mod bridge;
mod kustomization;
mod source;
mod support;
