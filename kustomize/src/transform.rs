//! Runs the transformers of a layer, in kustomize's order.

mod images;
mod labels;
mod names;
mod replacements;

use serde_json::Value;

use crate::accumulate::{Builder, Layer, check_unique};
use crate::error::{BuildError, Fault};
use crate::field::{self, Create, Owner};
use crate::id::Gvk;
use crate::kustomization::Replica;
use crate::object::Object;
use crate::patch;
use crate::resource::Resource;

/// Changes what a layer has gathered as its kustomization says.
pub(crate) fn run(
    builder: &mut Builder<'_>,
    layer: &Layer<'_>,
    mut resources: Vec<Resource>,
) -> Result<Vec<Resource>, BuildError> {
    let kustomization = layer.kustomization;
    patch::merge_files(builder, layer, &mut resources)?;
    patch::run(builder, layer, &mut resources)?;
    names::namespace(&mut resources, &kustomization.namespace)
        .and_then(|()| check_unique(&resources))
        .map_err(|fault| layer.at("namespace", fault))?;
    names::prefix(&mut resources, &kustomization.name_prefix);
    names::suffix(&mut resources, &kustomization.name_suffix);
    labels::run(layer, &mut resources)?;
    labels::annotations(&mut resources, &kustomization.common_annotations)
        .map_err(|fault| layer.at("commonAnnotations", fault))?;
    patch::json_files(builder, layer, &mut resources)?;
    for (at, replica) in kustomization.replicas.iter().enumerate() {
        replicas(&mut resources, replica)
            .map_err(|fault| layer.at(&format!("replicas[{at}]"), fault))?;
    }
    for (at, image) in kustomization.images.iter().enumerate() {
        images::run(&mut resources, image)
            .map_err(|fault| layer.at(&format!("images[{at}]"), fault))?;
    }
    replacements::run(builder, layer, &mut resources)?;
    Ok(resources)
}

/// The kinds whose `spec.replicas` can be set.
const REPLICATED: [&str; 4] = [
    "Deployment",
    "ReplicationController",
    "ReplicaSet",
    "StatefulSet",
];

fn replicas(resources: &mut [Resource], replica: &Replica) -> Result<(), Fault> {
    let mut found = false;
    for resource in resources {
        let named = |kind: &str, name: &str| name == replica.name && REPLICATED.contains(&kind);
        let Gvk { kind, .. } = resource.gvk();
        let matches = named(&kind, resource.name())
            || resource.previous.iter().any(|p| named(&p.kind, &p.name));
        if !matches || !REPLICATED.contains(&kind.as_str()) {
            continue;
        }
        found = true;
        field::visit(
            &mut resource.json,
            "spec/replicas",
            Create::Scalar,
            &mut |slot| {
                *slot = Value::from(replica.count);
                Ok(())
            },
        )?;
    }
    if found {
        return Ok(());
    }
    let kinds = REPLICATED.join(", ");
    Err(Fault::NoTarget(format!(
        "name {:?} of kinds {kinds}",
        replica.name
    )))
}

/// Annotations that belong to tools and are never printed.
const TOOL_ANNOTATIONS: &[&str] = &[
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
    "config.kubernetes.io/origin",
    "alpha.config.kubernetes.io/transformations",
];

/// Makes the object that is given out: annotations are strings, and there is
/// no empty map of them.
pub(crate) fn finish(mut resource: Resource) -> Object {
    let has_annotations = resource.json.pointer("/metadata/annotations").is_some();
    if has_annotations {
        let mut annotations = resource.strings("annotations");
        for name in TOOL_ANNOTATIONS {
            annotations.remove(*name);
        }
        resource.set_strings("annotations", annotations);
    }
    Object::new(resource.json)
}

/// A field of some kinds that a transformer writes.
#[derive(Clone, Copy, Debug)]
struct Spec {
    owner: Owner,
    path: &'static str,
    create: bool,
}

const fn spec(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    path: &'static str,
    create: bool,
) -> Spec {
    Spec {
        owner: Owner {
            group,
            version,
            kind,
        },
        path,
        create,
    }
}
