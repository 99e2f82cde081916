//! What the words of a script do to the cluster.

use anyhow::{Context, Result, bail};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::answers::Answer;
use super::pods::image;
use super::stage::{NAMESPACE, Stage};
use super::target::{Target, deployment};
use crate::cluster::apply_object;

/// `up`, `down`, or how many pods of it are ready.
fn ready(count: &str) -> u32 {
    match count {
        "up" => u32::MAX,
        "down" => 0,
        number => number.parse().unwrap(),
    }
}

impl Stage {
    /// Takes a word that changes only what is answered, or what pods are about to do; false for others.
    pub(super) fn answer(&self, word: &str) -> bool {
        let Some((key, value)) = word.split_once('=') else {
            return false;
        };
        match (key, value) {
            ("canary", count) => self.pods.set_canary(ready(count)),
            ("primary", "breaks" | "gone") => return false,
            ("primary", count) => self.pods.set_primary(ready(count)),
            ("target" | "routes" | "suspend" | "skip" | "config", _) => return false,
            (gate, "closed") => self.answers.close(gate),
            (gate, "open") => self.answers.open(gate),
            (metric, "none") => self.answers.measure(metric, Answer::Nothing),
            (metric, "error") => self.answers.measure(metric, Answer::Away),
            (metric, value) => {
                let value = value.parse().unwrap();
                self.answers.measure(metric, Answer::Value(value));
            }
        }
        true
    }

    /// Does what a word says.
    pub(super) async fn happen(&self, word: &str) -> Result<()> {
        match word.split_once('=').unwrap_or((word, "")) {
            ("primary", "breaks") => {
                let found = self.deployments().get("podinfo-primary").await?;
                self.pods.break_primary(image(&found).context("an image")?);
            }
            ("primary", "gone") => self.delete_deployment("podinfo-primary").await?,
            ("target", "gone") => self.delete_deployment("podinfo").await?,
            ("target", "fault") => {
                let configs: Api<ConfigMap> = Api::namespaced(self.client.clone(), NAMESPACE);
                configs.delete("a", &DeleteParams::default()).await?;
            }
            ("target", "ok") => self.configure("a").await?,
            ("config", checksum) => self.configure(checksum).await?,
            ("routes", "broken") => {
                self.routes()
                    .delete("podinfo", &DeleteParams::default())
                    .await?;
            }
            ("routes", weight) => self.route_by_hand(weight.parse()?).await?,
            ("suspend", on) => self.set_spec("suspend", on == "on").await?,
            ("skip", on) => self.set_spec("skipAnalysis", on == "on").await?,
            ("delete", _) => {
                self.canaries()
                    .delete("podinfo", &DeleteParams::default())
                    .await?;
            }
            (version, "") => self.release(version).await?,
            _ => bail!("no such word"),
        }
        Ok(())
    }

    fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    async fn delete_deployment(&self, name: &str) -> Result<()> {
        self.deployments()
            .delete(name, &DeleteParams::default())
            .await?;
        Ok(())
    }

    async fn release(&self, version: &str) -> Result<()> {
        let found = match self.target {
            Target::Deployment => self.deployments().get_opt("podinfo").await?,
            // What others wrote there stays.
            Target::Service | Target::Knative => None,
        };
        let Some(found) = found else {
            return apply_object(&self.client, &self.target.object(version, 2)).await;
        };
        let replicas = found.spec.and_then(|spec| spec.replicas).unwrap_or(0);
        let replicas = u32::try_from(replicas)?;
        let template = deployment("podinfo", version, replicas)["spec"]["template"].take();
        let patch = Patch::Strategic(json!({"spec": {"template": template}}));
        self.deployments()
            .patch("podinfo", &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    async fn set_spec(&self, field: &str, value: bool) -> Result<()> {
        let patch = Patch::Merge(json!({"spec": {field: value}}));
        self.canaries()
            .patch("podinfo", &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    async fn route_by_hand(&self, canary: i64) -> Result<()> {
        let mut found = self.routes().get("podinfo").await?;
        let routes = found
            .data
            .pointer_mut("/spec/http/0/route")
            .and_then(|it| it.as_array_mut());
        for route in routes.context("no routes")? {
            let is_canary = route["destination"]["host"] == "podinfo-canary";
            route["weight"] = json!(if is_canary { canary } else { 100 - canary });
        }
        self.routes()
            .replace("podinfo", &Default::default(), &found)
            .await?;
        Ok(())
    }
}
