//! Reads what Flagger stored of a Knative Service: its hashes of revision names can be told, unlike all others.
//!
//! So a release that Flagger finished is known as finished, and one that it never saw is started.

use std::sync::Arc;

use api::canary::{CanaryPhase, CanaryStatus};
use rollout::ValidSpec;
use rollout::spec::TargetKind;
use rollout::world::Revision;

use crate::world::Caches;
use crate::world::key::Key;
use crate::world::knative;
use crate::world::store::Known;

/// The status with Flagger's hashes of revisions replaced by their names. A run under way keeps its own: it is
/// begun anew.
pub(super) fn known(
    caches: &Arc<Caches>,
    spec: &ValidSpec,
    canary: &Key,
    status: Option<&CanaryStatus>,
) -> Option<CanaryStatus> {
    let mut status = status?.clone();
    let is_legacy = |text: &Option<String>| {
        text.as_deref()
            .is_some_and(|text| Revision::new(text).is_legacy())
    };
    if spec.target.kind != TargetKind::Knative
        || !(is_legacy(&status.last_applied_spec) || is_legacy(&status.last_promoted_spec))
    {
        return Some(status);
    }
    let Known::Present(service) = caches.knative(&canary.sibling(&spec.target.name)) else {
        return Some(status);
    };
    let names = [
        Some(knative::latest(&service)),
        knative::primary(&service, false),
    ];
    if is_legacy(&status.last_promoted_spec) {
        // Only a promotion sets the annotation.
        status.last_promoted_spec = knative::primary(&service, false).map(str::to_owned);
    }
    let is_settled = match status.phase {
        CanaryPhase::Initialized
        | CanaryPhase::Waiting
        | CanaryPhase::Succeeded
        | CanaryPhase::Failed => true,
        CanaryPhase::Unset
        | CanaryPhase::Initializing
        | CanaryPhase::Progressing
        | CanaryPhase::WaitingPromotion
        | CanaryPhase::Promoting
        | CanaryPhase::Finalising
        | CanaryPhase::Terminating
        | CanaryPhase::Terminated => false,
    };
    if is_settled && is_legacy(&status.last_applied_spec) {
        let hash = status.last_applied_spec.unwrap_or_default();
        let mut names = names.into_iter().flatten();
        let name = names.find(|name| analysis::legacy_revision(name) == hash);
        // Of another revision: no name is like this one, so that what is there now counts as new.
        status.last_applied_spec =
            Some(name.map_or_else(|| format!("flagger-{hash}"), str::to_owned));
    }
    Some(status)
}
