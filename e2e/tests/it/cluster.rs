//! Speaks to a cluster that somebody started: manifests in, states out.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use api::Canary;
use futures::TryStreamExt;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::runtime::watcher::watch_object;
use serde_json::Value;

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
    let (group, version) = field("/apiVersion")
        .rsplit_once('/')
        .unwrap_or(("", field("/apiVersion")));
    let gvk = GroupVersionKind::gvk(group, version, field("/kind"));
    let name = field("/metadata/name");
    let parameters = PatchParams::apply("e2e").force();
    let mut last = None;
    for _ in 0..100 {
        let applied = async {
            let (resource, _) = kube::discovery::pinned_kind(client, &gvk).await?;
            let api: Api<DynamicObject> = api_of(client, &resource, field("/metadata/namespace"));
            api.patch(name, &parameters, &Patch::Apply(object)).await
        };
        match applied.await {
            Ok(_) => return Ok(()),
            // A definition is served a moment after it was accepted.
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("{}/{name} was not applied: {last:?}", gvk.kind)
}

fn api_of(client: &Client, resource: &ApiResource, namespace: &str) -> Api<DynamicObject> {
    if namespace.is_empty() {
        Api::all_with(client.clone(), resource)
    } else {
        Api::namespaced_with(client.clone(), namespace, resource)
    }
}

/// Our definitions, the Gateway API's own, and the namespace of the test.
pub(crate) async fn prepare(client: &Client, namespace: &str) -> Result<()> {
    for crd in api::crd::all() {
        apply_object(client, &crd).await?;
    }
    let folder = std::env::var("E2E_GATEWAY_CRDS").context("E2E_GATEWAY_CRDS names no folder")?;
    for kind in [
        "gatewayclasses",
        "gateways",
        "httproutes",
        "referencegrants",
    ] {
        let path = format!("{folder}/gateway.networking.k8s.io_{kind}.yaml");
        apply(client, &std::fs::read_to_string(&path).context(path)?).await?;
    }
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
            let waiting = status
                .analysis
                .as_ref()
                .and_then(|a| a.waiting_on.clone())
                .unwrap_or_default();
            let phase = format!("{:?}", status.phase);
            let line = format!("{name}: {phase} {} % {waiting}", status.canary_weight);
            if line != last {
                println!("{line}");
                last = line;
            }
            if wanted.contains(&phase.as_str()) {
                return Ok(canary);
            }
        }
    });
    waited.await.with_context(|| {
        format!("{name} did not reach {wanted:?} within {limit:?}; last: {last}")
    })?
}

/// Reads an object as JSON.
pub(crate) async fn get(
    client: &Client,
    api_version: &str,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Result<Value> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let (resource, _) =
        kube::discovery::pinned_kind(client, &GroupVersionKind::gvk(group, version, kind)).await?;
    let object = api_of(client, &resource, namespace).get(name).await?;
    Ok(serde_json::to_value(object)?)
}
