//! Manifests of every shape that Flagger's users have: our definitions take them strictly, and the core takes them too.
//!
//! The same is asked of the API server in the process and, beside a cluster, of a real one.

use anyhow::{Context, Result, ensure};
use kube::Client;
use rollout::{Defaults, ValidSpec};
use serde_json::Value;

use crate::cluster::{apply, apply_object, client};

const ACCEPTED: &str = include_str!("../../shapes/accepted.yaml");
const REFUSED: &str = include_str!("../../shapes/refused.yaml");
const NAMESPACE: &str = "shapes";

#[tokio::test]
async fn shapes_in_the_process() -> Result<()> {
    let server = apiserver::ApiServer::new(apiserver::Options::default());
    try_all(&server.client(NAMESPACE)).await
}

#[tokio::test]
async fn plane_shapes() -> Result<()> {
    match client().await {
        Some(real) => try_all(&real).await,
        None => Ok(()),
    }
}

async fn try_all(client: &Client) -> Result<()> {
    for definition in api::crd::all() {
        apply_object(client, &definition).await?;
    }
    let namespace = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}");
    apply(client, &namespace).await?;
    for object in goyaml::parse_json(ACCEPTED, &goyaml::Limits::default())? {
        let name = object["metadata"]["name"].to_string();
        let stored = try_strictly(client, &object)
            .await
            .with_context(|| name.clone())?;
        if object["kind"] == "Canary" {
            let canary = api::decode::decode(stored).with_context(|| name.clone())?;
            ValidSpec::validate(&canary, &Defaults::default()).with_context(|| name)?;
        }
    }
    for object in goyaml::parse_json(REFUSED, &goyaml::Limits::default())? {
        let name = &object["metadata"]["name"];
        let why = object["metadata"]["annotations"]["refused"]
            .as_str()
            .context("why not")?;
        let Err(refused) = try_strictly(client, &object).await else {
            anyhow::bail!("{name} was taken");
        };
        ensure!(
            refused.to_string().contains(why),
            "{name}: {refused}, not {why}"
        );
    }
    Ok(())
}

/// Creates an object as a dry run; unknown fields are refused.
async fn try_strictly(client: &Client, object: &Value) -> Result<Value> {
    let kind = object["kind"].as_str().context("a kind")?.to_lowercase();
    let plural = if kind == "canary" {
        "canaries".to_owned()
    } else {
        format!("{kind}s")
    };
    let path = format!(
        "/apis/flagger.app/v1beta1/namespaces/{NAMESPACE}/{plural}?dryRun=All&fieldValidation=Strict"
    );
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .body(object.to_string().into_bytes())?;
    Ok(client.request(request).await?)
}
