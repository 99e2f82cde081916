//! Turns files into the objects to apply: kustomize, variables, labels.
//!
//! Pure but for `read_variables`. An object that must not reach the cluster as
//! it is (encrypted, nameless) fails the build.

use std::collections::BTreeMap;

use api::kustomization::{CommonMetadata, KustomizationSpec, PostBuild, SubstituteFrom};
use apply::{ObjectId, Owner};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::Api;
use kustomize::{Image, Limits, Overlay, Patch, Selector, Tree};
use serde_json::{Map, Value, json};
use sources::files::{Files, RelPath};

use crate::context::Controller;
use crate::failure::{Failure, Next};
use crate::substitute::substitute;

const SUBSTITUTE: &str = "kustomize.toolkit.fluxcd.io/substitute";

/// What is to be in the cluster.
pub(super) struct Build {
    pub(super) objects: Vec<Value>,
    pub(super) ids: Vec<ObjectId>,
    /// `sha256:…` of the YAML.
    pub(super) digest: String,
}

fn failed(message: impl Into<String>) -> Failure {
    Failure::new("BuildFailed", message, Next::RetryInterval)
}

/// The variables of `spec.postBuild`. Values may be secret, so it cannot be printed.
pub(super) struct Variables {
    values: BTreeMap<String, String>,
    is_active: bool,
}

/// Reads the variables from ConfigMaps and Secrets; inline ones win.
pub(super) async fn read_variables(
    controller: &Controller,
    namespace: &str,
    spec: &KustomizationSpec,
) -> Result<Variables, Failure> {
    let Some(PostBuild {
        substitute,
        substitute_from,
        substitute_strategy,
    }) = &spec.post_build
    else {
        return Ok(Variables {
            values: BTreeMap::new(),
            is_active: false,
        });
    };
    let mut values = BTreeMap::new();
    for (at, reference) in substitute_from.iter().enumerate() {
        let found = read_reference(controller, namespace, reference, at).await?;
        values.extend(
            found
                .into_iter()
                .map(|(key, value)| (key, value.replace('\n', ""))),
        );
    }
    values.extend(
        substitute
            .iter()
            .map(|(key, value)| (key.clone(), value.replace('\n', ""))),
    );
    if let Some(key) = values.keys().find(|key| !is_variable_name(key)) {
        return Err(failed(format!(
            "post build failed: {key:?} is no name of a variable; names have letters, digits and _ and start with no digit"
        )));
    }
    let is_always = substitute_strategy.as_deref() == Some("Always");
    Ok(Variables {
        is_active: is_always || !values.is_empty(),
        values,
    })
}

async fn read_reference(
    controller: &Controller,
    namespace: &str,
    reference: &SubstituteFrom,
    at: usize,
) -> Result<BTreeMap<String, String>, Failure> {
    let SubstituteFrom {
        kind,
        name,
        optional,
    } = reference;
    let place = format!("spec.postBuild.substituteFrom[{at}]");
    let error = |error: kube::Error| {
        failed(format!(
            "{place}: failed to get {kind} '{namespace}/{name}': {error}"
        ))
    };
    let found = match kind.as_str() {
        "ConfigMap" => {
            let api: Api<ConfigMap> = Api::namespaced(controller.client.clone(), namespace);
            api.get_opt(name)
                .await
                .map_err(error)?
                .map(|map| map.data.unwrap_or_default())
        }
        "Secret" => {
            let api: Api<Secret> = Api::namespaced(controller.client.clone(), namespace);
            let secret = api.get_opt(name).await.map_err(error)?;
            secret.map(|secret| texts(secret, &place)).transpose()?
        }
        _ => {
            return Err(Failure::stalled(
                "BuildFailed",
                format!("{place}.kind {kind:?} is neither Secret nor ConfigMap"),
            ));
        }
    };
    match found {
        Some(found) => Ok(found),
        None if *optional => Ok(BTreeMap::new()),
        None => Err(failed(format!(
            "{place}: {kind} '{namespace}/{name}' not found; create it, or set optional: true"
        ))),
    }
}

fn texts(secret: Secret, place: &str) -> Result<BTreeMap<String, String>, Failure> {
    let all = secret.data.unwrap_or_default().into_iter();
    all.map(|(key, value)| match String::from_utf8(value.0) {
        Ok(text) => Ok((key, text)),
        Err(_) => Err(failed(format!("{place}: key {key:?} is not UTF-8 text"))),
    })
    .collect()
}

fn is_variable_name(name: &str) -> bool {
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_start) && name.chars().all(|c| is_start(c) || c.is_ascii_digit())
}

/// The folder of `spec.path`, which must hold a file; empty for the root.
pub(super) fn find_folder(files: &Files, spec: &KustomizationSpec) -> Result<String, Failure> {
    let path = spec.path.as_deref().unwrap_or_default();
    let refuse = |why: &str| {
        Failure::new(
            "ArtifactFailed",
            format!("kustomization path not found: spec.path {path:?} {why}"),
            Next::RetryInterval,
        )
    };
    let Some(folder) = RelPath::normalize(path).map_err(|error| refuse(error.reason))? else {
        return Ok(String::new());
    };
    if files
        .keys()
        .any(|file| file.below(folder.as_str()).is_some())
    {
        Ok(folder.as_str().to_owned())
    } else {
        Err(refuse("is no folder of the artifact"))
    }
}

/// Builds. Heavy: to be called off the event loop.
pub(super) fn build(
    files: Files,
    folder: &str,
    spec: &KustomizationSpec,
    variables: &Variables,
    owner: &Owner,
) -> Result<Build, Failure> {
    let tree = files
        .into_iter()
        .map(|(path, file)| {
            Ok((
                kustomize::RelPath::parse(path.as_str())?,
                file.bytes.to_vec(),
            ))
        })
        .collect::<Result<Tree, kustomize::Fault>>()
        .map_err(|fault| failed(format!("failed to read the artifact: {fault}")))?;
    let built = kustomize::build(&tree, folder, &overlay(spec)?, &Limits::default())
        .map_err(|error| failed(sources::chain(&error)))?;
    let mut objects = Vec::with_capacity(built.len());
    for object in built {
        let object = fill_in(object.into_json(), variables)?;
        flatten(object, &mut objects);
    }
    let digest = sources::store::sha256(yaml(&objects).as_bytes());
    objects.retain(|object| !is_kustomize_config(object));
    let mut ids = Vec::with_capacity(objects.len());
    for object in &mut objects {
        let id = ObjectId::of(object).map_err(|error| {
            failed(format!(
                "failed to decode Kubernetes apiVersion, kind and name: {error}"
            ))
        })?;
        refuse_encrypted(object, &id)?;
        owner.label(object);
        add_metadata(object, spec.common_metadata.as_ref());
        normalize(object, &id);
        ids.push(id);
    }
    Ok(Build {
        objects,
        ids,
        digest,
    })
}

fn yaml(objects: &[Value]) -> String {
    let documents: Vec<String> = objects.iter().map(goyaml::to_string).collect();
    documents.join("---\n")
}

fn overlay(spec: &KustomizationSpec) -> Result<Overlay, Failure> {
    if !spec.build_metadata.is_empty() {
        return Err(Failure::stalled(
            "BuildFailed",
            "spec.buildMetadata is not served: remove it; it only adds annotations that tell of the build",
        ));
    }
    let patches = spec.patches.iter().map(|patch| Patch {
        patch: patch.patch.clone(),
        target: patch.target.as_ref().map(selector),
        ..Patch::default()
    });
    let images = spec.images.iter().map(|image| Image {
        name: image.name.clone(),
        new_name: image.new_name.clone().unwrap_or_default(),
        new_tag: image.new_tag.clone().unwrap_or_default(),
        digest: image.digest.clone().unwrap_or_default(),
        ..Image::default()
    });
    Ok(Overlay {
        target_namespace: spec.target_namespace.clone(),
        name_prefix: spec.name_prefix.clone(),
        name_suffix: spec.name_suffix.clone(),
        patches: patches.collect(),
        images: images.collect(),
        components: spec.components.clone(),
        ignore_missing_components: spec.ignore_missing_components,
    })
}

fn selector(selector: &api::kustomization::Selector) -> Selector {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    Selector {
        group: text(&selector.group),
        version: text(&selector.version),
        kind: text(&selector.kind),
        name: text(&selector.name),
        namespace: text(&selector.namespace),
        label_selector: text(&selector.label_selector),
        annotation_selector: text(&selector.annotation_selector),
    }
}

/// Puts variables into one object, by way of its YAML text, as Flux does.
fn fill_in(object: Value, variables: &Variables) -> Result<Value, Failure> {
    if !variables.is_active || mark(&object, SUBSTITUTE) == Some("disabled") {
        return Ok(object);
    }
    let name = object_name(&object);
    let text = substitute(&goyaml::to_string(&object), &variables.values).map_err(|error| {
        failed(format!(
            "post build failed for '{name}': envsubst error: variable substitution failed: {error}"
        ))
    })?;
    // The parser's own words could quote a secret value.
    let broken = || {
        failed(format!(
            "post build failed for '{name}': with the variables put in it is no single YAML object; quote the values"
        ))
    };
    let mut documents =
        goyaml::parse_json(&text, &goyaml::Limits::default()).map_err(|_| broken())?;
    match (documents.pop(), documents.is_empty()) {
        (Some(document @ Value::Object(_)), true) => Ok(document),
        _ => Err(broken()),
    }
}

fn object_name(object: &Value) -> String {
    ObjectId::of(object).map_or_else(
        |_| "an object without a name".to_owned(),
        |id| format!("{}/{}/{}", id.api_version(), id.kind, id.name),
    )
}

fn mark<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    let of = |kind: &str| object.get("metadata")?.get(kind)?.get(key)?.as_str();
    of("labels").or_else(|| of("annotations"))
}

/// Lists count as what they hold.
fn flatten(mut object: Value, objects: &mut Vec<Value>) {
    let is_list = object
        .get("kind")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.ends_with("List"));
    match object.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if is_list => objects.extend(items),
        Some(items) => {
            if let Some(fields) = object.as_object_mut() {
                fields.insert("items".to_owned(), items);
            }
            objects.push(object);
        }
        None => objects.push(object),
    }
}

fn is_kustomize_config(object: &Value) -> bool {
    let api_version = object
        .get("apiVersion")
        .and_then(Value::as_str)
        .unwrap_or_default();
    api_version.starts_with("kustomize.config.k8s.io/")
        && object.get("kind").and_then(Value::as_str) == Some("Kustomization")
}

/// Ciphertext must not become a Secret's content, wherever in it it stands.
fn refuse_encrypted(object: &Value, id: &ObjectId) -> Result<(), Failure> {
    if id.kind != "Secret" || !id.group.is_empty() {
        return Ok(());
    }
    let is_cipher = |field: &str| {
        let values = object.get(field).and_then(Value::as_object);
        values.is_some_and(|values| {
            values
                .values()
                .any(|value| value.as_str().is_some_and(|text| text.starts_with("ENC[")))
        })
    };
    if object.get("sops").is_some() || is_cipher("data") || is_cipher("stringData") {
        return Err(failed(format!(
            "{id} is SOPS encrypted, configuring decryption is required for this secret to be reconciled"
        )));
    }
    Ok(())
}

fn add_metadata(object: &mut Value, common: Option<&CommonMetadata>) {
    let Some(CommonMetadata {
        labels,
        annotations,
    }) = common
    else {
        return;
    };
    for (field, wanted) in [("labels", labels), ("annotations", annotations)] {
        if wanted.is_empty() {
            continue;
        }
        let metadata = object
            .as_object_mut()
            .map(|fields| fields.entry("metadata").or_insert_with(|| json!({})));
        let Some(metadata) = metadata.and_then(Value::as_object_mut) else {
            continue;
        };
        let map = metadata.entry(field).or_insert_with(|| json!({}));
        if !map.is_object() {
            *map = Value::Object(Map::new());
        }
        if let Some(map) = map.as_object_mut() {
            map.extend(
                wanted
                    .iter()
                    .map(|(key, value)| (key.clone(), json!(value))),
            );
        }
    }
}

/// Leaves out what a manifest must not set, and gives Secrets one form.
fn normalize(object: &mut Value, id: &ObjectId) {
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    if id.kind != "CustomResourceDefinition" {
        fields.remove("status");
    }
    if id.kind != "Secret" || !id.group.is_empty() {
        return;
    }
    if let Some(Value::Object(texts)) = fields.remove("stringData") {
        let data = fields.entry("data").or_insert_with(|| json!({}));
        if !data.is_object() {
            *data = Value::Object(Map::new());
        }
        if let Some(data) = data.as_object_mut() {
            for (key, value) in texts {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                data.insert(key, Value::String(STANDARD.encode(text)));
            }
        }
    }
}

#[cfg(test)]
mod tests;
