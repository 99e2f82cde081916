//! Makes the ReplicaSet of a new template and numbers it: the annotation
//! `deployment.kubernetes.io/revision` on the set and on the Deployment, which
//! `kubectl rollout history` reads.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, ReplicaSetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, ResourceExt};

use super::{HASH_LABEL, Rollout, wanted};
use crate::cache::Key;
use crate::control::Control;
use crate::objects::{controlled_by, hash};

const REVISION: &str = "deployment.kubernetes.io/revision";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

fn revision(annotations: &BTreeMap<String, String>) -> i64 {
    annotations
        .get(REVISION)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

fn newest_old(rollout: &Rollout) -> i64 {
    rollout
        .old
        .iter()
        .map(|rs| revision(rs.annotations()))
        .max()
        .unwrap_or(0)
}

impl Control {
    /// Makes the set of the current template; tells whether it was new.
    pub(super) async fn create_replica_set(
        &mut self,
        key: &Key,
        rollout: &Rollout,
    ) -> Result<bool, kube::Error> {
        let rs = new_set(key, rollout);
        let api: Api<ReplicaSet> = Api::namespaced(self.client.clone(), &key.namespace);
        let (made, is_new) = match api.create(&PostParams::default(), &rs).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {
                (api.get(&rs.name_any()).await?, false)
            }
            answer => (answer?, true),
        };
        self.saw_own_replica_set(made);
        Ok(is_new)
    }

    /// Gives a set that became the newest (again) the next number, and the Deployment the same.
    pub(super) async fn adopt_revision(
        &mut self,
        key: &Key,
        rollout: &Rollout,
        new: &ReplicaSet,
    ) -> Result<(), kube::Error> {
        let number = revision(new.annotations()).max(newest_old(rollout) + 1);
        if revision(new.annotations()) != number {
            let mut next = new.clone();
            next.annotations_mut()
                .insert(REVISION.to_owned(), number.to_string());
            let api: Api<ReplicaSet> = Api::namespaced(self.client.clone(), &key.namespace);
            let written = api
                .replace(&new.name_any(), &PostParams::default(), &next)
                .await?;
            self.saw_own_replica_set(written);
        }
        if revision(rollout.deployment.annotations()) != number {
            let mut next = (*rollout.deployment).clone();
            next.annotations_mut()
                .insert(REVISION.to_owned(), number.to_string());
            let api: Api<Deployment> = Api::namespaced(self.client.clone(), &key.namespace);
            let written = api
                .replace(&key.name, &PostParams::default(), &next)
                .await?;
            self.saw_own_deployment(key, written);
        }
        Ok(())
    }
}

fn new_set(key: &Key, rollout: &Rollout) -> ReplicaSet {
    let spec = &rollout.spec;
    let name_hash = hash(&spec.template);
    let mut template = spec.template.clone();
    let mut labels = template
        .metadata
        .get_or_insert_default()
        .labels
        .clone()
        .unwrap_or_default();
    labels.insert(HASH_LABEL.to_owned(), name_hash.clone());
    template.metadata.get_or_insert_default().labels = Some(labels.clone());
    let mut selector = spec.selector.clone();
    selector
        .match_labels
        .get_or_insert_default()
        .insert(HASH_LABEL.to_owned(), name_hash.clone());
    let mut annotations = rollout.deployment.annotations().clone();
    annotations.remove(LAST_APPLIED);
    annotations.insert(REVISION.to_owned(), (newest_old(rollout) + 1).to_string());
    // A set that is recreated by hand starts within the surge, like one that is scaled.
    let pods: i32 = rollout.old.iter().map(|rs| wanted(rs)).sum();
    let room = rollout.replicas() + rollout.fences().0 - pods;
    let replicas = if rollout.is_recreate() {
        rollout.replicas()
    } else {
        room.clamp(0, rollout.replicas())
    };
    ReplicaSet {
        metadata: ObjectMeta {
            name: Some(format!("{}-{name_hash}", key.name)),
            namespace: Some(key.namespace.clone()),
            labels: Some(labels),
            annotations: Some(annotations),
            owner_references: Some(vec![controlled_by(rollout.deployment.as_ref())]),
            ..ObjectMeta::default()
        },
        spec: Some(ReplicaSetSpec {
            replicas: Some(replicas),
            min_ready_seconds: spec.min_ready_seconds,
            selector,
            template: Some(template),
        }),
        status: None,
    }
}
