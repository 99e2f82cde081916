//! Which objects wake a canary: what it observes, by kind and name.

use rollout::spec::TargetKind;

use super::{key_of, resource_of, route};
use crate::canary::Context;
use crate::canary::subject::Subject;
use crate::world::kind;
use crate::world::store::Known;
use crate::world::workload::WorkloadSeen;

/// Tells the caches which objects this canary is to be woken by.
pub(super) fn relate(
    ctx: &Context,
    subject: &Subject,
    target: &Known<WorkloadSeen>,
    primary: &Known<WorkloadSeen>,
) {
    let workload = kind::id(&subject.resource());
    let service = kind::id(&kind::service());
    let mut objects = vec![
        (workload.clone(), subject.target()),
        (workload, subject.primary()),
    ];
    if subject.spec.target.kind == TargetKind::Service {
        let copy = subject
            .key
            .sibling(&format!("{}-canary", subject.spec.target.name));
        objects.push((service.clone(), copy));
    }
    if subject.spec.target.kind == TargetKind::Knative {
        for known in [target, primary] {
            if let Known::Present(seen) = known {
                let revision = kind::id(&kind::knative_revision());
                objects.push((revision, subject.key.sibling(&seen.template)));
            }
        }
    }
    for name in [
        subject.spec.apex.clone(),
        format!("{}-primary", subject.spec.apex),
        format!("{}-canary", subject.spec.apex),
    ] {
        objects.push((service.clone(), subject.key.sibling(&name)));
    }
    if let Some(scaler) = &subject.spec.autoscaler {
        let id = kind::id(&kind::of_scaler(&scaler.kind));
        objects.push((id.clone(), subject.key.sibling(&scaler.name)));
        objects.push((id, subject.key.sibling(&format!("{}-primary", scaler.name))));
    }
    if let (Known::Present(seen), true) = (target, ctx.settings.is_config_tracked) {
        for config in &seen.configs {
            objects.push((
                kind::id(&config.kind.resource()),
                subject.key.sibling(&config.name),
            ));
        }
    }
    if let Ok(route) = route(ctx, subject, None) {
        for reference in subject.adapter.objects(&route) {
            objects.push((kind::id(&resource_of(&reference)), key_of(&reference)));
        }
    }
    ctx.caches.relations.set(&subject.key, &objects);
}
