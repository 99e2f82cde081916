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

/// How many pods are ready, at most.
pub(super) struct Pods {
    target: Target,
    ready: Mutex<Ready>,
}

struct Ready {
    canary: u32,
    primary: u32,
    /// The primary goes down when this image is not its own any more.
    breaks_after: Option<String>,
}

impl Pods {
    pub(super) fn of(target: Target) -> Self {
        let ready = Mutex::new(Ready {
            canary: u32::MAX,
            primary: u32::MAX,
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

    pub(super) fn set_canary(&self, count: u32) {
        self.ready.lock().unwrap().canary = count;
    }

    pub(super) fn set_primary(&self, count: u32) {
        let mut ready = self.ready.lock().unwrap();
        ready.primary = count;
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
            let wanted = json!([knative::ready(self.ready(name) > 0)]);
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
        all.sort_by_key(|deployment| self.ready(&deployment.name_any()));
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

    fn ready(&self, name: &str) -> u32 {
        let ready = self.ready.lock().unwrap();
        if name.ends_with("-primary") {
            ready.primary
        } else {
            ready.canary
        }
    }

    fn status(&self, name: &str, deployment: &Deployment) -> serde_json::Value {
        let is_other = |known: &String| image(deployment).is_some_and(|image| image != *known);
        let breaks_after = self.ready.lock().unwrap().breaks_after.clone();
        if name.ends_with("-primary") && breaks_after.is_some_and(|known| is_other(&known)) {
            self.set_primary(0);
        }
        let spec = deployment.spec.as_ref();
        let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
        let available = i64::from(wanted).min(self.ready(name).into());
        json!({"observedGeneration": deployment.metadata.generation, "replicas": wanted,
            "updatedReplicas": wanted, "readyReplicas": available, "availableReplicas": available})
    }
}

/// The image of a Deployment's first container.
pub(super) fn image(deployment: &Deployment) -> Option<String> {
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    pod.containers.first()?.image.clone()
}
