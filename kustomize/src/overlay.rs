//! Adds what a Flux Kustomization says to the kustomization of its folder.
//!
//! The rules are those of kustomize-controller's generator: the namespace and
//! the name affixes overwrite, patches and components come after the file's
//! own, images replace those of the same name. A folder without kustomization
//! file gets one made of its manifests.

use crate::error::{BuildError, Fault};
use crate::kustomization::{Image, Kustomization, Patch};
use crate::limits::Limits;
use crate::path::RelPath;
use crate::read;
use crate::tree::Tree;

/// What a Flux Kustomization adds to a build. The default adds nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    /// `spec.targetNamespace`.
    pub target_namespace: Option<String>,
    /// `spec.namePrefix`.
    pub name_prefix: Option<String>,
    /// `spec.nameSuffix`.
    pub name_suffix: Option<String>,
    /// `spec.patches`.
    pub patches: Vec<Patch>,
    /// `spec.images`.
    pub images: Vec<Image>,
    /// `spec.components`: relative paths.
    pub components: Vec<String>,
    /// `spec.ignoreMissingComponents`.
    pub ignore_missing_components: bool,
}

/// The names of a kustomization file, in the order of preference.
pub(crate) const FILE_NAMES: [&str; 3] =
    ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The kustomization files of a folder.
pub(crate) fn files_of(tree: &Tree, folder: &RelPath) -> Vec<RelPath> {
    FILE_NAMES
        .iter()
        .filter_map(|name| folder.join(name).ok())
        .filter(|path| tree.file(path).is_some())
        .collect()
}

impl Overlay {
    /// Puts this on top of a folder's kustomization.
    pub(crate) fn apply(
        &self,
        kustomization: &mut Kustomization,
        tree: &Tree,
        folder: &RelPath,
    ) -> Result<(), BuildError> {
        let Self {
            target_namespace,
            name_prefix,
            name_suffix,
            patches,
            images,
            components,
            ignore_missing_components,
        } = self;
        overwrite(&mut kustomization.namespace, target_namespace.as_ref());
        overwrite(&mut kustomization.name_prefix, name_prefix.as_ref());
        overwrite(&mut kustomization.name_suffix, name_suffix.as_ref());
        kustomization.patches.extend(patches.iter().cloned());
        for image in images {
            merge_image(&mut kustomization.images, image);
        }
        for (at, component) in components.iter().enumerate() {
            let path = folder
                .join(component)
                .map_err(|fault| BuildError::new("", &format!("spec.components[{at}]"), fault))?;
            if !ignore_missing_components || tree.has_folder(&path) {
                kustomization.components.push(component.clone());
            }
        }
        Ok(())
    }
}

fn overwrite(field: &mut String, value: Option<&String>) {
    if let Some(value) = value.filter(|v| !v.is_empty()) {
        field.clone_from(value);
    }
}

fn merge_image(images: &mut Vec<Image>, image: &Image) {
    let Some(there) = images.iter_mut().find(|i| i.name == image.name) else {
        images.push(image.clone());
        return;
    };
    if !image.new_name.is_empty() {
        there.new_name.clone_from(&image.new_name);
    }
    // Tag and digest are one value: a new tag must not keep an old digest.
    if !image.new_tag.is_empty() || !image.digest.is_empty() {
        there.new_tag.clone_from(&image.new_tag);
        there.digest.clone_from(&image.digest);
    }
}

/// Makes the kustomization of a folder that has none: every manifest in it is
/// a resource, and so is every sub-folder with a kustomization of its own.
pub(crate) fn generate(
    tree: &Tree,
    folder: &RelPath,
    limits: &Limits,
) -> Result<Kustomization, BuildError> {
    let mut resources = Vec::new();
    let mut entered: Vec<RelPath> = Vec::new();
    for (path, content) in tree.below(folder) {
        if entered.iter().any(|dir| dir.contains(path)) {
            continue;
        }
        if let Some(dir) = own_kustomization(tree, folder, path) {
            resources.push(below(folder, &dir));
            entered.push(dir);
            continue;
        }
        if !path.as_str().ends_with(".yaml") && !path.as_str().ends_with(".yml") {
            continue;
        }
        read::resources(content, limits)
            .map_err(|fault| BuildError::new(path.as_str(), "", fault))?;
        resources.push(below(folder, path));
    }
    Ok(Kustomization {
        resources,
        ..Kustomization::default()
    })
}

/// The outermost folder between `root` and a file that has a kustomization.
fn own_kustomization(tree: &Tree, root: &RelPath, file: &RelPath) -> Option<RelPath> {
    let mut found = None;
    let mut dir = file.parent();
    while dir != *root && root.contains(&dir) {
        if !files_of(tree, &dir).is_empty() {
            found = Some(dir.clone());
        }
        dir = dir.parent();
    }
    found
}

/// The path relative to a folder above it.
fn below(folder: &RelPath, path: &RelPath) -> String {
    let rest = path
        .as_str()
        .strip_prefix(folder.as_str())
        .unwrap_or_default();
    rest.trim_start_matches('/').to_owned()
}

/// Reads the kustomization of a folder, if it has one.
pub(crate) fn existing(
    tree: &Tree,
    folder: &RelPath,
    limits: &Limits,
) -> Result<Option<(RelPath, Kustomization)>, BuildError> {
    let files = files_of(tree, folder);
    if files.len() > 1 {
        let fault = Fault::ManyKustomizations(folder.to_string());
        return Err(BuildError::new("", "", fault));
    }
    let Some(file) = files.into_iter().next() else {
        return Ok(None);
    };
    let fail = |fault| BuildError::new(file.as_str(), "", fault);
    let content = tree.file(&file).unwrap_or_default();
    let document = read::document(content, limits).map_err(fail)?;
    let kustomization = Kustomization::read(file.as_str(), document)?;
    Ok(Some((file, kustomization)))
}
