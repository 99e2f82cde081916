//! Creates and repairs the three Services. What they hold is `build/service.rs`'s to say.

use super::super::build::service::{Plan, Role, repair};
use super::super::observe::service_differs;
use super::{ActError, Context, Subject};
use crate::world::kind;
use crate::world::store::Known;

/// The Services `<apex>-canary` and `<apex>-primary`.
pub(super) async fn ensure_pair(ctx: &Context, subject: &Subject) -> Result<(), ActError> {
    ensure(ctx, subject, Role::Canary).await?;
    ensure(ctx, subject, Role::Primary).await
}

/// The Service `<apex>`.
pub(super) async fn ensure_apex(ctx: &Context, subject: &Subject) -> Result<(), ActError> {
    ensure(ctx, subject, Role::Apex).await
}

async fn ensure(ctx: &Context, subject: &Subject, role: Role) -> Result<(), ActError> {
    let seen = match subject.workload(ctx, &subject.target()) {
        Known::Present(seen) => seen,
        Known::Absent | Known::Unread(_) => return Err(absent(subject)),
    };
    let (Some(selector), Some(service)) = (&seen.selector, &subject.canary.spec.service) else {
        return Err(absent(subject));
    };
    let plan = Plan {
        owner: &subject.owner,
        apex: &subject.spec.apex,
        service,
        selector,
        ports: &seen.ports,
    };
    if !service_differs(ctx, subject, &plan, role) {
        return Ok(());
    }
    let wanted = plan.build(role);
    let key = subject.key.sibling(&plan.name(role));
    if ctx.caches.services.get(&key) == Known::Absent {
        ctx.writer.create(&kind::service(), &wanted).await?;
        return Ok(());
    }
    let Some(live) = ctx.writer.get(&kind::service(), &key).await? else {
        ctx.writer.create(&kind::service(), &wanted).await?;
        return Ok(());
    };
    if let Some(patch) = repair(&live, &wanted, service, &subject.owner) {
        ctx.writer.merge(&kind::service(), &key, &patch).await?;
    }
    if let Known::Present(seen) = ctx.caches.services.get(&key) {
        ctx.agreed.note(key, &(seen, wanted));
    }
    Ok(())
}

fn absent(subject: &Subject) -> ActError {
    ActError::Absent {
        verb: "write the services",
        object: format!(
            "a usable {} {}",
            subject.spec.target.kind.as_str(),
            subject.target()
        ),
    }
}
