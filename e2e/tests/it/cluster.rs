//! Speaks to a cluster that somebody started: manifests in, states out.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use api::Canary;
use api::canary::CanaryStatus;
use futures::TryStreamExt;
use kube::Client;
use kube::api::{Api, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::discovery::Scope;
use kube::runtime::watcher::watch_object;
use serde_json::Value;

use crate::definitions::apply_definitions;

/// A client, if the test was started beside a cluster (`cargo x plane`, `cargo x e2e`).
pub(crate) async fn client() -> Option<Client> {
    std::env::var_os("E2E_CLUSTER")?;
    Some(
        Client::try_default()
            .await
            .expect("KUBECONFIG must lead to the cluster"),
    )
}

/// Applies a multi-document text; definitions that need a moment are waited for.
pub(crate) async fn apply(client: &Client, text: &str) -> Result<()> {
    for object in goyaml::parse_json(text, &goyaml::Limits::default())? {
        apply_object(client, &object).await?;
    }
    Ok(())
}

pub(crate) async fn apply_object(client: &Client, object: &Value) -> Result<()> {
    let field = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (kind, name) = (field("/kind"), field("/metadata/name"));
    let parameters = PatchParams::apply("e2e").force();
    let mut last = None;
    for _ in 0..100 {
        let applied = async {
            let namespace = field("/metadata/namespace");
            let api = api(client, field("/apiVersion"), kind, namespace).await?;
            api.patch(name, &parameters, &Patch::Apply(object)).await
        };
        match applied.await {
            Ok(_) => return Ok(()),
            // A definition is served a moment after it was accepted.
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("{kind}/{name} was not applied: {last:?}")
}

/// The objects of a kind; those of the whole cluster if its kind has no namespaces.
pub(crate) async fn api(
    client: &Client,
    api_version: &str,
    kind: &str,
    namespace: &str,
) -> kube::Result<Api<DynamicObject>> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let gvk = GroupVersionKind::gvk(group, version, kind);
    let (resource, capabilities) = kube::discovery::pinned_kind(client, &gvk).await?;
    Ok(match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => Api::namespaced_with(client.clone(), namespace, &resource),
    })
}

/// Our definitions, the Gateway API's own, and the namespace of the test.
pub(crate) async fn prepare(client: &Client, namespace: &str) -> Result<()> {
    for crd in api::crd::all() {
        apply_object(client, &crd).await?;
    }
    apply_definitions(client, "gateway-api").await?;
    apply(
        client,
        &format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}"),
    )
    .await
}

/// Waits until the Canary's phase is one of these; shows every change.
pub(crate) async fn wait_for_phase(
    client: &Client,
    namespace: &str,
    name: &str,
    wanted: &[&str],
    limit: Duration,
) -> Result<Canary> {
    let is_there = |status: &CanaryStatus| wanted.contains(&format!("{:?}", status.phase).as_str());
    let reached = wait_for(client, namespace, name, limit, is_there).await;
    reached.with_context(|| format!("{name} did not reach {wanted:?}"))
}

/// Waits until the Canary's status is as wanted; shows every change.
pub(crate) async fn wait_for(
    client: &Client,
    namespace: &str,
    name: &str,
    limit: Duration,
    is_there: impl Fn(&CanaryStatus) -> bool,
) -> Result<Canary> {
    let canaries: Api<Canary> = Api::namespaced(client.clone(), namespace);
    let mut states = Box::pin(watch_object(canaries, name));
    let mut last = String::new();
    let waited = tokio::time::timeout(limit, async {
        loop {
            let Ok(seen) = states.try_next().await else {
                continue;
            };
            let Some(canary) = seen.context("the watch ended")? else {
                continue;
            };
            let status = canary.status.clone().unwrap_or_default();
            let line = format!("{namespace}/{name}: {}", shown(&status));
            if line != last {
                println!("{line}");
                last = line;
            }
            if is_there(&status) {
                return Ok(canary);
            }
        }
    });
    let done = waited.await;
    done.with_context(|| format!("waited for {limit:?}; last: {last}"))?
}

fn shown(status: &CanaryStatus) -> String {
    let analysis = status.analysis.as_ref();
    let waiting = analysis.and_then(|a| a.waiting_on.clone());
    let (phase, weight) = (&status.phase, status.canary_weight);
    format!("{phase:?} {weight} % {}", waiting.unwrap_or_default())
}

/// Reads an object as JSON.
pub(crate) async fn get(
    client: &Client,
    api_version: &str,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Result<Value> {
    let api = api(client, api_version, kind, namespace).await?;
    Ok(serde_json::to_value(api.get(name).await?)?)
}
