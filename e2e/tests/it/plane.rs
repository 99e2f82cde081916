//! The operator and its adapters against a real kube-apiserver, its controllers and the meshes' own definitions.
//!
//! The providers are a list, `plane/providers.rs`; what adapters write is held to the schemas in `plane/strict.rs`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::api::Canary;
use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use futures::future::join_all;
use kube::Client;
use kube::api::{Api, DeleteParams};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value;

use crate::cluster::{api, apply, client, get, prepare, wait_for_phase};
use crate::definitions::apply_definitions;
use crate::knative::Knative;
use crate::pods::Kubelet;
use crate::program::{Program, sluice};
use providers::{PROVIDERS, Provider, Split, Target};

mod ours;
mod providers;
mod strict;

const LIMIT: Duration = Duration::from_secs(120);
/// The namespace of golden objects.
const GOLDEN_NAMESPACE: &str = "test";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plane_every_provider_is_released_under_its_own_definitions() -> Result<()> {
    let Some(client) = client().await else {
        return Ok(());
    };
    define(&client).await?;
    let folder = tempfile::tempdir()?;
    let _kubelet = Kubelet::start(client.clone());
    let flags = ["operator", "-interval-min=1s", "-port=0", "-log-level=info"];
    let _operator = Program::start("operator", folder.path(), &sluice(), &flags);
    let released = PROVIDERS.iter().map(|provider| {
        let client = client.clone();
        async move {
            let done = release(&client, provider).await;
            done.with_context(|| format!("provider {}", provider.name))
        }
    });
    let failed: Vec<_> = join_all(released)
        .await
        .into_iter()
        .filter_map(Result::err)
        .collect();
    // A panic shows what the operator said.
    assert!(
        failed.is_empty(),
        "{} of {} failed: {failed:#?}",
        failed.len(),
        PROVIDERS.len()
    );
    Ok(())
}

#[tokio::test]
async fn plane_every_golden_object_is_kept_whole_by_a_strict_api_server() -> Result<()> {
    let Some(client) = client().await else {
        return Ok(());
    };
    define(&client).await?;
    prepare(&client, GOLDEN_NAMESPACE).await?;
    let mut faults = Vec::new();
    let mut count = 0;
    for provider in &PROVIDERS {
        let objects = strict::golden(provider.golden)?;
        count += objects.len();
        faults.extend(strict::faults(&client, &objects).await);
    }
    println!("{count} golden objects, {} faults", faults.len());
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// The definitions of all providers.
async fn define(client: &Client) -> Result<()> {
    let all: BTreeSet<_> = PROVIDERS
        .iter()
        .flat_map(|provider| provider.definitions)
        .collect();
    for mesh in all {
        apply_definitions(client, mesh)
            .await
            .with_context(|| format!("definitions of {mesh}"))?;
    }
    Ok(())
}

/// A first and a second version; the weights are those that an observer saw.
async fn release(client: &Client, provider: &Provider) -> Result<()> {
    let namespace = provider.namespace();
    prepare(client, &namespace).await?;
    let is_knative = provider.target == Target::KnativeService;
    let _knative = is_knative.then(|| Knative::start(client.clone(), namespace.clone(), true));
    apply(client, &provider.entrance.replace("NAMESPACE", &namespace)).await?;
    apply(client, &target(provider, "1.0.0")).await?;
    apply(client, &canary(provider)).await?;
    wait_for_phase(client, &namespace, "podinfo", &["Initialized"], LIMIT).await?;

    let weights = match (provider.split, provider.made().next()) {
        (Some(split), Some(made)) => Some(Weights::observe(client, &namespace, made, split).await?),
        (Some(_) | None, Some(_) | None) => None,
    };
    apply(client, &target(provider, "2.0.0")).await?;
    let ends = ["Succeeded", "Failed"];
    let canary = wait_for_phase(client, &namespace, "podinfo", &ends, LIMIT).await?;
    let status = canary.status.unwrap_or_default();
    ensure!(format!("{:?}", status.phase) == "Succeeded", "{status:?}");
    ensure!(
        promoted(client, provider).await?,
        "the primary has not the second version"
    );
    if let Some(weights) = weights {
        weights.wait_for(&[0, 50, 100, 0]).await?;
    }
    let faults = strict::faults(client, &made(client, provider).await?).await;
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    // The operators of other tests, which may do less, are not to see it.
    let canaries: Api<Canary> = Api::namespaced(client.clone(), &namespace);
    canaries.delete("podinfo", &DeleteParams::default()).await?;
    Ok(())
}

/// True when the primary is the second version.
async fn promoted(client: &Client, provider: &Provider) -> Result<bool> {
    let namespace = provider.namespace();
    match provider.target {
        Target::Deployment => {
            let primary = get(
                client,
                "apps/v1",
                "Deployment",
                &namespace,
                "podinfo-primary",
            )
            .await?;
            let containers = &primary["spec"]["template"]["spec"]["containers"];
            Ok(containers[0]["image"] == "example.test/podinfo:2.0.0")
        }
        Target::KnativeService => {
            let service = get(
                client,
                "serving.knative.dev/v1",
                "Service",
                &namespace,
                "podinfo",
            )
            .await?;
            Ok(
                service["metadata"]["annotations"]["flagger.app/primary-revision"]
                    == "podinfo-00002",
            )
        }
    }
}

/// What the operator made, less what the API server adds.
async fn made(client: &Client, provider: &Provider) -> Result<Vec<(String, Value)>> {
    let mut all = Vec::new();
    for [api_version, kind, name] in provider.made() {
        let found = get(client, &api_version, &kind, &provider.namespace(), &name).await;
        let mut object = found.with_context(|| format!("{kind} {name}"))?;
        object.as_object_mut().unwrap().remove("status");
        for added in [
            "managedFields",
            "resourceVersion",
            "uid",
            "creationTimestamp",
            "generation",
        ] {
            object["metadata"].as_object_mut().unwrap().remove(added);
        }
        all.push((format!("{kind} {name}"), object));
    }
    Ok(all)
}

fn target(provider: &Provider, version: &str) -> String {
    let namespace = provider.namespace();
    let containers = format!(
        "[{{name: podinfo, image: 'example.test/podinfo:{version}', ports: [{{containerPort: 9898}}]}}]"
    );
    match provider.target {
        Target::Deployment => format!(
            "\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: podinfo, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: podinfo}}}}
  template: {{metadata: {{labels: {{app: podinfo}}}}, spec: {{containers: {containers}}}}}
"
        ),
        Target::KnativeService => format!(
            "\
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {{name: podinfo, namespace: {namespace}}}
spec: {{template: {{spec: {{containers: {containers}}}}}}}
"
        ),
    }
}

fn canary(provider: &Provider) -> String {
    let Provider {
        name,
        service,
        spec,
        ..
    } = provider;
    let (target, service) = match provider.target {
        Target::Deployment => (
            "{apiVersion: apps/v1, kind: Deployment, name: podinfo}",
            format!("service: {{port: 80, targetPort: 9898{service}}}"),
        ),
        Target::KnativeService => (
            "{apiVersion: serving.knative.dev/v1, kind: Service, name: podinfo}",
            String::new(),
        ),
    };
    let steps = if provider.split.is_some() {
        "stepWeight: 50, maxWeight: 100"
    } else {
        "iterations: 2"
    };
    format!(
        "\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {{name: podinfo, namespace: {}}}
spec:
  provider: {name}
  targetRef: {target}
  {service}
  {spec}
  analysis: {{interval: 1s, threshold: 2, {steps}}}
",
        provider.namespace()
    )
}

/// Every weight of the canary that was ever seen, in order, without repeats.
#[derive(Clone, Default)]
struct Weights(Arc<Mutex<Vec<i64>>>);

impl Weights {
    async fn observe(
        client: &Client,
        namespace: &str,
        [api_version, kind, name]: [String; 3],
        split: Split,
    ) -> Result<Self> {
        let api = api(client, &api_version, &kind, namespace).await?;
        let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let seen = Self::default();
        let all = seen.clone();
        tokio::spawn(async move {
            let mut states = Box::pin(watcher(api, only).applied_objects());
            while let Ok(Some(route)) = states.try_next().await {
                let route = serde_json::to_value(route).unwrap_or_default();
                if let Some((primary, canary)) = split(&route) {
                    assert_eq!(primary + canary, 100, "{route}");
                    all.add(canary);
                }
            }
        });
        Ok(seen)
    }

    fn add(&self, canary: i64) {
        let mut all = self.0.lock().unwrap();
        if all.last() != Some(&canary) {
            all.push(canary);
        }
    }

    /// The watch may be a moment behind the status.
    async fn wait_for(&self, wanted: &[i64]) -> Result<()> {
        for _ in 0..50 {
            if *self.0.lock().unwrap() == wanted {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let seen = self.0.lock().unwrap().clone();
        ensure!(seen == wanted, "weights {seen:?}, not {wanted:?}");
        Ok(())
    }
}
