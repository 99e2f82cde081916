//! Rolls a Deployment out as kube-controller-manager does: a ReplicaSet per
//! template, surge and unavailability kept, old sets scaled down, the status
//! written last. Does not scale proportionally between several live sets: the
//! newest gets what is free.
//!
//! ```text
//!  new set ─▶ scale it up by what maxSurge leaves ─▶ end sick old pods ─▶ scale old sets down ─▶ status
//! ```

mod revision;
mod status;

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, ReplicaSet};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt};

use super::{Control, Work};
use crate::cache::Key;
use crate::objects::{hash, is_active, is_terminating, resolve};

/// The label that tells the ReplicaSets of a Deployment apart.
pub(super) const HASH_LABEL: &str = "pod-template-hash";
/// Kubernetes' default for spec.revisionHistoryLimit.
const HISTORY_DEFAULT: i32 = 10;

/// A Deployment with its sets, the newest template's apart.
pub(super) struct Rollout {
    pub(super) deployment: Arc<Deployment>,
    pub(super) spec: DeploymentSpec,
    pub(super) new: Option<Arc<ReplicaSet>>,
    pub(super) old: Vec<Arc<ReplicaSet>>,
    /// Whether this round made the new set, from which the progress deadline runs.
    pub(super) is_created: bool,
}

/// Replicas a set should have.
pub(super) fn wanted(rs: &ReplicaSet) -> i32 {
    rs.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1)
}

/// Replicas of a set that have been ready long enough.
pub(super) fn available(rs: &ReplicaSet) -> i32 {
    rs.status
        .as_ref()
        .and_then(|s| s.available_replicas)
        .unwrap_or(0)
}

impl Rollout {
    pub(super) fn replicas(&self) -> i32 {
        self.spec.replicas.unwrap_or(1)
    }

    fn is_recreate(&self) -> bool {
        self.spec.strategy.as_ref().and_then(|s| s.type_.as_deref()) == Some("Recreate")
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<ReplicaSet>> {
        self.old.iter().chain(&self.new)
    }

    /// maxSurge and maxUnavailable as counts; both 0 would never move, so one may be unavailable.
    fn fences(&self) -> (i32, i32) {
        if self.is_recreate() {
            return (0, self.replicas());
        }
        let rolling = self
            .spec
            .strategy
            .as_ref()
            .and_then(|s| s.rolling_update.as_ref());
        let surge = resolve(
            rolling.and_then(|r| r.max_surge.as_ref()),
            self.replicas(),
            true,
        );
        let unavailable = resolve(
            rolling.and_then(|r| r.max_unavailable.as_ref()),
            self.replicas(),
            false,
        );
        if surge == 0 && unavailable == 0 {
            (0, 1)
        } else {
            (surge, unavailable.min(self.replicas()))
        }
    }

    pub(super) fn max_unavailable(&self) -> i32 {
        if self.replicas() == 0 {
            0
        } else {
            self.fences().1
        }
    }

    /// Replicas the new set may have now.
    fn new_replicas(&self, new: &ReplicaSet) -> i32 {
        let pods: i32 = self.all().map(|rs| wanted(rs)).sum();
        if self.is_recreate() || wanted(new) >= self.replicas() {
            return self.replicas();
        }
        let room = self.replicas() + self.fences().0 - pods;
        wanted(new) + room.clamp(0, self.replicas() - wanted(new))
    }

    /// How many replicas each old set loses now: sick ones first, then what availability allows.
    fn old_cuts(&self, new: &ReplicaSet) -> Vec<(Arc<ReplicaSet>, i32)> {
        let pods: i32 = self.all().map(|rs| wanted(rs)).sum();
        let floor = self.replicas() - self.max_unavailable();
        let new_unavailable = wanted(new) - available(new);
        let mut cleanable = pods - floor - new_unavailable;
        if cleanable <= 0 {
            return Vec::new();
        }
        let mut left: Vec<(Arc<ReplicaSet>, i32)> = Vec::new();
        for rs in self.old.iter().filter(|rs| wanted(rs) > 0) {
            let sick = (wanted(rs) - available(rs)).clamp(0, cleanable);
            cleanable -= sick;
            left.push((Arc::clone(rs), wanted(rs) - sick));
        }
        let all_available: i32 = self.all().map(|rs| available(rs)).sum();
        let mut spare = (all_available - floor).max(0);
        for (_, replicas) in &mut left {
            let cut = spare.min(*replicas);
            *replicas -= cut;
            spare -= cut;
        }
        left.retain(|(rs, replicas)| wanted(rs) != *replicas);
        left
    }
}

impl Control {
    pub(super) async fn deployment(&mut self, key: &Key) -> Result<(), kube::Error> {
        let Some(rollout) = self.rollout(key) else {
            return Ok(());
        };
        if is_terminating(&rollout.deployment.metadata) {
            return Ok(());
        }
        let mut is_created = false;
        let rollout = match rollout.new {
            Some(_) => rollout,
            None if rollout.spec.paused == Some(true) => {
                return self.deployment_status(key, &rollout).await;
            }
            None if rollout.is_recreate() && self.has_old_pods(key, &rollout) => {
                self.scale_old_to_zero(key, &rollout).await?;
                return self.deployment_status(key, &rollout).await;
            }
            None => {
                is_created = self.create_replica_set(key, &rollout).await?;
                let Some(again) = self.rollout(key) else {
                    return Ok(());
                };
                again
            }
        };
        if let Some(new) = rollout.new.clone() {
            self.adopt_revision(key, &rollout, &new).await?;
            self.scale(key, &rollout, &new).await?;
        }
        let Some(rollout) = self.rollout(key) else {
            return Ok(());
        };
        self.deployment_status(
            key,
            &Rollout {
                is_created,
                ..rollout
            },
        )
        .await?;
        let Some(rollout) = self.rollout(key) else {
            return Ok(());
        };
        self.drop_history(&rollout).await
    }

    pub(super) fn rollout(&self, key: &Key) -> Option<Rollout> {
        let cache = self.cache();
        let deployment = cache.deployments.get(key)?;
        let mut spec = deployment.spec.clone()?;
        if let Some(labels) = spec
            .template
            .metadata
            .as_mut()
            .and_then(|m| m.labels.as_mut())
        {
            labels.remove(HASH_LABEL);
        }
        let wanted_hash = hash(&spec.template);
        let sets = cache
            .replica_sets
            .owned_by(&key.namespace, &deployment.uid()?);
        drop(cache);
        let is_new = |rs: &Arc<ReplicaSet>| rs.labels().get(HASH_LABEL) == Some(&wanted_hash);
        let (new, mut old): (Vec<_>, Vec<_>) = sets.into_iter().partition(is_new);
        old.sort_by_key(|rs| rs.metadata.creation_timestamp.as_ref().map(|t| t.0));
        Some(Rollout {
            deployment,
            spec,
            new: new.into_iter().next(),
            old,
            is_created: false,
        })
    }

    fn has_old_pods(&self, key: &Key, rollout: &Rollout) -> bool {
        let cache = self.cache();
        let mut owned = rollout
            .old
            .iter()
            .filter_map(|rs| rs.uid())
            .flat_map(|uid| {
                let pods = cache.pods.owned_by(&key.namespace, &uid);
                pods.into_iter()
                    .filter(|pod| is_active(pod) || is_terminating(&pod.metadata))
            });
        owned.next().is_some()
    }

    async fn scale(
        &mut self,
        key: &Key,
        rollout: &Rollout,
        new: &ReplicaSet,
    ) -> Result<(), kube::Error> {
        if rollout.spec.paused == Some(true) {
            return Ok(());
        }
        let replicas = rollout.new_replicas(new);
        if replicas != wanted(new) {
            return self.scale_set(key, new, replicas).await;
        }
        if rollout.is_recreate() {
            return self.scale_old_to_zero(key, rollout).await;
        }
        for (rs, replicas) in rollout.old_cuts(new) {
            self.scale_set(key, &rs, replicas).await?;
        }
        Ok(())
    }

    async fn scale_old_to_zero(&mut self, key: &Key, rollout: &Rollout) -> Result<(), kube::Error> {
        for rs in rollout.old.iter().filter(|rs| wanted(rs) > 0) {
            self.scale_set(key, rs, 0).await?;
        }
        Ok(())
    }

    async fn scale_set(
        &mut self,
        key: &Key,
        rs: &ReplicaSet,
        replicas: i32,
    ) -> Result<(), kube::Error> {
        let mut next = rs.clone();
        if let Some(spec) = &mut next.spec {
            spec.replicas = Some(replicas);
        }
        let api: Api<ReplicaSet> = Api::namespaced(self.client.clone(), &key.namespace);
        let written = api
            .replace(&rs.name_any(), &PostParams::default(), &next)
            .await?;
        self.saw_own_replica_set(written);
        self.work.insert(Work::Deployment(key.clone()));
        Ok(())
    }

    /// Deletes the oldest empty sets beyond revisionHistoryLimit.
    async fn drop_history(&mut self, rollout: &Rollout) -> Result<(), kube::Error> {
        let limit = rollout
            .spec
            .revision_history_limit
            .unwrap_or(HISTORY_DEFAULT);
        let is_spent = |rs: &&Arc<ReplicaSet>| {
            wanted(rs) == 0
                && rs.status.as_ref().is_none_or(|s| s.replicas == 0)
                && !is_terminating(&rs.metadata)
        };
        let spent: Vec<_> = rollout.old.iter().filter(is_spent).collect();
        let surplus = spent
            .len()
            .saturating_sub(usize::try_from(limit).unwrap_or(0));
        for rs in spent.into_iter().take(surplus) {
            let key = Key::of(&rs.metadata);
            let api: Api<ReplicaSet> = Api::namespaced(self.client.clone(), &key.namespace);
            match api.delete(&key.name, &DeleteParams::background()).await {
                Ok(_) => self.cache().replica_sets.forget(&key, 0),
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
