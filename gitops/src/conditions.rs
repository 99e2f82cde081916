//! Sets conditions the way Flux does; the one writer of them here.
//!
//! `lastTransitionTime` moves with status, reason or message. Stalled,
//! Reconciling and Ready come first. What the conditions should say is decided
//! by the kinds' own `status.rs`.

use api::{Condition, ConditionStatus, Time};
use chrono::{DateTime, Utc};

pub(crate) const READY: &str = "Ready";
pub(crate) const RECONCILING: &str = "Reconciling";
pub(crate) const STALLED: &str = "Stalled";

/// Reason of Reconciling while a failure is retried.
pub(crate) const PROGRESSING_WITH_RETRY: &str = "ProgressingWithRetry";
/// Reason of anything under way.
pub(crate) const PROGRESSING: &str = "Progressing";

/// Conditions being edited in one round.
pub(crate) struct Editor<'a> {
    conditions: &'a mut Vec<Condition>,
    generation: Option<i64>,
    now: DateTime<Utc>,
}

impl<'a> Editor<'a> {
    pub(crate) fn new(
        conditions: &'a mut Vec<Condition>,
        generation: Option<i64>,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            conditions,
            generation,
            now,
        }
    }

    /// Sets one condition. Stalled and Reconciling exclude each other.
    pub(crate) fn set(
        &mut self,
        type_: &str,
        status: ConditionStatus,
        reason: &str,
        message: &str,
    ) -> &mut Self {
        let mut next = Condition::new(type_, status, reason, message);
        next.observed_generation = self.generation;
        let before = api::condition::get(self.conditions, type_).cloned();
        api::condition::set(self.conditions, next, self.now);
        if let (Some(before), Some(after)) = (
            before,
            self.conditions.iter_mut().find(|c| c.type_ == type_),
        ) {
            let is_same = before.status == after.status
                && before.reason == after.reason
                && before.message == after.message;
            after.last_transition_time = if is_same {
                before.last_transition_time
            } else {
                Some(Time::whole(self.now))
            };
        }
        if status == ConditionStatus::True {
            match type_ {
                STALLED => self.remove(RECONCILING),
                RECONCILING => self.remove(STALLED),
                _ => self,
            }
        } else {
            self
        }
    }

    /// Sets one to True.
    pub(crate) fn hold(&mut self, type_: &str, reason: &str, message: &str) -> &mut Self {
        self.set(type_, ConditionStatus::True, reason, message)
    }

    /// Sets one to False.
    pub(crate) fn deny(&mut self, type_: &str, reason: &str, message: &str) -> &mut Self {
        self.set(type_, ConditionStatus::False, reason, message)
    }

    /// Removes one.
    pub(crate) fn remove(&mut self, type_: &str) -> &mut Self {
        api::condition::remove(self.conditions, type_);
        self
    }

    /// Puts them into Flux's order.
    pub(crate) fn sort(&mut self) {
        let rank = |type_: &str| match type_ {
            STALLED => 0,
            RECONCILING => 1,
            READY => 2,
            _ => 3,
        };
        self.conditions.sort_by(|a, b| {
            rank(&a.type_)
                .cmp(&rank(&b.type_))
                .then_with(|| b.observed_generation.cmp(&a.observed_generation))
                .then_with(|| a.type_.cmp(&b.type_))
        });
    }
}

/// Whether a condition is there and True.
pub(crate) fn is_true(conditions: &[Condition], type_: &str) -> bool {
    api::condition::get(conditions, type_).is_some_and(|c| c.status == ConditionStatus::True)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_exclusion_and_transition_times() {
        let at = |s| DateTime::from_timestamp(s, 0).unwrap();
        let mut all = Vec::new();
        Editor::new(&mut all, Some(1), at(1))
            .hold("FetchFailed", "A", "m")
            .deny(READY, "A", "m")
            .hold(RECONCILING, "P", "m")
            .sort();
        let types = |all: &[Condition]| {
            all.iter()
                .map(|c| c.type_.clone())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(types(&all), "Reconciling Ready FetchFailed");
        Editor::new(&mut all, Some(2), at(2))
            .hold(STALLED, "A", "m")
            .deny(READY, "A", "other")
            .hold("FetchFailed", "A", "m")
            .sort();
        assert_eq!(types(&all), "Stalled Ready FetchFailed");
        let moved = |type_| {
            api::condition::get(&all, type_)
                .unwrap()
                .last_transition_time
        };
        assert_eq!(moved(READY), Some(Time(at(2))), "a new message moves it");
        assert_eq!(
            moved("FetchFailed"),
            Some(Time(at(1))),
            "a new generation does not"
        );
    }
}
