//! Holds builds against the output of the real kustomize, and checks errors.

mod errors;
mod flux;
mod golden;
