//! Changes names, tags and digests of images.

use regex::Regex;
use serde_json::Value;

use crate::error::Fault;
use crate::field::{self, Create};
use crate::kustomization::Image;
use crate::resource::Resource;

/// Where images stand besides `containers` and `initContainers` anywhere.
const PATHS: &[&str] = &[
    "spec/volumes[]/image/reference",
    "spec/template/spec/volumes[]/image/reference",
];

/// Changes one image everywhere but in CustomResourceDefinitions.
pub(super) fn run(resources: &mut [Resource], image: &Image) -> Result<(), Fault> {
    // kustomize takes the name for a regular expression, and so do we.
    let pattern = format!(
        "^{}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$",
        image.name
    );
    let pattern = Regex::new(&pattern)
        .map_err(|_| Fault::BadValue(format!("name {:?} is no image name", image.name)))?;
    let change = &mut |slot: &mut Value| {
        if let Value::String(reference) = slot
            && pattern.is_match(reference)
        {
            *reference = changed(reference, image);
        }
        Ok(())
    };
    for resource in resources {
        if resource.kind() == "CustomResourceDefinition" {
            continue;
        }
        walk(&mut resource.json, change)?;
        for path in PATHS {
            field::visit(&mut resource.json, path, Create::Nothing, change)?;
        }
    }
    Ok(())
}

/// Finds lists named `containers` or `initContainers` at any depth.
fn walk(json: &mut Value, change: &mut field::Visit<'_>) -> Result<(), Fault> {
    match json {
        Value::Object(object) => {
            for (key, value) in object {
                walk(value, change)?;
                if key == "containers" || key == "initContainers" {
                    let containers = value.as_array_mut().into_iter().flatten();
                    for image in containers.filter_map(|c| c.get_mut("image")) {
                        change(image)?;
                    }
                }
            }
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| walk(item, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn changed(reference: &str, image: &Image) -> String {
    let (name, tag, digest) = split(reference);
    let name = if image.new_name.is_empty() {
        name
    } else {
        &image.new_name
    };
    // A new tag or digest replaces both: the old ones name another image.
    let (tag, digest) = match (image.new_tag.as_str(), image.digest.as_str()) {
        ("", "") if image.tag_suffix.is_empty() => (tag.to_owned(), digest),
        ("", "") => (format!("{tag}{}", image.tag_suffix), ""),
        (new_tag, new_digest) => (new_tag.to_owned(), new_digest),
    };
    let mut changed = name.to_owned();
    if !tag.is_empty() {
        changed = format!("{changed}:{tag}");
    }
    if !digest.is_empty() {
        changed = format!("{changed}@{digest}");
    }
    changed
}

/// Name, tag and digest; a colon in the host part is a port.
fn split(reference: &str) -> (&str, &str, &str) {
    let (rest, digest) = reference.split_once('@').unwrap_or((reference, ""));
    let path = match rest.find('/') {
        Some(slash) if slash > 0 => slash,
        Some(_) | None => 0,
    };
    let colon = rest
        .get(path..)
        .and_then(|p| p.find(':'))
        .map(|at| at.saturating_add(path));
    match colon.and_then(|at| rest.split_at_checked(at)) {
        Some((name, tag)) => (name, tag.trim_start_matches(':'), digest),
        None => (rest, "", digest),
    }
}
