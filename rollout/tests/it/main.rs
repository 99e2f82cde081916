//! Tests of the rollout core through its public door.

mod liveness;
mod script;
mod spec;
mod traces;
mod values;
