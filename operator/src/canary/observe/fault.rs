//! Says why a target cannot be released as it is, naming field, value and cure.

use rollout::spec::TargetKind;

use super::super::build::BuildError;
use super::{Context, Subject};
use crate::world::store::Known;
use crate::world::workload::WorkloadSeen;

/// What is wrong with the target or its autoscaler; none if nothing is.
pub(super) fn of_target(ctx: &Context, subject: &Subject, seen: &WorkloadSeen) -> Option<String> {
    scaler(ctx, subject)
        .or_else(|| strategy(subject, seen))
        .or_else(|| selector(ctx, subject, seen))
}

/// A Service has no pods of its own to tell apart.
fn selector(ctx: &Context, subject: &Subject, seen: &WorkloadSeen) -> Option<String> {
    let target = &subject.spec.target;
    if seen.selector.is_some() || target.kind == TargetKind::Service {
        return None;
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
