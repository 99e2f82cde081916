//! Says why a target cannot be released as it is, naming field, value and cure.

use rollout::spec::TargetKind;

use super::super::build::BuildError;
use super::{Context, Subject};
use crate::world::store::Known;
use crate::world::workload::WorkloadSeen;

/// Why nothing is known of a target or its primary.
pub(super) fn unread(subject: &Subject, why: &str) -> String {
    let resource = subject.resource();
    format!(
        "failed to watch {} {}: {why}",
        resource.api_version, resource.kind
    )
}

/// What is wrong with the target or its autoscaler; none if nothing is.
pub(super) fn of_target(ctx: &Context, subject: &Subject, seen: &WorkloadSeen) -> Option<String> {
    scaler(ctx, subject)
        .or_else(|| strategy(subject, seen))
        .or_else(|| revision(subject, seen))
        .or_else(|| selector(ctx, subject, seen))
}

/// A Service has no pods of its own to tell apart, and Knative keeps those of revisions apart.
fn selector(ctx: &Context, subject: &Subject, seen: &WorkloadSeen) -> Option<String> {
    let target = &subject.spec.target;
    let has_pods = match target.kind {
        TargetKind::Deployment | TargetKind::DaemonSet => true,
        TargetKind::Service | TargetKind::Knative => false,
    };
    if seen.selector.is_some() || !has_pods {
        return None;
    }
    if let Some(fault) = seen.label_fault.as_deref() {
        return Some(fault.to_owned());
    }
    let fault = BuildError::SelectorLabel {
        kind: target.kind.as_str().to_owned(),
        name: target.name.clone(),
        labels: ctx.settings.selector_labels.clone(),
    };
    Some(fault.to_string())
}

fn strategy(subject: &Subject, seen: &WorkloadSeen) -> Option<String> {
    let strategy = seen.strategy_fault.as_deref()?;
    Some(format!(
        "DaemonSet {}: spec.updateStrategy.type is {strategy:?}, under which a promotion never ends; use \"RollingUpdate\"",
        subject.target()
    ))
}

fn revision(subject: &Subject, seen: &WorkloadSeen) -> Option<String> {
    let is_missing = subject.spec.target.kind == TargetKind::Knative && seen.template.is_empty();
    is_missing.then(|| {
        format!(
            "Knative Service {}: it has no revision yet; wait for its first",
            subject.target()
        )
    })
}

fn scaler(ctx: &Context, subject: &Subject) -> Option<String> {
    let scaler = subject.spec.autoscaler.as_ref()?;
    match ctx
        .caches
        .scaler(scaler, &subject.key.sibling(&scaler.name))
    {
        Known::Absent => Some(format!(
            "canary {}: spec.autoscalerRef.name is {:?}: there is no such {}; create it or remove the reference",
            subject.key, scaler.name, scaler.kind
        )),
        Known::Unread(Some(why)) => Some(format!("failed to watch {}: {why}", scaler.kind)),
        Known::Unread(None) | Known::Present(_) => None,
    }
}
