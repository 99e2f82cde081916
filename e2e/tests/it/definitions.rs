//! Definitions of the meshes' kinds: their own, which the setup took out of Go modules, or ours where there is none.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use kube::Client;
use serde_json::{Map, Value, json};

use crate::cluster::apply_object;

/// A kind whose mesh has no Go module to take its definition from. Ours takes every field.
struct Permissive {
    mesh: &'static str,
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    scope: &'static str,
}

const PERMISSIVE: [Permissive; 4] = [
    Permissive {
        mesh: "kuma",
        group: "kuma.io",
        version: "v1alpha1",
        kind: "TrafficRoute",
        plural: "trafficroutes",
        scope: "Cluster",
    },
    Permissive {
        mesh: "gloo",
        group: "gloo.solo.io",
        version: "v1",
        kind: "Upstream",
        plural: "upstreams",
        scope: "Namespaced",
    },
    Permissive {
        mesh: "gloo",
        group: "gateway.solo.io",
        version: "v1",
        kind: "RouteTable",
        plural: "routetables",
        scope: "Namespaced",
    },
    Permissive {
        mesh: "appmesh-v1beta2",
        group: "appmesh.k8s.aws",
        version: "v1beta2",
        kind: "VirtualRouter",
        plural: "virtualrouters",
        scope: "Namespaced",
    },
];

/// Of a schema: fields that it does not declare are kept.
const OPEN: &str = "x-kubernetes-preserve-unknown-fields";

/// Applies a mesh's definitions. A folder of its own definitions wins over ours.
pub(crate) async fn apply_definitions(client: &Client, mesh: &str) -> Result<()> {
    let folder = std::env::var("E2E_CRDS").context("E2E_CRDS names no folder")?;
    let folder = Path::new(&folder).join(mesh);
    let definitions = if folder.exists() {
        own(&folder)?
    } else {
        let ours = PERMISSIVE.iter().filter(|one| one.mesh == mesh);
        ours.map(permissive).collect()
    };
    ensure!(!definitions.is_empty(), "{mesh} has no definition");
    for definition in definitions {
        apply_object(client, &definition).await?;
    }
    Ok(())
}

fn own(folder: &Path) -> Result<Vec<Value>> {
    let mut definitions = Vec::new();
    for file in std::fs::read_dir(folder)? {
        definitions.extend(of_file(&file?.path())?);
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
    match definition["metadata"]["name"].as_str() {
        Some("trafficsplits.split.smi-spec.io") => serve_splits(&mut definition),
        Some("virtualnodes.appmesh.k8s.aws" | "virtualservices.appmesh.k8s.aws") => {
            add_second_version(&mut definition);
        }
        Some(_) | None => {}
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

/// App Mesh's module of the first version knows no second. Stored as the second, which takes every field, nothing is lost.
fn add_second_version(definition: &mut Value) {
    let versions = definition["spec"]["versions"].as_array_mut().unwrap();
    if versions.iter().any(|version| version["name"] == "v1beta2") {
        return;
    }
    for version in versions.iter_mut() {
        version["storage"] = json!(false);
    }
    versions.push(open_version("v1beta2"));
}

/// A version that takes every field, and is stored.
fn open_version(name: &str) -> Value {
    let schema = json!({"type": "object", OPEN: true});
    json!({"name": name, "served": true, "storage": true, "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema}})
}

fn permissive(of: &Permissive) -> Value {
    let Permissive {
        group,
        kind,
        plural,
        ..
    } = of;
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "scope": of.scope,
            "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List")},
            "versions": [open_version(of.version)],
        },
    })
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
