//! Keeps the copies of a core Service that is released: the canary's follows it, the
//! primary's is promoted. There are no pods to scale and no other Services to write.

use rollout::Action;
use rollout::world::Snapshot;
use serde_json::Value;

use super::super::build::copy::{self, Plan};
use super::workload::{absent, primary_seen, read_target};
use super::{ActError, Context, Subject};
use crate::world::kind;
use crate::world::store::Known;

/// Carries out what is different for Services; none for all else.
pub(super) async fn carry_out(
    ctx: &Context,
    subject: &Subject,
    action: &Action,
) -> Option<Result<(), ActError>> {
    match action {
        Action::Services => Some(follow(ctx, subject).await),
        Action::Primary { from } => Some(create(ctx, subject, from).await),
        Action::Promote { snapshot } => Some(promote(ctx, subject, snapshot).await),
        Action::Apex
        | Action::ScaleTarget(_)
        | Action::ScalePrimary { .. }
        | Action::PrimaryScaler { .. }
        | Action::PauseScaler
        | Action::ResumeScaler
        | Action::RevertTarget
        | Action::RevertApex => Some(Ok(())),
        Action::AddFinalizer
        | Action::RemoveFinalizer
        | Action::Adopt { .. }
        | Action::Routes(_)
        | Action::RevertRoutes
        | Action::RunHooks { .. }
        | Action::Event { .. }
        | Action::Alert { .. }
        | Action::Count { .. } => None,
    }
}

/// Whether the canary's copy is missing, or does not follow the target.
pub(in crate::canary) fn is_behind(ctx: &Context, subject: &Subject) -> bool {
    let Known::Present(target) = whole(ctx, subject, &subject.spec.target.name) else {
        return false;
    };
    let plan = plan(subject, "canary", None);
    match whole(ctx, subject, &plan.name) {
        Known::Unread(_) => false,
        Known::Absent => true,
        Known::Present(live) => copy::follow(&target, &live, &plan).is_some(),
    }
}

async fn follow(ctx: &Context, subject: &Subject) -> Result<(), ActError> {
    let Known::Present(target) = whole(ctx, subject, &subject.spec.target.name) else {
        return Err(absent(subject, "copy the target", &subject.target()));
    };
    let plan = plan(subject, "canary", None);
    match whole(ctx, subject, &plan.name) {
        Known::Present(live) => {
            if let Some(object) = copy::follow(&target, &live, &plan) {
                ctx.writer.replace(&kind::service(), &object).await?;
            }
        }
        Known::Absent | Known::Unread(_) => {
            let object = copy::create(&target, &plan);
            ctx.writer.create(&kind::service(), &object).await?;
        }
    }
    Ok(())
}

async fn create(ctx: &Context, subject: &Subject, from: &Snapshot) -> Result<(), ActError> {
    if matches!(subject.workload(ctx, &subject.primary()), Known::Present(_)) {
        return Ok(());
    }
    let target = read_target(ctx, subject, from).await?;
    let plan = plan(subject, "primary", Some(from));
    let object = copy::create(&target, &plan);
    ctx.writer.create(&kind::service(), &object).await?;
    Ok(())
}

async fn promote(ctx: &Context, subject: &Subject, snapshot: &Snapshot) -> Result<(), ActError> {
    let seen = primary_seen(ctx, subject, "promote")?;
    let there = seen
        .snapshot
        .as_deref()
        .and_then(Snapshot::parse_annotation);
    if there.as_ref() == Some(snapshot) {
        return Ok(());
    }
    let target = read_target(ctx, subject, snapshot).await?;
    let key = subject.primary();
    let Some(live) = ctx.writer.get(&kind::service(), &key).await? else {
        return Err(absent(subject, "promote", &key));
    };
    let plan = plan(subject, "primary", Some(snapshot));
    let prefixes = &ctx.settings.include_label_prefix;
    let object = copy::promote(&target, &live, &plan, prefixes);
    ctx.writer.replace(&kind::service(), &object).await?;
    Ok(())
}

fn plan<'a>(subject: &'a Subject, role: &str, snapshot: Option<&Snapshot>) -> Plan<'a> {
    let service = subject.canary.spec.service.as_ref();
    Plan {
        owner: &subject.owner,
        name: format!("{}-{role}", subject.spec.target.name),
        distribution: service.and_then(|service| service.traffic_distribution.as_deref()),
        snapshot: snapshot.map(Snapshot::to_annotation),
    }
}

/// A Service as the watch last saw it.
fn whole(ctx: &Context, subject: &Subject, name: &str) -> Known<Value> {
    let key = subject.key.sibling(name);
    match ctx.caches.raw(&kind::service()).get(&key) {
        Known::Present(seen) => Known::Present(seen.value()),
        Known::Absent => Known::Absent,
        Known::Unread(why) => Known::Unread(why),
    }
}
