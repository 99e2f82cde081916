//! Which cookies are in force: new ones for each analysis, handed over when the canary loses its traffic.
//!
//! Cookies follow the weight: whatever moves it, they are decided here, beside it, and stored with it.

use super::{plan::Plan, scene::Scene};
use crate::{
    action::Action,
    cookies::{Affinity, Cookies, is_named, made},
    state::State,
    world::TrafficSeen,
};

/// Puts the cookies that belong to the state of `plan` into it, and sees to it that they are routed.
pub(super) fn follow(scene: &Scene<'_>, before: &State, mut plan: Plan) -> Plan {
    let there = before
        .memory()
        .map(|memory| memory.cookies.clone())
        .unwrap_or_default();
    let state = &plan.decision.state;
    let next = match (&scene.spec.affinity, state.is_routed()) {
        (Some(affinity), true) => in_force(scene, affinity, before, state, &there),
        // Without them nobody is kept; those of before stay known, to be taken back one day.
        (None, _) | (Some(_), false) => there.clone(),
    };
    let is_routed = plan
        .decision
        .actions
        .iter()
        .any(|action| matches!(action, Action::Routes(_)));
    let is_readable = matches!(scene.world.traffic, TrafficSeen::Split(_));
    if next != there && !is_routed && is_readable && scene.spec.has_routes() {
        let split = state.split();
        plan = plan.doing([Action::Routes(split)]);
    }
    if let Some(memory) = plan.decision.state.memory_mut() {
        memory.cookies = next;
    }
    plan
}

fn in_force(
    scene: &Scene<'_>,
    affinity: &Affinity,
    before: &State,
    state: &State,
    there: &Cookies,
) -> Cookies {
    if state.weight().is_zero() {
        return Cookies {
            canary: None,
            primary: None,
            previous: there.canary.clone().or_else(|| there.previous.clone()),
        };
    }
    let run = state.run();
    let revision = run.map_or("", |run| run.snapshot.revision.as_str());
    let started = state
        .memory()
        .and_then(|memory| memory.started)
        .map_or(0, |at| at.timestamp())
        .to_string();
    // Each value rests on the one before it, so that no two in a row are the same.
    let fresh = |name: &str, last: &Option<String>| {
        let last = last.as_deref().unwrap_or_default();
        made(name, &[&scene.spec.uid, revision, &started, last])
    };
    let name = &affinity.cookie_name;
    let kept = there.canary.clone().filter(|it| is_named(it, name));
    let is_renamed = kept.is_none() && there.canary.is_some();
    let primary = affinity.primary_cookie_name.as_ref().map(|name| {
        let kept = there.primary.clone().filter(|it| is_named(it, name));
        // At each weight users who met the primary are drawn anew.
        kept.filter(|_| before.weight() == state.weight())
            .unwrap_or_else(|| fresh(name, &there.primary))
    });
    Cookies {
        canary: Some(kept.unwrap_or_else(|| fresh(name, &there.previous))),
        primary,
        previous: if is_renamed {
            there.canary.clone()
        } else {
            there.previous.clone()
        },
    }
}
