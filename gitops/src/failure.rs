//! Says why a pass ended early, in the words of a condition, and what comes next.

use std::time::Duration;

/// When the next pass is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// After a delay that grows with each failure.
    Backoff,
    /// After `spec.retryInterval`.
    RetryInterval,
    /// After this long; something else will be ready then.
    After(Duration),
    /// When the spec changes; the object is Stalled.
    NotUntilSpecChanges,
}

/// Why a pass ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Flux's word for conditions and events.
    pub(crate) reason: &'static str,
    /// For people.
    pub(crate) message: String,
    pub(crate) next: Next,
    /// Whether an event tells of it; waiting is told by conditions only.
    pub(crate) is_told: bool,
}

impl Failure {
    pub(crate) fn new(reason: &'static str, message: impl Into<String>, next: Next) -> Self {
        Self {
            reason,
            message: message.into(),
            next,
            is_told: true,
        }
    }

    /// A failure that only the spec can mend.
    pub(crate) fn stalled(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(reason, message, Next::NotUntilSpecChanges)
    }

    /// A wait for something else.
    pub(crate) fn waiting(
        reason: &'static str,
        message: impl Into<String>,
        delay: Duration,
    ) -> Self {
        Self {
            reason,
            message: message.into(),
            next: Next::After(delay),
            is_told: false,
        }
    }

    /// A spec that cannot be read: field, value, cure.
    pub(crate) fn malformed(reason: &'static str, error: &api::decode::DecodeError) -> Self {
        Self::stalled(
            reason,
            format!("{error}; correct the field, or remove it if it is not needed"),
        )
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.next == Next::NotUntilSpecChanges
    }
}
