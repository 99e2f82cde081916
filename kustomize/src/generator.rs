//! Makes ConfigMaps and Secrets from literals, files and env files.

mod hash;
mod pairs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::accumulate::{Builder, Layer};
use crate::error::{BuildError, Fault};
use crate::kustomization::{Generator, GeneratorOptions};
use crate::resource::Resource;

/// Characters of base64 on one line.
const BASE64_LINE_CHARS: usize = 70;

/// What a generated object does to one that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behavior {
    Create,
    Replace,
    Merge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    ConfigMap,
    Secret,
}

/// Runs the generators of a layer on what it has gathered.
pub(crate) fn run(
    builder: &mut Builder<'_>,
    layer: &Layer<'_>,
    gathered: &mut Vec<Resource>,
) -> Result<(), BuildError> {
    let kustomization = layer.kustomization;
    let maps = kustomization.config_map_generator.iter();
    let maps = maps.map(|g| (Kind::ConfigMap, g)).enumerate();
    let secrets = kustomization.secret_generator.iter();
    let secrets = secrets.map(|g| (Kind::Secret, g)).enumerate();
    for (at, (kind, generator)) in maps.chain(secrets) {
        let field = match kind {
            Kind::ConfigMap => format!("configMapGenerator[{at}]"),
            Kind::Secret => format!("secretGenerator[{at}]"),
        };
        let options = merged_options(generator, kustomization.generator_options.as_ref());
        let made = make(builder, layer, kind, generator, &options)
            .map_err(|fault| layer.at(&field, fault))?;
        let behavior = behavior(&generator.behavior)
            .map_err(|fault| layer.at(&format!("{field}.behavior"), fault))?;
        absorb(gathered, made, behavior).map_err(|fault| layer.at(&field, fault))?;
    }
    Ok(())
}

/// Gives generated objects the hash of their content as a suffix.
pub(crate) fn add_hashes(resources: &mut [Resource]) {
    for resource in resources.iter_mut().filter(|r| r.needs_hash) {
        let name = format!("{}-{}", resource.name(), hash::of(&resource.json));
        resource.remember();
        resource.set_name(&name);
    }
}

fn behavior(text: &str) -> Result<Behavior, Fault> {
    match text {
        "" | "create" => Ok(Behavior::Create),
        "replace" => Ok(Behavior::Replace),
        "merge" => Ok(Behavior::Merge),
        other => Err(Fault::BadValue(format!(
            "{other:?} must be \"create\", \"merge\" or \"replace\""
        ))),
    }
}

/// An entry's own options win over generatorOptions.
fn merged_options(generator: &Generator, global: Option<&GeneratorOptions>) -> GeneratorOptions {
    let mut options = generator.options.clone().unwrap_or_default();
    let Some(global) = global else {
        return options;
    };
    for (key, value) in &global.labels {
        options
            .labels
            .entry(key.clone())
            .or_insert_with(|| value.clone());
    }
    for (key, value) in &global.annotations {
        options
            .annotations
            .entry(key.clone())
            .or_insert_with(|| value.clone());
    }
    options.disable_name_suffix_hash |= global.disable_name_suffix_hash;
    options.immutable |= global.immutable;
    options
}

fn make(
    builder: &mut Builder<'_>,
    layer: &Layer<'_>,
    kind: Kind,
    generator: &Generator,
    options: &GeneratorOptions,
) -> Result<Resource, Fault> {
    if generator.name.is_empty() {
        return Err(Fault::BadValue("name is missing".to_owned()));
    }
    let pairs = pairs::read(builder, layer, generator)?;
    let mut resource = match kind {
        Kind::ConfigMap => config_map(&pairs),
        Kind::Secret => secret(&pairs, &generator.r#type),
    };
    resource.set_name(&generator.name);
    resource.set_namespace(&generator.namespace);
    resource.set_strings("labels", strings(&options.labels));
    resource.set_strings("annotations", strings(&options.annotations));
    if options.immutable
        && let Value::Object(object) = &mut resource.json
    {
        object.insert("immutable".to_owned(), Value::Bool(true));
    }
    resource.needs_hash = !options.disable_name_suffix_hash;
    Ok(resource)
}

fn strings(map: &std::collections::BTreeMap<String, String>) -> Map<String, Value> {
    map.iter()
        .map(|(k, v)| (k.clone(), Value::String(v.clone())))
        .collect()
}

fn config_map(pairs: &[(String, Vec<u8>)]) -> Resource {
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), json!("v1"));
    object.insert("kind".to_owned(), json!("ConfigMap"));
    for (key, content) in pairs {
        let (field, value) = match std::str::from_utf8(content) {
            Ok(text) => ("data", text.to_owned()),
            Err(_) => ("binaryData", base64_lines(content)),
        };
        insert(&mut object, field, key, value);
    }
    Resource::new(Value::Object(object))
}

fn secret(pairs: &[(String, Vec<u8>)], kind: &str) -> Resource {
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), json!("v1"));
    object.insert("kind".to_owned(), json!("Secret"));
    let kind = if kind.is_empty() { "Opaque" } else { kind };
    object.insert("type".to_owned(), json!(kind));
    for (key, content) in pairs {
        insert(&mut object, "data", key, base64_lines(content));
    }
    Resource::new(Value::Object(object))
}

fn insert(object: &mut Map<String, Value>, field: &str, key: &str, value: String) {
    let slot = object
        .entry(field)
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(map) = slot {
        map.insert(key.to_owned(), Value::String(value));
    }
}

/// Base64 as kustomize writes it: broken into lines when it fills one.
fn base64_lines(content: &[u8]) -> String {
    let encoded = STANDARD.encode(content);
    if encoded.len() < BASE64_LINE_CHARS {
        return encoded;
    }
    let mut lines = String::new();
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest
            .split_at_checked(BASE64_LINE_CHARS)
            .unwrap_or((rest, ""));
        lines.push_str(line);
        lines.push('\n');
        rest = more;
    }
    lines
}

/// Adds a generated object, or puts it in the place of the one it changes.
fn absorb(
    gathered: &mut Vec<Resource>,
    mut made: Resource,
    behavior: Behavior,
) -> Result<(), Fault> {
    let id = made.id();
    let mut matches = gathered.iter_mut().filter(|r| r.ever_was(&id));
    let there = matches.next();
    if let Some(another) = matches.next() {
        return Err(Fault::Ambiguous {
            wanted: id.to_string(),
            found: another.id().to_string(),
        });
    }
    match (there, behavior) {
        (None, Behavior::Create) => {
            gathered.push(made);
            Ok(())
        }
        (None, Behavior::Merge | Behavior::Replace) => Err(Fault::NoTarget(id.to_string())),
        (Some(_), Behavior::Create) => Err(Fault::Duplicate(id.to_string())),
        (Some(there), Behavior::Merge) => {
            keep_metadata(&mut made, there);
            merge_map(&mut made, there, "data");
            merge_map(&mut made, there, "binaryData");
            *there = made;
            Ok(())
        }
        (Some(there), Behavior::Replace) => {
            keep_metadata(&mut made, there);
            *there = made;
            Ok(())
        }
    }
}

/// The name, namespace and history stay; labels and annotations add up.
fn keep_metadata(made: &mut Resource, there: &Resource) {
    for field in ["labels", "annotations"] {
        let mut both = there.strings(field);
        both.extend(made.strings(field));
        made.set_strings(field, both);
    }
    made.set_name(there.name());
    made.set_namespace(there.namespace());
    made.previous.clone_from(&there.previous);
    made.prefixes.clone_from(&there.prefixes);
    made.suffixes.clone_from(&there.suffixes);
}

fn merge_map(made: &mut Resource, there: &Resource, field: &str) {
    let map = |r: &Resource| match r.json.get(field) {
        Some(Value::Object(map)) => map.clone(),
        Some(_) | None => Map::new(),
    };
    let mut both = map(there);
    both.extend(map(made));
    if let Value::Object(object) = &mut made.json {
        if both.is_empty() {
            object.remove(field);
        } else {
            let worded = both
                .iter()
                .map(|(k, v)| (k.clone(), crate::resource::worded(v)));
            object.insert(field.to_owned(), Value::Object(worded.collect()));
        }
    }
}
