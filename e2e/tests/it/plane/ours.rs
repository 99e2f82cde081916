//! Our own definitions, on the API server in the process: what adapters write is kept, what is misspelt is refused.

use anyhow::{Result, ensure};
use apiserver::ApiServer;
use kube::Client;
use serde_json::{Value, json};

use super::GOLDEN_NAMESPACE;
use super::strict::{faults, golden};
use crate::cluster::{apply, apply_object};
use crate::definitions::ours;

/// A mesh of ours whose schemas are closed, and the folder of its golden objects.
const CLOSED: [(&str, &str); 2] = [("appmesh", "appmesh-v1beta2"), ("gloo", "gloo")];
/// Fields of the user's own: their keys may be anything.
const LABELS: [&str; 2] = ["matchLabels", "selector"];

#[tokio::test]
async fn our_definitions_keep_every_golden_object() -> Result<()> {
    for (mesh, folder) in [CLOSED.as_slice(), &[("kuma", "kuma")]].concat() {
        let (_server, client) = define(mesh).await?;
        let objects = golden(folder)?;
        ensure!(!objects.is_empty(), "{folder} has no golden object");
        let faults = faults(&client, &objects).await;
        ensure!(faults.is_empty(), "{}", faults.join("\n"));
    }
    Ok(())
}

#[tokio::test]
async fn our_definitions_refuse_every_misspelt_field() -> Result<()> {
    for (mesh, folder) in CLOSED {
        let (_server, client) = define(mesh).await?;
        let mut misspelt = Vec::new();
        for (name, object) in golden(folder)? {
            let mut paths = Vec::new();
            fields(&object["spec"], "/spec", &mut paths);
            for path in paths {
                misspelt.push((format!("{name}{path}"), misspell(&object, &path)));
            }
        }
        for one in misspelt {
            let faults = faults(&client, std::slice::from_ref(&one)).await;
            ensure!(!faults.is_empty(), "{} can be misspelt", one.0);
        }
    }
    Ok(())
}

#[tokio::test]
async fn our_definitions_refuse_wrong_values() -> Result<()> {
    let [app_mesh, gloo] = CLOSED;
    let (http, multi) = (
        "/spec/routes/0/httpRoute",
        "/spec/routes/0/routeAction/multi",
    );
    for ((mesh, folder), path, value) in [
        (
            app_mesh,
            format!("{http}/action/weightedTargets/0/weight"),
            json!(101),
        ),
        (
            app_mesh,
            format!("{http}/retryPolicy/httpRetryEvents/0"),
            json!("5xx"),
        ),
        (
            app_mesh,
            format!("{http}/timeout/perRequest/unit"),
            json!("m"),
        ),
        (
            app_mesh,
            "/spec/listeners/0/portMapping/protocol".into(),
            json!("https"),
        ),
        (gloo, "/spec/kube/servicePort".into(), json!("http")),
        (gloo, format!("{multi}/destinations/0/weight"), json!(-1)),
    ] {
        let (_server, client) = define(mesh).await?;
        let mut wrong = golden(folder)?;
        wrong.retain_mut(|(_, object)| {
            let found = object.pointer_mut(&path);
            found.map(|found| *found = value.clone()).is_some()
        });
        ensure!(!wrong.is_empty(), "no golden object has {path}");
        let refused = faults(&client, &wrong).await.len();
        ensure!(refused == wrong.len(), "{path} may be {value}");
    }
    Ok(())
}

/// An API server that knows a mesh by our definitions alone.
async fn define(mesh: &str) -> Result<(ApiServer, Client)> {
    let server = ApiServer::new(apiserver::Options::default());
    let client = server.client(GOLDEN_NAMESPACE);
    for definition in ours(mesh)? {
        apply_object(&client, &definition).await?;
    }
    let namespace =
        format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {GOLDEN_NAMESPACE}}}}}");
    apply(&client, &namespace).await?;
    Ok((server, client))
}

/// Pointers to every field below a value.
fn fields(value: &Value, at: &str, paths: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let path = format!("{at}/{key}");
        if !LABELS.contains(&key.as_str()) {
            fields(value, &path, paths);
        }
        paths.push(path);
    }
    for (place, value) in value.as_array().into_iter().flatten().enumerate() {
        fields(value, &format!("{at}/{place}"), paths);
    }
}

/// The object with one field under another name.
fn misspell(object: &Value, path: &str) -> Value {
    let mut object = object.clone();
    let (parent, key) = path.rsplit_once('/').unwrap();
    let parent = object
        .pointer_mut(parent)
        .and_then(Value::as_object_mut)
        .unwrap();
    let value = parent.remove(key).unwrap();
    parent.insert(format!("{key}s"), value);
    object
}
