//! Subject: one Canary as a round sees it, or why no round can be made of it.
//!
//! Decodes, validates, and refuses what is not supported, each time naming field, value and
//! cure. It writes nothing.

use std::sync::Arc;

use api::canary::CanaryStatus;
use kube::api::ApiResource;
use mesh_adapters::{Adapter, Route, Split};
use rollout::spec::TargetKind;
use rollout::{Defaults, State, ValidSpec};
use serde_json::Value;

use super::build::Owner;
use super::takeover;
use super::{Context, InForce};
use crate::json::str_at;
use crate::world::key::Key;
use crate::world::packed::Packed;
use crate::world::store::Known;
use crate::world::workload::WorkloadSeen;
use crate::world::{Caches, kind};

/// A Canary that can be acted on.
pub struct Subject {
    /// Its namespace and name.
    pub key: Key,
    /// The object.
    pub canary: api::Canary,
    /// As owner of what is built.
    pub owner: Owner,
    /// What it asks for, checked.
    pub spec: ValidSpec,
    /// Where it stands.
    pub state: State,
    /// The words of its mesh.
    pub adapter: &'static dyn Adapter,
    /// The resourceVersion that the status write depends on.
    pub version: String,
    /// Why the spec as stored is not followed, while an older one is.
    pub(super) fault: Option<Stall>,
}

impl Subject {
    /// The status as stored.
    pub fn status(&self) -> Option<&CanaryStatus> {
        self.canary.status.as_ref()
    }

    /// Whether the Canary is being deleted.
    pub fn is_deleting(&self) -> bool {
        self.canary.metadata.deletion_timestamp.is_some()
    }

    /// Takes in the Canary as a write of this round left it: the next write depends on that.
    pub(super) fn renew(&mut self, written: &Value) {
        str_at(written, "/metadata/resourceVersion").clone_into(&mut self.version);
        let status = written.get("status").cloned();
        self.canary.status = status.and_then(|status| serde_json::from_value(status).ok());
    }

    /// The spec that is followed, packed anew only when the object has another than `before`.
    pub(super) fn in_force(&self, before: Option<InForce>) -> InForce {
        let generation = self.canary.metadata.generation;
        let is_same = |before: &InForce| before.generation == generation;
        before.filter(is_same).unwrap_or_else(|| InForce {
            generation,
            spec: Packed::new(&self.canary.spec),
        })
    }

    /// Key of the target.
    pub fn target(&self) -> Key {
        self.key.sibling(&self.spec.target.name)
    }

    /// Key of the primary.
    pub fn primary(&self) -> Key {
        self.key.sibling(&self.spec.primary_name())
    }

    /// A workload of the target's kind: the target, or the primary.
    pub(super) fn workload(&self, ctx: &Context, key: &Key) -> Known<WorkloadSeen> {
        let kind = self.spec.target.kind;
        if kind == TargetKind::Knative && *key == self.primary() {
            return ctx
                .caches
                .primary_revision(&self.target(), self.state.is_beginning());
        }
        ctx.caches.workload(kind, key)
    }

    /// The kind of target and primary.
    pub(super) fn resource(&self) -> ApiResource {
        kind::of_target(self.spec.target.kind)
    }
}

/// Why a Canary cannot be followed. Told in its condition `Stalled`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stall {
    /// One word.
    pub reason: &'static str,
    /// Object, field, value, cure.
    pub message: String,
}

/// What was found under a key.
pub(super) enum Reading {
    /// Nothing: it was deleted.
    Gone,
    /// A Canary that cannot be followed.
    Stalled {
        /// The object.
        value: Value,
        /// Why.
        stall: Stall,
    },
    /// A Canary to act on.
    Ready(Box<Subject>),
}

/// Reads the Canary from the cache. One that became invalid in the middle of a run is
/// followed by the spec `in_force`.
pub(super) fn read(ctx: &Context, key: &Key, in_force: Option<&Packed<Value>>) -> Reading {
    let (caches, defaults) = (&ctx.caches, &ctx.defaults);
    let mut value = match caches.canaries.get(key) {
        Known::Present(seen) => seen.value(),
        Known::Absent | Known::Unread(_) => return Reading::Gone,
    };
    ctx.dropped.restore(key, &mut value);
    let stall = match subject(caches, defaults, key, &value) {
        Ok(subject) => return Reading::Ready(Box::new(subject)),
        Err(stall) => stall,
    };
    let older = in_force.and_then(|spec| with_spec(&value, spec.open()));
    match older.map(|older| subject(caches, defaults, key, &older)) {
        Some(Ok(mut subject)) => {
            let message = format!(
                "{}; the last valid spec stays in force until this run ends",
                stall.message
            );
            subject.fault = Some(Stall { message, ..stall });
            Reading::Ready(Box::new(subject))
        }
        Some(Err(_)) | None => Reading::Stalled { value, stall },
    }
}

/// The Canary with the spec of before; none if it is about another target: that may be
/// another's by now.
fn with_spec(value: &Value, spec: Value) -> Option<Value> {
    let mut older = value.clone();
    if older.pointer("/spec/targetRef") != spec.get("targetRef") {
        return None;
    }
    older.as_object_mut()?.insert("spec".to_owned(), spec);
    Some(older)
}

fn subject(
    caches: &Arc<Caches>,
    defaults: &Defaults,
    key: &Key,
    value: &Value,
) -> Result<Subject, Stall> {
    let canary: api::Canary = api::decode::decode(value.clone()).map_err(|error| Stall {
        reason: "InvalidSpec",
        message: format!("canary {key}: {error}"),
    })?;
    let mut spec = ValidSpec::validate(&canary, defaults).map_err(|findings| Stall {
        reason: "InvalidSpec",
        message: findings.to_string(),
    })?;
    if spec.target.kind != TargetKind::Deployment {
        // Only Deployments have replicas to scale.
        spec.autoscaler = None;
    }
    let adapter = mesh_adapters::adapter(&spec.provider).map_err(|error| Stall {
        reason: "UnsupportedProvider",
        message: format!("canary {key}: {error}"),
    })?;
    alone(caches, key, &spec)?;
    let owner = Owner {
        name: key.name.to_string(),
        namespace: key.namespace.to_string(),
        uid: canary.metadata.uid.clone().unwrap_or_default(),
    };
    let version = str_at(value, "/metadata/resourceVersion").to_owned();
    let known = takeover::known(caches, &spec, key, canary.status.as_ref());
    let state = State::read(known.as_ref());
    let subject = Subject {
        key: key.clone(),
        canary,
        owner,
        spec,
        state,
        adapter,
        version,
        fault: None,
    };
    match Route::new(&subject.canary, Split::PRIMARY) {
        Ok(_) => Ok(subject),
        Err(error) => Err(Stall {
            reason: "InvalidSpec",
            message: format!("canary {key}: {error}"),
        }),
    }
}

fn alone(caches: &Arc<Caches>, key: &Key, spec: &ValidSpec) -> Result<(), Stall> {
    let Some(other) = holder(caches, key) else {
        return Ok(());
    };
    let message = format!(
        "canary {key}: spec.targetRef is {} {:?}, which canary {other} has already; delete one of them or change its targetRef",
        spec.target.kind.as_str(),
        spec.target.name,
    );
    Err(Stall {
        reason: "TargetTaken",
        message,
    })
}

/// The other Canary that has the target of this one, if any: of two the older one has it, then the one with the smaller
/// name.
pub(super) fn holder(caches: &Caches, key: &Key) -> Option<Key> {
    let rank = |key: &Key| {
        caches
            .canaries
            .read(key, |seen| (seen.created, key.clone()))
    };
    let rivals = caches.relations.rivals(key);
    let first = rivals.into_iter().filter_map(|other| rank(&other)).min()?;
    (Some(&first) < rank(key).as_ref()).then_some(first.1)
}
