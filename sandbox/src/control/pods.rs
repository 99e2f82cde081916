//! Makes and ends pods for their owners. Does not run them.

use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use rand::Rng;

use super::{Control, NODE, Work};
use crate::cache::Key;
use crate::objects::{letter, ready_condition};

const SUFFIX_LETTERS: usize = 5;

impl Control {
    pub(super) fn suffix(&mut self) -> String {
        (0..SUFFIX_LETTERS)
            .map(|_| letter(self.rng.random_range(0..27)))
            .collect()
    }

    /// Creates one pod of a template, already assigned to the one node.
    pub(super) async fn create_pod(
        &mut self,
        owner: &Key,
        reference: OwnerReference,
        template: &PodTemplateSpec,
    ) -> Result<(), kube::Error> {
        let meta = template.metadata.clone().unwrap_or_default();
        let mut spec = template.spec.clone().unwrap_or_default();
        spec.node_name = Some(NODE.to_owned());
        let pod = Pod {
            metadata: ObjectMeta {
                name: Some(format!("{}-{}", owner.name, self.suffix())),
                generate_name: Some(format!("{}-", owner.name)),
                namespace: Some(owner.namespace.clone()),
                owner_references: Some(vec![reference]),
                labels: meta.labels,
                annotations: meta.annotations,
                ..ObjectMeta::default()
            },
            spec: Some(spec),
            status: None,
        };
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &owner.namespace);
        let made = api.create(&PostParams::default(), &pod).await?;
        self.saw_own_pod(made);
        Ok(())
    }

    /// Asks for a pod's graceful end.
    pub(super) async fn delete_pod(
        &mut self,
        key: &Key,
        params: &DeleteParams,
    ) -> Result<(), kube::Error> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &key.namespace);
        match api.delete(&key.name, params).await {
            Ok(answer) => match answer
                .left()
                .filter(|_| params.grace_period_seconds != Some(0))
            {
                Some(pod) => self.saw_own_pod(pod),
                None => self.forget_pod(key),
            },
            Err(kube::Error::Api(status)) if status.code == 404 => self.forget_pod(key),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    pub(super) fn saw_own_pod(&mut self, pod: Pod) {
        let meta = pod.metadata.clone();
        if self.cache().pods.put(pod) {
            self.saw_pod(&meta);
        }
    }

    fn forget_pod(&mut self, key: &Key) {
        let known = self.cache().pods.get(key);
        self.cache().pods.forget(key, 0);
        if let Some(pod) = known {
            self.saw_pod(&pod.metadata);
        }
        self.work.insert(Work::Pod(key.clone()));
    }
}

/// Sorts so that the pods to end first stand first: not ready before ready, young before old.
pub(super) fn sort_for_deletion(pods: &mut [std::sync::Arc<Pod>]) {
    let rank = |pod: &Pod| {
        let created = pod
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|t| std::cmp::Reverse(t.0));
        (
            ready_condition(pod).is_some(),
            created,
            pod.metadata.name.clone(),
        )
    };
    pods.sort_by_key(|pod| rank(pod));
}
