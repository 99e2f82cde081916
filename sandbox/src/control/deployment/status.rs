//! Writes a Deployment's status as kube-controller-manager does: the counts,
//! and the conditions Available and Progressing with their reasons
//! (kubernetes/pkg/controller/deployment/{progress,sync}.go). Scales nothing.

use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::PostParams;
use kube::{Api, ResourceExt};

use super::{Rollout, available, wanted};
use crate::cache::Key;
use crate::clock::Clock;
use crate::control::{Control, Work};

/// Kubernetes' default for spec.progressDeadlineSeconds.
const DEADLINE_DEFAULT_S: i32 = 600;
const AVAILABLE: &str = "Available";
const PROGRESSING: &str = "Progressing";
const COMPLETE: &str = "NewReplicaSetAvailable";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";

impl Control {
    pub(super) async fn deployment_status(
        &mut self,
        key: &Key,
        rollout: &Rollout,
    ) -> Result<(), kube::Error> {
        let status = next_status(&self.clock, rollout);
        if let Some(after) = until_deadline(&self.clock, rollout, &status) {
            self.wake(after, Work::Deployment(key.clone()));
        }
        if rollout.deployment.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let mut next = (*rollout.deployment).clone();
        next.status = Some(status);
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), &key.namespace);
        let written = api
            .replace_status(&key.name, &PostParams::default(), &next)
            .await?;
        self.saw_own_deployment(key, written);
        Ok(())
    }

    pub(super) fn saw_own_deployment(&mut self, key: &Key, deployment: Deployment) {
        if self.cache().deployments.put(deployment) {
            self.work.insert(Work::Deployment(key.clone()));
        }
    }
}

fn counts(rollout: &Rollout) -> DeploymentStatus {
    let sum = |of: fn(&ReplicaSet) -> i32| rollout.all().map(|rs| of(rs)).sum::<i32>();
    let replicas = |rs: &ReplicaSet| rs.status.as_ref().map_or(0, |s| s.replicas);
    let ready = |rs: &ReplicaSet| {
        rs.status
            .as_ref()
            .and_then(|s| s.ready_replicas)
            .unwrap_or(0)
    };
    let some = |n: i32| (n > 0).then_some(n);
    DeploymentStatus {
        observed_generation: rollout.deployment.metadata.generation,
        replicas: some(sum(replicas)),
        updated_replicas: some(rollout.new.as_ref().map_or(0, |rs| replicas(rs))),
        ready_replicas: some(sum(ready)),
        available_replicas: some(sum(available)),
        unavailable_replicas: some(sum(wanted) - sum(available)),
        ..rollout.deployment.status.clone().unwrap_or_default()
    }
}

fn next_status(clock: &Clock, rollout: &Rollout) -> DeploymentStatus {
    let mut status = counts(rollout);
    let floor = rollout.replicas() - rollout.max_unavailable();
    let (is_available, reason, message) = if status.available_replicas.unwrap_or(0) >= floor {
        (
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        )
    } else {
        (
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    };
    set(
        &mut status,
        condition(clock, AVAILABLE, is_available, reason, message.to_owned()),
    );
    progress(clock, rollout, &mut status);
    status
}

/// The Progressing condition: created, moving, complete or timed out.
fn progress(clock: &Clock, rollout: &Rollout, status: &mut DeploymentStatus) {
    let before = rollout.deployment.status.clone().unwrap_or_default();
    let current = find(&before, PROGRESSING).cloned();
    let subject = rollout.new.as_ref().map_or_else(
        || format!("Deployment {:?}", rollout.deployment.name_any()),
        |rs| format!("ReplicaSet {:?}", rs.name_any()),
    );
    let told = |status: &str, reason: &str, text: String| {
        condition(clock, PROGRESSING, status, reason, text)
    };
    let new_name = rollout.new.as_ref().map(|rs| rs.name_any());
    if let (Some(name), true) = (&new_name, rollout.is_created) {
        let text = format!("Created new replica set {name:?}");
        return replace(status, told("True", "NewReplicaSetCreated", text));
    }
    let (old_all, new_all) = (before.replicas.unwrap_or(0), status.replicas.unwrap_or(0));
    let (old_updated, updated) = (
        before.updated_replicas.unwrap_or(0),
        status.updated_replicas.unwrap_or(0),
    );
    let is_settled = current
        .as_ref()
        .is_some_and(|c| c.reason.as_deref() == Some(COMPLETE))
        && new_all == updated;
    if is_settled {
        return;
    }
    let wanted = rollout.replicas();
    let is_complete =
        updated == wanted && new_all == wanted && status.available_replicas.unwrap_or(0) == wanted;
    let has_moved = updated > old_updated
        || new_all - updated < old_all - old_updated
        || status.ready_replicas > before.ready_replicas
        || status.available_replicas > before.available_replicas;
    if is_complete {
        set(
            status,
            told(
                "True",
                COMPLETE,
                format!("{subject} has successfully progressed."),
            ),
        );
    } else if has_moved {
        let mut moved = told(
            "True",
            "ReplicaSetUpdated",
            format!("{subject} is progressing."),
        );
        if let Some(current) = current.filter(|c| c.status == "True") {
            moved.last_transition_time = current.last_transition_time;
        }
        replace(status, moved);
    } else if has_timed_out(clock, rollout, current.as_ref()) {
        set(
            status,
            told(
                "False",
                TIMED_OUT,
                format!("{subject} has timed out progressing."),
            ),
        );
    }
}

fn deadline(rollout: &Rollout) -> Duration {
    let seconds = rollout
        .spec
        .progress_deadline_seconds
        .unwrap_or(DEADLINE_DEFAULT_S);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

fn has_timed_out(clock: &Clock, rollout: &Rollout, current: Option<&DeploymentCondition>) -> bool {
    current.is_some_and(|c| match c.reason.as_deref() {
        Some(COMPLETE) => false,
        Some(TIMED_OUT) => true,
        Some(_) | None => c
            .last_update_time
            .as_ref()
            .is_some_and(|at| clock.since(at) > deadline(rollout)),
    })
}

/// How long to wait before the deadline can have passed.
fn until_deadline(clock: &Clock, rollout: &Rollout, status: &DeploymentStatus) -> Option<Duration> {
    let current = find(status, PROGRESSING)?;
    if matches!(current.reason.as_deref(), Some(COMPLETE | TIMED_OUT)) {
        return None;
    }
    let passed = clock.since(current.last_update_time.as_ref()?);
    // Times are whole seconds, so one more is waited for.
    Some(deadline(rollout).saturating_sub(passed) + Duration::from_secs(1))
}

fn condition(
    clock: &Clock,
    type_: &str,
    status: &str,
    reason: &str,
    message: String,
) -> DeploymentCondition {
    let now: Time = clock.stamp();
    DeploymentCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_update_time: Some(now.clone()),
        last_transition_time: Some(now),
    }
}

fn find<'a>(status: &'a DeploymentStatus, type_: &str) -> Option<&'a DeploymentCondition> {
    status
        .conditions
        .iter()
        .flatten()
        .find(|c| c.type_ == type_)
}

/// Sets a condition; one with the same status and reason stays as it was.
fn set(status: &mut DeploymentStatus, mut next: DeploymentCondition) {
    if let Some(current) = find(status, &next.type_) {
        if current.status == next.status && current.reason == next.reason {
            return;
        }
        if current.status == next.status {
            next.last_transition_time
                .clone_from(&current.last_transition_time);
        }
    }
    replace(status, next);
}

fn replace(status: &mut DeploymentStatus, next: DeploymentCondition) {
    let conditions = status.conditions.get_or_insert_default();
    conditions.retain(|c| c.type_ != next.type_);
    conditions.push(next);
}
