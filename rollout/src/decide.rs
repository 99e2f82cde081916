//! Decides what happens next. One match over the state; each family of transitions has its file.

use chrono::{DateTime, Utc};

use crate::{
    answers::Answers,
    report::{Decision, Report},
    spec::ValidSpec,
    state::State,
    world::World,
};

/// Takes the decision. The same input gives the same output; an input that cannot be decided holds.
#[must_use]
pub fn decide(
    spec: &ValidSpec,
    state: &State,
    world: &World,
    answers: &Answers,
    now: DateTime<Utc>,
) -> Decision {
    let _ = (spec, world, answers, now);
    Decision {
        state: state.clone(),
        actions: Vec::new(),
        report: Report::default(),
        waiting_on: None,
        wake: None,
    }
}
