//! The controllers against an API server in this process, on virtual time, with
//! repositories made by the git program.

#[path = "../../../sources/tests/it/bridge.rs"]
#[cfg(test)]
mod bridge;
#[cfg(test)]
mod endurance;
#[cfg(test)]
mod kustomization;
#[cfg(test)]
mod source;
#[cfg(test)]
mod support;
