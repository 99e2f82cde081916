//! The clock of the wait for pods: it runs from when they are first seen to lack until they are all there.
//!
//! It is stored, so that a restart does not set it back. A run that went well for an hour has all of its progress
//! deadline left when a pod goes.

use super::scene::{Scene, Side};
use crate::{
    state::State,
    world::{Readiness, Seen},
};

/// The same state with the clock set. Who was not read says nothing; a target that is gone is waited for without end.
pub(super) fn set(scene: &Scene<'_>, state: &State) -> State {
    let mut state = state.clone();
    let side = match &state {
        State::Initializing(_) | State::Promoting(_) | State::Finalising(_) => Side::Primary,
        State::Progressing(_) | State::WaitingPromotion(_) => Side::Canary,
        State::New
        | State::Initialized(_)
        | State::Waiting(_)
        | State::RollingBack(..)
        | State::Succeeded(_)
        | State::Failed(_)
        | State::Terminating(_) => return state,
    };
    let is_lacking = match (side, scene.seen(side)) {
        (Side::Primary | Side::Canary, Seen::Unread) => return state,
        (Side::Canary, Seen::Absent) => false,
        (Side::Primary, Seen::Absent) | (Side::Primary | Side::Canary, Seen::Present(_)) => {
            scene.readiness(side, None) != Readiness::Ready
        }
    };
    if let Some(memory) = state.memory_mut() {
        let since = memory.wait_started.unwrap_or(scene.stamp());
        memory.wait_started = is_lacking.then_some(since);
    }
    state
}
