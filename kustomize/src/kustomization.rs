//! Reads a kustomization file.
//!
//! Every field of kustomize 5.8 is known here: it is read, or refused by name
//! because it is not supported. Anything else is an unknown field.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::error::{BuildError, Fault};

type Strings = BTreeMap<String, String>;

/// The file, deprecated fields folded into their successors.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Kustomization {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) metadata: Option<Value>,
    pub(crate) resources: Vec<String>,
    pub(crate) bases: Vec<String>,
    pub(crate) components: Vec<String>,
    pub(crate) namespace: String,
    pub(crate) name_prefix: String,
    pub(crate) name_suffix: String,
    pub(crate) common_labels: Strings,
    pub(crate) labels: Vec<Label>,
    pub(crate) common_annotations: Strings,
    pub(crate) patches_strategic_merge: Vec<String>,
    #[serde(rename = "patchesJson6902")]
    pub(crate) patches_json6902: Vec<Patch>,
    pub(crate) patches: Vec<Patch>,
    pub(crate) images: Vec<Image>,
    pub(crate) image_tags: Vec<Image>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) replacements: Vec<Replacement>,
    pub(crate) config_map_generator: Vec<Generator>,
    pub(crate) secret_generator: Vec<Generator>,
    pub(crate) generator_options: Option<GeneratorOptions>,
    pub(crate) sort_options: Option<SortOptions>,
    /// The file says nothing besides its kind.
    #[serde(skip)]
    pub(crate) is_empty: bool,
}

/// An entry of `labels`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Label {
    pub(crate) pairs: Strings,
    pub(crate) include_selectors: bool,
    pub(crate) include_templates: bool,
    pub(crate) fields: Vec<FieldSpec>,
}

/// A field to put labels into.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FieldSpec {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) path: String,
    pub(crate) create: bool,
}

/// An entry of `patches`: a patch, inline or in a file, and what it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Patch {
    /// A strategic merge patch or a list of JSON 6902 operations, as text.
    pub patch: String,
    /// A file that holds it instead.
    pub path: String,
    /// The objects to patch; without it the patch names one itself.
    pub target: Option<Selector>,
    /// What a patch may change besides.
    pub options: Option<PatchOptions>,
}

/// What a strategic merge patch may change besides content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PatchOptions {
    /// The name.
    pub allow_name_change: bool,
    /// The kind.
    pub allow_kind_change: bool,
}

/// Objects to patch: anchored regular expressions and selectors, all of which
/// must match; an empty one matches anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Selector {
    /// API group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Kubernetes label selector.
    pub label_selector: String,
    /// The same on annotations.
    pub annotation_selector: String,
}

/// An entry of `images`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Image {
    /// The image to change, without tag.
    pub name: String,
    /// Its new name.
    pub new_name: String,
    /// Appended to the tag.
    pub tag_suffix: String,
    /// The new tag.
    pub new_tag: String,
    /// The new digest.
    pub digest: String,
}

/// An entry of `replicas`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) count: i64,
}

/// An entry of `replacements`, or of a file that one names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Replacement {
    pub(crate) path: String,
    pub(crate) source: Option<ReplacementSource>,
    pub(crate) source_value: Option<String>,
    pub(crate) targets: Vec<ReplacementTarget>,
}

/// Where a replacement reads.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct ReplacementSource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) field_path: String,
    pub(crate) options: Option<FieldOptions>,
}

/// Where a replacement writes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct ReplacementTarget {
    pub(crate) select: Option<Selector>,
    pub(crate) reject: Vec<Selector>,
    pub(crate) field_paths: Vec<String>,
    pub(crate) options: Option<FieldOptions>,
}

/// Which part of a field, and whether to make it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FieldOptions {
    pub(crate) delimiter: String,
    pub(crate) index: i64,
    pub(crate) create: bool,
}

/// An entry of `configMapGenerator` or `secretGenerator`.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Generator {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) behavior: String,
    pub(crate) literals: Vec<String>,
    pub(crate) files: Vec<String>,
    pub(crate) envs: Vec<String>,
    pub(crate) env: String,
    pub(crate) options: Option<GeneratorOptions>,
    /// Of a Secret.
    pub(crate) r#type: String,
}

/// Literals may be secret.
impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generator")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Options of generated objects.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct GeneratorOptions {
    pub(crate) labels: Strings,
    pub(crate) annotations: Strings,
    pub(crate) disable_name_suffix_hash: bool,
    pub(crate) immutable: bool,
}

/// The order of the output.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct SortOptions {
    pub(crate) order: String,
    pub(crate) legacy_sort_options: Option<LegacySortOptions>,
}

/// Kinds to print first and last.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct LegacySortOptions {
    pub(crate) order_first: Vec<String>,
    pub(crate) order_last: Vec<String>,
}

/// Fields of kustomize that are refused, and why or what to do instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    (
        "openapi",
        "a custom schema would change how lists merge; remove it",
    ),
    (
        "vars",
        "deprecated by kustomize; use replacements or patches",
    ),
    (
        "crds",
        "name references of custom resources cannot be configured",
    ),
    ("helmCharts", "use a HelmRelease"),
    ("helmGlobals", "use a HelmRelease"),
    ("helmChartInflationGenerator", "use a HelmRelease"),
    ("configurations", "transformers cannot be configured"),
    ("generators", "plugins cannot run"),
    ("transformers", "plugins cannot run"),
    ("validators", "plugins cannot run"),
    (
        "buildMetadata",
        "origin and transformer annotations are not written",
    ),
];

/// Which of the two kinds a file must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `Kustomization`, `kustomize.config.k8s.io/v1beta1`.
    Kustomization,
    /// `Component`, `kustomize.config.k8s.io/v1alpha1`.
    Component,
}

impl Kustomization {
    /// Reads the one document of a kustomization file.
    pub(crate) fn read(file: &str, document: Value) -> Result<Self, BuildError> {
        let fail = |field: &str, fault| Err(BuildError::new(file, field, fault));
        let document = match document {
            Value::Object(object) => object,
            Value::Null => serde_json::Map::new(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                let why = "a kustomization must be a mapping".to_owned();
                return fail("", Fault::BadValue(why));
            }
        };
        let mut read = serde_json::Map::new();
        for (field, value) in document {
            let unsupported = UNSUPPORTED.iter().find(|(name, _)| *name == field);
            match unsupported {
                Some(_) if is_empty(&value) => {}
                Some((_, why)) => return fail(&field, Fault::Unsupported(why)),
                None => {
                    read.insert(field, value);
                }
            }
        }
        let mut read = Value::Object(read);
        drop_nulls(&mut read);
        let is_empty = read
            .as_object()
            .is_none_or(|fields| fields.keys().all(|k| k == "kind" || k == "apiVersion"));
        let mut kustomization = decode(&read).map_err(|why| name_field(file, &read, why))?;
        kustomization.is_empty = is_empty;
        kustomization.fold_deprecated();
        Ok(kustomization)
    }

    fn fold_deprecated(&mut self) {
        self.resources.append(&mut self.bases);
        self.images.append(&mut self.image_tags);
        for generator in self
            .config_map_generator
            .iter_mut()
            .chain(&mut self.secret_generator)
        {
            let env = std::mem::take(&mut generator.env);
            if !env.is_empty() {
                generator.envs.push(env);
            }
        }
    }

    /// Checks kind and apiVersion against the role in which a file is used.
    pub(crate) fn check_role(&self, role: Role) -> Result<(), (&'static str, Fault)> {
        let (kind, api_version) = match role {
            Role::Kustomization => ("Kustomization", "kustomize.config.k8s.io/v1beta1"),
            Role::Component => ("Component", "kustomize.config.k8s.io/v1alpha1"),
        };
        let found = if self.kind.is_empty() {
            "Kustomization"
        } else {
            &self.kind
        };
        if found != kind {
            let why = format!("is {found:?} where {kind:?} is wanted");
            return Err(("kind", Fault::BadValue(why)));
        }
        if !self.api_version.is_empty() && self.api_version != api_version {
            let why = format!("is {:?}, must be {api_version:?}", self.api_version);
            return Err(("apiVersion", Fault::BadValue(why)));
        }
        Ok(())
    }
}

/// Finds the field at fault by reading one at a time.
fn name_field(file: &str, read: &Value, why: String) -> BuildError {
    let fields = read.as_object().into_iter().flatten();
    for (field, value) in fields {
        let alone = serde_json::json!({ field: value });
        let Err(why) = decode(&alone) else { continue };
        let fault = if why.starts_with(&format!("unknown field `{field}`")) {
            Fault::UnknownField
        } else {
            Fault::BadValue(why)
        };
        return BuildError::new(file, field, fault);
    }
    BuildError::new(file, "", Fault::BadValue(why))
}

fn decode(value: &Value) -> Result<Kustomization, String> {
    Kustomization::deserialize(value).map_err(|e| goyaml::describe_mismatch(&e))
}

/// A null field is an absent one, as Go's decoder has it.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, v| !v.is_null());
            object.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
