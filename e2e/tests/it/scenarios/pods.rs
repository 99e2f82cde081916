//! Deployments and revisions whose pods are there at once, ready or not as a script says.

use std::sync::Mutex;

use anyhow::Result;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::stage::NAMESPACE;
use super::target::Target;
use crate::knative;

/// Which pods are ready.
pub(super) struct Pods {
    target: Target,
    ready: Mutex<Ready>,
}

struct Ready {
    is_canary_up: bool,
    is_primary_up: bool,
    /// The primary goes down when this image is not its own any more.
    breaks_after: Option<String>,
}

impl Pods {
    pub(super) fn of(target: Target) -> Self {
        let ready = Mutex::new(Ready {
            is_canary_up: true,
            is_primary_up: true,
            breaks_after: None,
        });
        Self { target, ready }
    }

    /// The kind whose changes are followed.
    pub(super) fn followed(&self) -> ApiResource {
        match self.target {
            Target::Deployment | Target::Service => ApiResource::erase::<Deployment>(&()),
            Target::Knative => knative::resource("Revision"),
        }
    }

    pub(super) fn set_canary(&self, is_up: bool) {
        self.ready.lock().unwrap().is_canary_up = is_up;
    }

    pub(super) fn set_primary(&self, is_up: bool) {
        let mut ready = self.ready.lock().unwrap();
        ready.is_primary_up = is_up;
        ready.breaks_after = None;
    }

    pub(super) fn break_primary(&self, image: String) {
        self.ready.lock().unwrap().breaks_after = Some(image);
    }

    /// Writes every status that is not as it should be.
    pub(super) async fn follow(&self, client: &Client) -> Result<()> {
        match self.target {
            Target::Deployment => self.follow_deployments(client).await,
            Target::Service => Ok(()),
            Target::Knative => self.follow_revisions(client).await,
        }
    }

    /// The latest revision is the canary's; all others are the primary's.
    async fn follow_revisions(&self, client: &Client) -> Result<()> {
        let revisions: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), NAMESPACE, &self.followed());
        let mut all = revisions.list(&ListParams::default()).await?.items;
        let latest = all.pop();
        let primaries = all
            .into_iter()
            .map(|revision| (revision, "podinfo-primary"));
        for (revision, name) in primaries.chain(latest.map(|latest| (latest, "podinfo"))) {
            let wanted = json!([knative::ready(self.is_up(name))]);
            if revision.data["status"]["conditions"] != wanted {
                let patch = Patch::Merge(json!({"status": {"conditions": wanted}}));
                revisions
                    .patch_status(&revision.name_any(), &PatchParams::default(), &patch)
                    .await?;
            }
        }
        Ok(())
    }

    async fn follow_deployments(&self, client: &Client) -> Result<()> {
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
        let mut all = deployments.list(&ListParams::default()).await?.items;
        // Pods that go away go before others come: nobody sees both up.
        all.sort_by_key(|deployment| self.is_up(&deployment.name_any()));
        for deployment in all {
            let name = deployment.name_any();
            let status = self.status(&name, &deployment);
            let seen = serde_json::to_value(&deployment.status)?;
            let is_there = |(key, value): (&String, &serde_json::Value)| seen[key] == *value;
            if status.as_object().into_iter().flatten().all(is_there) {
                continue;
            }
            let patch = Patch::Merge(json!({"status": status}));
            deployments
                .patch_status(&name, &PatchParams::default(), &patch)
                .await?;
        }
        Ok(())
    }

    fn is_up(&self, name: &str) -> bool {
        let ready = self.ready.lock().unwrap();
        if name.ends_with("-primary") {
            ready.is_primary_up
        } else {
            ready.is_canary_up
        }
    }

    fn status(&self, name: &str, deployment: &Deployment) -> serde_json::Value {
        let is_other = |known: &String| image(deployment).is_some_and(|image| image != *known);
        let breaks_after = self.ready.lock().unwrap().breaks_after.clone();
        if name.ends_with("-primary") && breaks_after.is_some_and(|known| is_other(&known)) {
            self.set_primary(false);
        }
        let spec = deployment.spec.as_ref();
        let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
        let available = if self.is_up(name) { wanted } else { 0 };
        json!({"observedGeneration": deployment.metadata.generation, "replicas": wanted,
            "updatedReplicas": wanted, "readyReplicas": available, "availableReplicas": available})
    }
}

/// The image of a Deployment's first container.
pub(super) fn image(deployment: &Deployment) -> Option<String> {
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    pod.containers.first()?.image.clone()
}
