//! Applies patches: finds the objects, tells the two kinds of patch apart.

mod merge_keys;
mod selector;
mod strategic;

use serde_json::Value;

use crate::accumulate::{Builder, Layer, check_unique};
use crate::error::{BuildError, Fault};
use crate::id::Id;
use crate::kustomization::{Patch, PatchOptions, Selector};
use crate::limits::Limits;
use crate::read;
use crate::resource::Resource;
pub(crate) use selector::Matcher;

/// What a patch text turned out to be.
enum Body {
    /// Objects to merge in.
    Merge(Vec<Resource>),
    /// JSON 6902 operations.
    Operations(json_patch::Patch),
}

/// Applies `patches`.
pub(crate) fn run(
    builder: &mut Builder<'_>,
    layer: &Layer<'_>,
    resources: &mut Vec<Resource>,
) -> Result<(), BuildError> {
    for (at, patch) in layer.kustomization.patches.iter().enumerate() {
        one(builder, layer, resources, patch)
            .map_err(|fault| layer.at(&format!("patches[{at}]"), fault))?;
    }
    Ok(())
}

/// Applies `patchesStrategicMerge`: files, or the patch itself.
pub(crate) fn merge_files(
    builder: &mut Builder<'_>,
    layer: &Layer<'_>,
    resources: &mut Vec<Resource>,
) -> Result<(), BuildError> {
    for (at, entry) in layer
        .kustomization
        .patches_strategic_merge
        .iter()
        .enumerate()
    {
        merge_file(builder, layer, resources, entry)
            .map_err(|fault| layer.at(&format!("patchesStrategicMerge[{at}]"), fault))?;
    }
    Ok(())
}

fn merge_file(
    builder: &mut Builder<'_>,
    layer: &Layer<'_>,
    resources: &mut Vec<Resource>,
    entry: &str,
) -> Result<(), Fault> {
    let inline = read::resources(entry.as_bytes(), builder.limits);
    let patches = match inline {
        Ok(patches) if !patches.is_empty() => patches,
        Ok(_) | Err(_) => {
            let content = builder.file(&layer.folder.join(entry)?)?;
            read::resources(content, builder.limits)?
        }
    };
    for patch in &patches {
        merge_by_id(resources, patch, PatchOptions::default())?;
    }
    Ok(())
}

/// Applies `patchesJson6902`, whose target must have a name.
pub(crate) fn json_files(
    builder: &mut Builder<'_>,
    layer: &Layer<'_>,
    resources: &mut [Resource],
) -> Result<(), BuildError> {
    for (at, patch) in layer.kustomization.patches_json6902.iter().enumerate() {
        json_file(builder, layer, resources, patch)
            .map_err(|fault| layer.at(&format!("patchesJson6902[{at}]"), fault))?;
    }
    Ok(())
}

fn json_file(
    builder: &mut Builder<'_>,
    layer: &Layer<'_>,
    resources: &mut [Resource],
    patch: &Patch,
) -> Result<(), Fault> {
    let target = patch.target.as_ref().filter(|t| !t.name.is_empty());
    let Some(target) = target else {
        return Err(Fault::BadValue("target with a name is missing".to_owned()));
    };
    let text = text_of(builder, layer, patch)?;
    let operations = operations(text.as_bytes(), builder.limits)?;
    let matcher = Matcher::new(target)?;
    resources
        .iter_mut()
        .filter(|r| matcher.matches(r))
        .try_for_each(|resource| operate(resource, &operations))
}

fn one(
    builder: &mut Builder<'_>,
    layer: &Layer<'_>,
    resources: &mut Vec<Resource>,
    patch: &Patch,
) -> Result<(), Fault> {
    let text = text_of(builder, layer, patch)?;
    let options = patch.options.unwrap_or_default();
    match (body(text.as_bytes(), builder.limits)?, &patch.target) {
        (Body::Merge(patches), None) => patches
            .iter()
            .try_for_each(|patch| merge_by_id(resources, patch, options)),
        (Body::Merge(patches), Some(target)) => match patches.as_slice() {
            [] => Ok(()),
            [patch] => merge_selected(resources, patch, target, options),
            [_, _, ..] => Err(Fault::BadValue(
                "several strategic merge patches in one entry cannot have a target".to_owned(),
            )),
        },
        (Body::Operations(_), None) => Err(Fault::BadValue(
            "a JSON 6902 patch needs a target".to_owned(),
        )),
        (Body::Operations(operations), Some(target)) => {
            let matcher = Matcher::new(target)?;
            for resource in resources.iter_mut().filter(|r| matcher.matches(r)) {
                resource.remember();
                operate(resource, &operations)?;
            }
            Ok(())
        }
    }
}

fn text_of(builder: &mut Builder<'_>, layer: &Layer<'_>, patch: &Patch) -> Result<String, Fault> {
    let inline = patch.patch.trim();
    match (inline.is_empty(), patch.path.is_empty()) {
        (true, true) => Err(Fault::BadValue("patch or path is missing".to_owned())),
        (false, false) => Err(Fault::BadValue(
            "patch and path cannot both be set".to_owned(),
        )),
        (false, true) => Ok(inline.to_owned()),
        (true, false) => {
            let content = builder.file(&layer.folder.join(&patch.path)?)?;
            let text = std::str::from_utf8(content).map_err(|_| Fault::NotText)?;
            Ok(text.to_owned())
        }
    }
}

/// A list is operations; anything else must be objects.
fn body(bytes: &[u8], limits: &Limits) -> Result<Body, Fault> {
    match read::resources(bytes, limits) {
        Ok(patches) => Ok(Body::Merge(patches)),
        Err(fault) => match read::document(bytes, limits) {
            Ok(Value::Array(_)) => operations(bytes, limits).map(Body::Operations),
            Ok(_) | Err(_) => Err(fault),
        },
    }
}

fn operations(bytes: &[u8], limits: &Limits) -> Result<json_patch::Patch, Fault> {
    let document = read::document(bytes, limits)?;
    serde_json::from_value(document).map_err(|e| {
        let why = goyaml::describe_mismatch(&e);
        Fault::BadValue(format!(
            "the patch is no list of JSON 6902 operations: {why}"
        ))
    })
}

fn operate(resource: &mut Resource, operations: &json_patch::Patch) -> Result<(), Fault> {
    let object = resource.id().to_string();
    json_patch::patch(&mut resource.json, operations).map_err(|e| Fault::Patch {
        object,
        why: e.to_string(),
    })
}

/// Merges a patch into the one object whose identity it has.
fn merge_by_id(
    resources: &mut Vec<Resource>,
    patch: &Resource,
    options: PatchOptions,
) -> Result<(), Fault> {
    let at = find(resources, &patch.id())?;
    let Some(resource) = resources.get_mut(at) else {
        return Ok(());
    };
    if !merge_one(resource, &patch.json, options)? {
        resources.remove(at);
    }
    check_unique(resources)
}

fn merge_selected(
    resources: &mut Vec<Resource>,
    patch: &Resource,
    target: &Selector,
    options: PatchOptions,
) -> Result<(), Fault> {
    let matcher = Matcher::new(target)?;
    let mut patch = patch.clone();
    for field in ["labels", "annotations"] {
        if patch.json.pointer(&format!("/metadata/{field}")).is_some() {
            let strings = patch.strings(field);
            // kustomize makes strings of these, of null too: it deletes none.
            let nulls = nulls_in(&patch.json, field);
            patch.set_strings(field, strings);
            patch.metadata().entry(field).and_modify(|map| {
                for key in &nulls {
                    set_word(map, key, "null");
                }
            });
        }
    }
    let mut kept = Vec::with_capacity(resources.len());
    for mut resource in resources.drain(..) {
        if matcher.matches(&resource) {
            let mut patch = patch.json.clone();
            if let (Value::Object(patch), Some(version)) =
                (&mut patch, resource.json.get("apiVersion"))
            {
                patch.insert("apiVersion".to_owned(), version.clone());
            }
            if !merge_one(&mut resource, &patch, options)? {
                continue;
            }
        }
        kept.push(resource);
    }
    *resources = kept;
    check_unique(resources)
}

/// The keys of labels or annotations that are null.
fn nulls_in(json: &Value, field: &str) -> Vec<String> {
    let map = json.get("metadata").and_then(|m| m.get(field));
    let pairs = map.and_then(Value::as_object).into_iter().flatten();
    pairs
        .filter(|(_, value)| value.is_null())
        .map(|(key, _)| key.clone())
        .collect()
}

fn set_word(map: &mut Value, key: &str, word: &str) {
    if let Some(slot) = map.get_mut(key) {
        *slot = Value::from(word);
    }
}

/// Merges, and says whether anything is left of the object.
fn merge_one(resource: &mut Resource, patch: &Value, options: PatchOptions) -> Result<bool, Fault> {
    let PatchOptions {
        allow_name_change,
        allow_kind_change,
    } = options;
    let before = resource.id();
    let (name, kind) = (resource.name().to_owned(), resource.kind().to_owned());
    let namespace = resource.namespace().to_owned();
    if allow_name_change || allow_kind_change {
        resource.remember();
    }
    let merged = strategic::merge_object(std::mem::take(&mut resource.json), patch);
    let merged = merged.map_err(|why| Fault::Patch {
        object: before.to_string(),
        why,
    })?;
    let Some(merged) = merged else {
        return Ok(false);
    };
    resource.json = merged;
    if !allow_kind_change {
        resource.set_kind(&kind);
    }
    if !allow_name_change {
        resource.set_name(&name);
    }
    resource.set_namespace(&namespace);
    Ok(true)
}

/// The one resource that is, or was, `id`.
fn find(resources: &[Resource], id: &Id) -> Result<usize, Fault> {
    let mut matches = resources.iter().enumerate().filter(|(_, r)| r.ever_was(id));
    let Some((at, first)) = matches.next() else {
        return Err(Fault::NoTarget(id.to_string()));
    };
    match matches.next() {
        None => Ok(at),
        Some((_, second)) => Err(Fault::Ambiguous {
            wanted: id.to_string(),
            found: format!("{}, {}", first.id(), second.id()),
        }),
    }
}
