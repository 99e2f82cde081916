//! Conditions: what an object says of itself, and the one way to set them.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;

/// Longest message a condition holds, in bytes (Flux cuts here too).
pub const MESSAGE_BYTES_MAX: usize = 32_768;

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Not known yet.
    Unknown,
}

/// One entry of `status.conditions`, the superset of `metav1.Condition` and Flagger's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about, for example `Ready`, `Promoted`, `Stalled`.
    #[serde(rename = "type")]
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// One word in CamelCase for programs.
    pub reason: String,
    /// A sentence for people.
    #[serde(default)]
    pub message: String,
    /// The generation of the object that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When anything of it was last written (Flagger only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<Time>,
    /// When its status last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
}

impl Condition {
    /// A condition without times; [`set`] fills them.
    #[must_use]
    pub fn new(
        type_: &str,
        status: ConditionStatus,
        reason: &str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            type_: type_.to_owned(),
            status,
            reason: reason.to_owned(),
            message: cut(message.into()),
            observed_generation: None,
            last_update_time: None,
            last_transition_time: None,
        }
    }

    /// The same condition, made from this generation.
    #[must_use]
    pub fn observed(mut self, generation: Option<i64>) -> Self {
        self.observed_generation = generation;
        self
    }
}

/// The condition of this type.
#[must_use]
pub fn get<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == type_)
}

/// Sets a condition by its type. The transition time is kept while the status is the same;
/// returns whether anything but times changed.
pub fn set(conditions: &mut Vec<Condition>, mut next: Condition, now: DateTime<Utc>) -> bool {
    next.message = cut(next.message);
    let Some(old) = conditions.iter_mut().find(|c| c.type_ == next.type_) else {
        next.last_transition_time = Some(Time::whole(now));
        conditions.push(next);
        return true;
    };
    let changed = old.status != next.status
        || old.reason != next.reason
        || old.message != next.message
        || old.observed_generation != next.observed_generation;
    next.last_transition_time = match old.last_transition_time {
        Some(at) if old.status == next.status => Some(at),
        Some(_) | None => Some(Time::whole(now)),
    };
    if next.last_update_time.is_none() {
        next.last_update_time = old.last_update_time;
    }
    *old = next;
    changed
}

/// Removes the condition of this type; returns whether there was one.
pub fn remove(conditions: &mut Vec<Condition>, type_: &str) -> bool {
    let before = conditions.len();
    conditions.retain(|c| c.type_ != type_);
    conditions.len() != before
}

/// Trims a message and cuts it at [`MESSAGE_BYTES_MAX`], with `...` at its end.
fn cut(message: String) -> String {
    const TAIL: &str = "...";
    let trimmed = message.trim();
    if trimmed.len() <= MESSAGE_BYTES_MAX {
        return if trimmed.len() == message.len() {
            message
        } else {
            trimmed.to_owned()
        };
    }
    let mut end = MESSAGE_BYTES_MAX.saturating_sub(TAIL.len());
    while !trimmed.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    let mut out = trimmed.get(..end).unwrap_or_default().to_owned();
    out.push_str(TAIL);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(s, 0).unwrap()
    }

    #[test]
    fn transition_time_moves_only_with_the_status() {
        let mut all = Vec::new();
        assert!(set(
            &mut all,
            Condition::new("Ready", ConditionStatus::False, "Failed", "a"),
            at(1)
        ));
        assert!(!set(
            &mut all,
            Condition::new("Ready", ConditionStatus::False, "Failed", "a"),
            at(2)
        ));
        assert!(set(
            &mut all,
            Condition::new("Ready", ConditionStatus::False, "Failed", "b"),
            at(3)
        ));
        assert_eq!(all[0].last_transition_time, Some(Time(at(1))));
        assert!(set(
            &mut all,
            Condition::new("Ready", ConditionStatus::True, "Succeeded", "b"),
            at(4)
        ));
        assert_eq!(all[0].last_transition_time, Some(Time(at(4))));
        assert!(remove(&mut all, "Ready"));
        assert!(!remove(&mut all, "Ready"));
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let cut = Condition::new("Ready", ConditionStatus::True, "R", "é".repeat(20_000)).message;
        assert!(cut.len() <= MESSAGE_BYTES_MAX && cut.ends_with("é..."));
    }
}
