//! The CustomResourceDefinitions of our kinds, made from the Rust types.
//!
//! `cargo x generate` writes them to `deploy/crds/`; a test there fails when the files are stale.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

mod structural;

use crate::{alert_provider, canary, kustomization, metric_template, source};

/// One kind: what it is called, what it holds and which columns `kubectl get` shows.
struct Kind {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    short_names: &'static [&'static str],
    categories: &'static [&'static str],
    annotation: (&'static str, &'static str),
    /// Name, type, JSONPath, priority.
    columns: &'static [(&'static str, &'static str, &'static str, u8)],
    spec: Value,
    /// None: nobody writes one.
    status: Option<Value>,
    /// `status` of an object that no controller has seen.
    status_default: Option<Value>,
}

/// Every CustomResourceDefinition, as JSON, in a fixed order.
#[must_use]
pub fn all() -> Vec<Value> {
    [
        canary_kind(),
        metric_template_kind(),
        alert_provider_kind(),
        git_repository_kind(),
        kustomization_kind(),
    ]
    .into_iter()
    .map(definition)
    .collect()
}

const KEEP: (&str, &str) = ("helm.sh/resource-policy", "keep");
const NO_SUBSTITUTE: (&str, &str) = ("kustomize.toolkit.fluxcd.io/substitute", "disabled");

fn canary_kind() -> Kind {
    let mut spec = flagger_schema_of::<canary::CanarySpec>();
    for (field, kind) in [
        ("ingressRef", "Ingress"),
        ("routeRef", "ApisixRoute"),
        ("upstreamRef", "Upstream"),
    ] {
        structural::edit(
            &mut spec,
            &["properties", field, "properties", "kind"],
            |known| {
                known.insert("enum".to_owned(), json!([kind]));
            },
        );
    }
    structural::edit(&mut spec, &["properties", "analysis"], |analysis| {
        let alternatives: Vec<Value> = ["iterations", "stepWeight", "stepWeights"]
            .map(|key| json!({"required": ["interval", "threshold", key]}))
            .into();
        analysis.insert("oneOf".to_owned(), Value::Array(alternatives));
    });
    structural::require(&mut spec, "analysis");
    Kind {
        group: "flagger.app",
        version: "v1beta1",
        kind: "Canary",
        plural: "canaries",
        short_names: &[],
        categories: &["all"],
        annotation: KEEP,
        columns: &[
            ("Status", "string", ".status.phase", 0),
            ("Weight", "string", ".status.canaryWeight", 0),
            ("Suspended", "boolean", ".spec.suspend", 1),
            ("FailedChecks", "string", ".status.failedChecks", 1),
            ("Interval", "string", ".spec.analysis.interval", 1),
            ("Mirror", "boolean", ".spec.analysis.mirror", 1),
            ("StepWeight", "string", ".spec.analysis.stepWeight", 1),
            ("StepWeights", "string", ".spec.analysis.stepWeights", 1),
            ("MaxWeight", "string", ".spec.analysis.maxWeight", 1),
            (
                "LastTransitionTime",
                "string",
                ".status.lastTransitionTime",
                0,
            ),
        ],
        spec,
        status: Some(flagger_schema_of::<canary::CanaryStatus>()),
        status_default: None,
    }
}

fn metric_template_kind() -> Kind {
    Kind {
        group: "flagger.app",
        version: "v1beta1",
        kind: "MetricTemplate",
        plural: "metrictemplates",
        short_names: &[],
        categories: &["all"],
        annotation: KEEP,
        columns: &[("Provider", "string", ".spec.provider.type", 0)],
        spec: flagger_schema_of::<metric_template::MetricTemplateSpec>(),
        status: None,
        status_default: None,
    }
}

fn alert_provider_kind() -> Kind {
    let mut spec = flagger_schema_of::<alert_provider::AlertProviderSpec>();
    structural::edit(&mut spec, &[], |spec| {
        let alternatives =
            json!([{"required": ["type", "address"]}, {"required": ["type", "secretRef"]}]);
        spec.insert("oneOf".to_owned(), alternatives);
    });
    Kind {
        group: "flagger.app",
        version: "v1beta1",
        kind: "AlertProvider",
        plural: "alertproviders",
        short_names: &[],
        categories: &["all"],
        annotation: KEEP,
        columns: &[("Type", "string", ".spec.type", 0)],
        spec,
        status: None,
        status_default: None,
    }
}

const READY: &str = ".status.conditions[?(@.type==\"Ready\")].status";
const MESSAGE: &str = ".status.conditions[?(@.type==\"Ready\")].message";

fn git_repository_kind() -> Kind {
    Kind {
        group: "source.toolkit.fluxcd.io",
        version: "v1",
        kind: "GitRepository",
        plural: "gitrepositories",
        short_names: &["gitrepo"],
        categories: &["all", "fluxcd", "fluxcd-sources"],
        annotation: NO_SUBSTITUTE,
        columns: &[
            ("URL", "string", ".spec.url", 0),
            ("Age", "date", ".metadata.creationTimestamp", 0),
            ("Ready", "string", READY, 0),
            ("Status", "string", MESSAGE, 0),
        ],
        spec: schema_of::<source::GitRepositorySpec>(),
        status: Some(schema_of::<source::GitRepositoryStatus>()),
        status_default: Some(json!({"observedGeneration": -1})),
    }
}

fn kustomization_kind() -> Kind {
    Kind {
        group: "kustomize.toolkit.fluxcd.io",
        version: "v1",
        kind: "Kustomization",
        plural: "kustomizations",
        short_names: &["ks"],
        categories: &["all", "fluxcd", "fluxcd-appliers"],
        annotation: NO_SUBSTITUTE,
        columns: &[
            ("Age", "date", ".metadata.creationTimestamp", 0),
            ("Ready", "string", READY, 0),
            ("Status", "string", MESSAGE, 0),
        ],
        spec: schema_of::<kustomization::KustomizationSpec>(),
        status: Some(schema_of::<kustomization::KustomizationStatus>()),
        status_default: Some(json!({"observedGeneration": -1})),
    }
}

/// The structural schema of a type.
fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|s| s.inline_subschemas = true);
    structural::structural(
        settings
            .into_generator()
            .into_root_schema_for::<T>()
            .to_value(),
    )
}

/// The same without the defaults that say what an absent field says too: the API server would write them into every
/// object, as Flagger's definitions do not.
fn flagger_schema_of<T: JsonSchema>() -> Value {
    let mut schema = schema_of::<T>();
    structural::drop_empty_defaults(&mut schema);
    schema
}

/// `apiextensions.k8s.io/v1` CustomResourceDefinition of a kind.
fn definition(kind: Kind) -> Value {
    let Kind {
        group,
        version,
        kind,
        plural,
        short_names,
        categories,
        annotation,
        columns,
        spec,
        mut status,
        status_default,
    } = kind;
    if let (Some(default), Some(status)) = (status_default, &mut status) {
        structural::edit(status, &[], |status| {
            status.insert("default".to_owned(), default);
        });
    }
    let mut properties = Map::new();
    properties.insert("apiVersion".to_owned(), json!({"type": "string"}));
    properties.insert("kind".to_owned(), json!({"type": "string"}));
    properties.insert("metadata".to_owned(), json!({"type": "object"}));
    properties.insert("spec".to_owned(), spec);
    properties.extend(status.map(|status| ("status".to_owned(), status)));
    let columns: Vec<Value> = columns
        .iter()
        .map(|(name, type_, path, priority)| column(name, type_, path, *priority))
        .collect();
    let mut names = Map::new();
    names.insert("kind".to_owned(), json!(kind));
    names.insert("listKind".to_owned(), json!(format!("{kind}List")));
    names.insert("plural".to_owned(), json!(plural));
    names.insert("singular".to_owned(), json!(kind.to_lowercase()));
    names.insert("categories".to_owned(), json!(categories));
    if !short_names.is_empty() {
        names.insert("shortNames".to_owned(), json!(short_names));
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}"), "annotations": {annotation.0: annotation.1}},
        "spec": {
            "group": group,
            "names": names,
            "scope": "Namespaced",
            "versions": [{
                "name": version,
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns,
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "required": ["spec"],
                    "properties": properties,
                }},
            }],
        },
    })
}

fn column(name: &str, type_: &str, path: &str, priority: u8) -> Value {
    let mut column = json!({"name": name, "type": type_, "jsonPath": path});
    if let (1.., Some(object)) = (priority, column.as_object_mut()) {
        object.insert("priority".to_owned(), json!(priority));
    }
    column
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks a schema: each node must have a type or say why not, and hold nothing that kube-apiserver refuses.
    fn check(path: &str, schema: &Value) {
        let object = schema
            .as_object()
            .unwrap_or_else(|| panic!("{path}: not an object"));
        for banned in ["$ref", "$schema", "title", "definitions", "$defs"] {
            assert!(!object.contains_key(banned), "{path}: {banned}");
        }
        let untyped = [
            "x-kubernetes-int-or-string",
            "x-kubernetes-preserve-unknown-fields",
        ];
        assert!(
            object.contains_key("type") || untyped.iter().any(|k| object.contains_key(*k)),
            "{path}: no type"
        );
        assert!(
            object.get("type").is_none_or(Value::is_string),
            "{path}: type is not one word"
        );
        for (name, next) in object
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            check(&format!("{path}.{name}"), next);
        }
        for key in ["items", "additionalProperties"] {
            if let Some(next) = object.get(key) {
                check(&format!("{path}.{key}"), next);
            }
        }
    }

    #[test]
    fn schemas_are_structural() {
        let all = all();
        assert_eq!(all.len(), 5);
        for crd in all {
            check(
                crd["metadata"]["name"].as_str().unwrap(),
                &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
            );
        }
    }
}
