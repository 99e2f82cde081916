//! Holds what adapters write to the meshes' own schemas, by strict dry runs: what was sent must be what was kept.

use std::path::Path;

use anyhow::{Context, Result};
use kube::Client;
use kube::api::{DynamicObject, Patch, PatchParams, ValidationDirective};
use serde_json::Value;

use crate::cluster::api;

const TESTDATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../mesh-adapters/testdata");

/// What the API server would refuse, prune or change of these objects: a line each.
pub(super) async fn faults(client: &Client, objects: &[(String, Value)]) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, object) in objects {
        match kept(client, object).await {
            Ok(kept) => {
                let mut lost = Vec::new();
                compare(object, &kept, "", &mut lost);
                faults.extend(lost.iter().map(|lost| format!("{name}: {lost}")));
            }
            Err(error) => faults.push(format!("{name}: {error:#}")),
        }
    }
    faults
}

/// The objects that an adapter is known to write: its golden files.
pub(super) fn golden(folder: &str) -> Result<Vec<(String, Value)>> {
    let mut all = Vec::new();
    for file in std::fs::read_dir(Path::new(TESTDATA).join(folder))? {
        let path = file?.path();
        let text = std::fs::read_to_string(&path)?;
        let documents = goyaml::parse_json(&text, &goyaml::Limits::default())
            .with_context(|| format!("{}", path.display()))?;
        let is_object =
            |one: &Value| one.get("apiVersion").is_some() && one.get("metadata").is_some();
        for object in documents.into_iter().filter(is_object) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            all.push((format!("{folder}/{name}: {}", object["kind"]), object));
        }
    }
    Ok(all)
}

/// The object as a strict dry run would keep it.
async fn kept(client: &Client, object: &Value) -> Result<Value> {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let mut parameters = PatchParams::apply("strict").force().dry_run();
    parameters.field_validation = Some(ValidationDirective::Strict);
    let (kind, namespace) = (text("/kind"), text("/metadata/namespace"));
    let api = api(client, text("/apiVersion"), kind, namespace).await?;
    let kept: DynamicObject = api
        .patch(text("/metadata/name"), &parameters, &Patch::Apply(object))
        .await?;
    Ok(serde_json::to_value(kept)?)
}

/// Where `kept` lacks, or has otherwise, what was sent. More than was sent are defaults.
fn compare(sent: &Value, kept: &Value, at: &str, lost: &mut Vec<String>) {
    match (sent, kept) {
        (Value::Object(sent), Value::Object(kept)) => {
            for (key, value) in sent {
                let at = format!("{at}.{key}");
                compare(value, kept.get(key).unwrap_or(&Value::Null), &at, lost);
            }
        }
        (Value::Array(sent), Value::Array(kept)) if sent.len() == kept.len() => {
            for (place, (sent, kept)) in sent.iter().zip(kept).enumerate() {
                compare(sent, kept, &format!("{at}[{place}]"), lost);
            }
        }
        (sent, kept) if sent == kept => {}
        (sent, kept) => lost.push(format!("{at} was sent as {sent} and kept as {kept}")),
    }
}
