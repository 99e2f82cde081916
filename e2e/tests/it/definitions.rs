//! Definitions of the meshes' kinds: their own, which the setup took out of Go modules, and ours where there is none.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use kube::Client;
use serde_json::{Map, Value, json};

use crate::cluster::apply_object;

/// Definitions of meshes whose Go module has none, or none of a version that our adapters write.
const OURS: [(&str, &str); 3] = [
    ("appmesh", include_str!("../../crds/appmesh.yaml")),
    ("gloo", include_str!("../../crds/gloo.yaml")),
    ("kuma", include_str!("../../crds/kuma.yaml")),
];

/// Of a schema: fields that it does not declare are kept.
const OPEN: &str = "x-kubernetes-preserve-unknown-fields";

/// Applies a mesh's definitions. Those in a folder of its own win over ours, version by version.
pub(crate) async fn apply_definitions(client: &Client, mesh: &str) -> Result<()> {
    let folder = std::env::var("E2E_CRDS").context("E2E_CRDS names no folder")?;
    let own = own(&Path::new(&folder).join(mesh))?;
    let mut definitions = Vec::new();
    for definition in own.into_iter().chain(ours(mesh)?) {
        complete(&mut definitions, definition);
    }
    ensure!(!definitions.is_empty(), "{mesh} has no definition");
    for definition in definitions {
        apply_object(client, &definition).await?;
    }
    Ok(())
}

/// Our definitions of a mesh's kinds.
pub(crate) fn ours(mesh: &str) -> Result<Vec<Value>> {
    let found = OURS.iter().find(|(name, _)| *name == mesh);
    let text = found.map_or("", |(_, text)| text);
    Ok(goyaml::parse_json(text, &goyaml::Limits::default())?)
}

/// Adds a definition, or of one that is there the versions that it lacks. What is stored stays as it is: App Mesh's
/// first version, which takes every field, so that nothing of the second is lost.
fn complete(definitions: &mut Vec<Value>, mut next: Value) {
    let is_same = |one: &&mut Value| one["metadata"]["name"] == next["metadata"]["name"];
    let Some(found) = definitions.iter_mut().find(is_same) else {
        return definitions.push(next);
    };
    let versions = found["spec"]["versions"].as_array_mut().unwrap();
    for mut version in std::mem::take(next["spec"]["versions"].as_array_mut().unwrap()) {
        if versions
            .iter()
            .all(|known| known["name"] != version["name"])
        {
            version["storage"] = json!(false);
            versions.push(version);
        }
    }
}

/// The definitions in a mesh's folder; none if it has no folder.
fn own(folder: &Path) -> Result<Vec<Value>> {
    let mut definitions = Vec::new();
    if folder.exists() {
        let entries = std::fs::read_dir(folder)?;
        let mut paths = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::io::Result<Vec<_>>>()?;
        paths.sort();
        for path in paths {
            definitions.extend(of_file(&path)?);
        }
    }
    Ok(definitions)
}

fn of_file(path: &PathBuf) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path)?;
    let objects = goyaml::parse_json(&text, &goyaml::Limits::default())
        .with_context(|| format!("{}", path.display()))?;
    let definitions = objects
        .into_iter()
        .filter(|object| object["kind"] == "CustomResourceDefinition");
    Ok(definitions.map(mended).collect())
}

/// The definition in today's form, with the versions that our providers speak.
fn mended(definition: Value) -> Value {
    let mut definition = if definition["apiVersion"] == "apiextensions.k8s.io/v1beta1" {
        lifted(definition)
    } else {
        definition
    };
    if definition["metadata"]["name"] == "trafficsplits.split.smi-spec.io" {
        serve_splits(&mut definition);
    }
    definition
}

/// Open Service Mesh has later versions but serves one. Of v1alpha1, Linkerd's, only the weight differs: it may be text.
fn serve_splits(definition: &mut Value) {
    let versions = definition["spec"]["versions"].as_array_mut().unwrap();
    let mut first = versions.last().unwrap().clone();
    first["name"] = json!("v1alpha1");
    first["storage"] = json!(false);
    let backends = "/schema/openAPIV3Schema/properties/spec/properties/backends";
    let weight = format!("{backends}/items/properties/weight");
    *first.pointer_mut(&weight).unwrap() = json!({"x-kubernetes-int-or-string": true});
    versions.push(first);
    for version in versions {
        version["served"] = json!(true);
    }
}

/// A definition of apiextensions v1beta1 as v1, which wants a schema in each version and a type at each field. As in
/// v1beta1, fields that are not declared are kept.
fn lifted(mut definition: Value) -> Value {
    definition["apiVersion"] = json!("apiextensions.k8s.io/v1");
    let spec = definition["spec"].as_object_mut().unwrap();
    let mut schema = json!({"type": "object"});
    if let Some(given) = spec.remove("validation") {
        schema = given["openAPIV3Schema"].clone();
    }
    typed(&mut schema);
    let mut shared = Map::from_iter([("schema".to_owned(), json!({"openAPIV3Schema": schema}))]);
    shared.extend(
        spec.remove("subresources")
            .map(|it| ("subresources".to_owned(), it)),
    );
    for dropped in [
        "version",
        "additionalPrinterColumns",
        "preserveUnknownFields",
    ] {
        spec.remove(dropped);
    }
    for version in spec["versions"].as_array_mut().unwrap() {
        version.as_object_mut().unwrap().extend(shared.clone());
    }
    definition
}

/// Gives each field that has none its type.
fn typed(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else {
        return;
    };
    if let Some(properties) = fields.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(typed);
        fields.insert("type".into(), json!("object"));
        fields.insert(OPEN.into(), json!(true));
    } else if let Some(items) = fields.get_mut("items") {
        typed(items);
        fields.insert("type".into(), json!("array"));
    } else if !fields.contains_key("type") {
        // Alternatives alone, which v1 takes for no structure.
        *schema = json!({OPEN: true});
    }
}
