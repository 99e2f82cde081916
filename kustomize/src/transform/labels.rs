//! Puts labels and annotations on objects, templates and selectors.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Spec, spec};
use crate::accumulate::Layer;
use crate::error::{BuildError, Fault};
use crate::field::{self, Create};
use crate::kustomization::{FieldSpec, Label};
use crate::resource::Resource;

/// Metadata of objects and of what they make.
const METADATA: &[Spec] = &[
    spec("", "", "", "metadata/labels", true),
    spec(
        "",
        "v1",
        "ReplicationController",
        "spec/template/metadata/labels",
        true,
    ),
    spec("", "", "Deployment", "spec/template/metadata/labels", true),
    spec("", "", "ReplicaSet", "spec/template/metadata/labels", true),
    spec("", "", "DaemonSet", "spec/template/metadata/labels", true),
    spec(
        "apps",
        "",
        "StatefulSet",
        "spec/template/metadata/labels",
        true,
    ),
    spec(
        "apps",
        "",
        "StatefulSet",
        "spec/volumeClaimTemplates[]/metadata/labels",
        true,
    ),
    spec("batch", "", "Job", "spec/template/metadata/labels", true),
    spec(
        "batch",
        "",
        "CronJob",
        "spec/jobTemplate/metadata/labels",
        true,
    ),
    spec(
        "batch",
        "",
        "CronJob",
        "spec/jobTemplate/spec/template/metadata/labels",
        true,
    ),
];

/// Selectors.
const SELECTORS: &[Spec] = &[
    spec("", "v1", "Service", "spec/selector", true),
    spec("", "v1", "ReplicationController", "spec/selector", true),
    spec("", "", "Deployment", "spec/selector/matchLabels", true),
    spec("", "", "ReplicaSet", "spec/selector/matchLabels", true),
    spec("", "", "DaemonSet", "spec/selector/matchLabels", true),
    spec("apps", "", "StatefulSet", "spec/selector/matchLabels", true),
    spec("batch", "", "Job", "spec/selector/matchLabels", false),
    spec(
        "batch",
        "",
        "CronJob",
        "spec/jobTemplate/spec/selector/matchLabels",
        false,
    ),
    spec(
        "policy",
        "",
        "PodDisruptionBudget",
        "spec/selector/matchLabels",
        false,
    ),
    spec(
        "networking.k8s.io",
        "",
        "NetworkPolicy",
        "spec/podSelector/matchLabels",
        false,
    ),
    spec(
        "networking.k8s.io",
        "",
        "NetworkPolicy",
        "spec/ingress/from/podSelector/matchLabels",
        false,
    ),
    spec(
        "networking.k8s.io",
        "",
        "NetworkPolicy",
        "spec/egress/to/podSelector/matchLabels",
        false,
    ),
];

/// Selectors inside the pods of Deployments and StatefulSets of group apps.
const POD_SELECTORS: &[&str] = &[
    "spec/template/spec/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels",
    "spec/template/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels",
    "spec/template/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels",
    "spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels",
    "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels",
];

const ANNOTATIONS: &[Spec] = &[
    spec("", "", "", "metadata/annotations", true),
    spec(
        "",
        "v1",
        "ReplicationController",
        "spec/template/metadata/annotations",
        true,
    ),
    spec(
        "",
        "",
        "Deployment",
        "spec/template/metadata/annotations",
        true,
    ),
    spec(
        "",
        "",
        "ReplicaSet",
        "spec/template/metadata/annotations",
        true,
    ),
    spec(
        "",
        "",
        "DaemonSet",
        "spec/template/metadata/annotations",
        true,
    ),
    spec(
        "",
        "",
        "StatefulSet",
        "spec/template/metadata/annotations",
        true,
    ),
    spec(
        "batch",
        "",
        "Job",
        "spec/template/metadata/annotations",
        true,
    ),
    spec(
        "batch",
        "",
        "CronJob",
        "spec/jobTemplate/metadata/annotations",
        true,
    ),
    spec(
        "batch",
        "",
        "CronJob",
        "spec/jobTemplate/spec/template/metadata/annotations",
        true,
    ),
];

/// Which fields get a set of labels.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Object,
    Templates,
    Selectors,
}

/// Applies `labels`, then `commonLabels`.
pub(super) fn run(layer: &Layer<'_>, resources: &mut [Resource]) -> Result<(), BuildError> {
    for (at, label) in layer.kustomization.labels.iter().enumerate() {
        let Label {
            pairs,
            include_selectors,
            include_templates,
            fields,
        } = label;
        let reach = match (include_selectors, include_templates) {
            (true, _) => Reach::Selectors,
            (false, true) => Reach::Templates,
            (false, false) => Reach::Object,
        };
        let pairs = strings(pairs);
        set_all(resources, &pairs, reach)
            .and_then(|()| set_custom(resources, &pairs, fields))
            .map_err(|fault| layer.at(&format!("labels[{at}]"), fault))?;
    }
    let common = strings(&layer.kustomization.common_labels);
    set_all(resources, &common, Reach::Selectors).map_err(|fault| layer.at("commonLabels", fault))
}

/// Applies `commonAnnotations`.
pub(super) fn annotations(
    resources: &mut [Resource],
    annotations: &BTreeMap<String, String>,
) -> Result<(), Fault> {
    let pairs = strings(annotations);
    resources
        .iter_mut()
        .try_for_each(|resource| set(resource, &pairs, ANNOTATIONS))
}

fn set_all(
    resources: &mut [Resource],
    pairs: &Map<String, Value>,
    reach: Reach,
) -> Result<(), Fault> {
    if pairs.is_empty() {
        return Ok(());
    }
    for resource in resources {
        match reach {
            Reach::Object => set(resource, pairs, METADATA.get(..1).unwrap_or_default())?,
            Reach::Templates => set(resource, pairs, METADATA)?,
            Reach::Selectors => {
                set(resource, pairs, METADATA)?;
                set(resource, pairs, SELECTORS)?;
                let gvk = resource.gvk();
                if gvk.group == "apps" && matches!(gvk.kind.as_str(), "Deployment" | "StatefulSet")
                {
                    for path in POD_SELECTORS {
                        put(&mut resource.json, path, Create::Nothing, pairs)?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn set(resource: &mut Resource, pairs: &Map<String, Value>, specs: &[Spec]) -> Result<(), Fault> {
    if pairs.is_empty() {
        return Ok(());
    }
    let gvk = resource.gvk();
    for spec in specs.iter().filter(|spec| spec.owner.matches(&gvk)) {
        let create = if spec.create {
            Create::Map
        } else {
            Create::Nothing
        };
        put(&mut resource.json, spec.path, create, pairs)?;
    }
    Ok(())
}

fn set_custom(
    resources: &mut [Resource],
    pairs: &Map<String, Value>,
    fields: &[FieldSpec],
) -> Result<(), Fault> {
    for field in fields {
        let create = if field.create {
            Create::Map
        } else {
            Create::Nothing
        };
        for resource in resources.iter_mut() {
            if field::matches(&field.group, &field.version, &field.kind, &resource.gvk()) {
                put(&mut resource.json, &field.path, create, pairs)?;
            }
        }
    }
    Ok(())
}

fn put(
    json: &mut Value,
    path: &str,
    create: Create,
    pairs: &Map<String, Value>,
) -> Result<(), Fault> {
    field::visit(json, path, create, &mut |slot| {
        if slot.is_null() {
            *slot = Value::Object(Map::new());
        }
        let Value::Object(map) = slot else {
            return Err(Fault::BadValue("a map is wanted".to_owned()));
        };
        map.extend(pairs.iter().map(|(k, v)| (k.clone(), v.clone())));
        Ok(())
    })
}

fn strings(map: &BTreeMap<String, String>) -> Map<String, Value> {
    map.iter()
        .map(|(k, v)| (k.clone(), Value::String(v.clone())))
        .collect()
}
