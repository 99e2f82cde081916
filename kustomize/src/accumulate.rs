//! Walks from the top kustomization down and gathers transformed resources.
//!
//! A nested kustomization is built on its own and then added; a component
//! works on what its user has gathered so far.

use std::collections::BTreeSet;

use crate::error::{BuildError, Fault};
use crate::generator;
use crate::kustomization::{Kustomization, Role};
use crate::limits::Limits;
use crate::object::Object;
use crate::order;
use crate::overlay::{self, Overlay};
use crate::path::RelPath;
use crate::read;
use crate::references;
use crate::resource::Resource;
use crate::transform;
use crate::tree::Tree;

/// Builds one folder with an overlay.
pub(crate) fn build(
    tree: &Tree,
    folder: &RelPath,
    overlay: &Overlay,
    limits: &Limits,
) -> Result<Vec<Object>, BuildError> {
    if !folder.as_str().is_empty() && !tree.has_folder(folder) {
        let fault = Fault::Missing(folder.to_string());
        return Err(BuildError::new("", "path", fault));
    }
    let (file, mut kustomization) = match overlay::existing(tree, folder, limits)? {
        Some(found) => found,
        None => (folder.clone(), overlay::generate(tree, folder, limits)?),
    };
    overlay.apply(&mut kustomization, tree, folder)?;
    let mut builder = Builder {
        tree,
        limits,
        open: vec![folder.clone()],
        kustomizations: 1,
        files: 0,
        bytes: 0,
    };
    let layer = Layer {
        file: file.as_str(),
        folder,
        kustomization: &kustomization,
    };
    layer.check_role(Role::Kustomization)?;
    let mut resources = builder.layer(&layer, Vec::new())?;
    generator::add_hashes(&mut resources);
    references::update(&mut resources)
        .map_err(|fault| BuildError::new(file.as_str(), "", fault))?;
    resources.retain(|r| !is_local(r));
    order::sort(&mut resources, kustomization.sort_options.as_ref())
        .map_err(|fault| layer.at("sortOptions", fault))?;
    Ok(resources.into_iter().map(transform::finish).collect())
}

/// One kustomization file in work.
pub(crate) struct Layer<'a> {
    pub(crate) file: &'a str,
    pub(crate) folder: &'a RelPath,
    pub(crate) kustomization: &'a Kustomization,
}

impl Layer<'_> {
    /// An error at a field of this file.
    pub(crate) fn at(&self, field: &str, fault: Fault) -> BuildError {
        BuildError::new(self.file, field, fault)
    }

    fn check_role(&self, role: Role) -> Result<(), BuildError> {
        self.kustomization
            .check_role(role)
            .map_err(|(field, fault)| self.at(field, fault))
    }
}

/// What one build has spent, and the folders it is inside of.
pub(crate) struct Builder<'a> {
    tree: &'a Tree,
    pub(crate) limits: &'a Limits,
    open: Vec<RelPath>,
    kustomizations: usize,
    files: usize,
    bytes: usize,
}

impl<'a> Builder<'a> {
    /// Runs one kustomization on top of `gathered`.
    fn layer(
        &mut self,
        layer: &Layer<'_>,
        mut gathered: Vec<Resource>,
    ) -> Result<Vec<Resource>, BuildError> {
        for (at, path) in layer.kustomization.resources.iter().enumerate() {
            let field = format!("resources[{at}]");
            let more = self.resource(layer, &field, path)?;
            self.append(&mut gathered, more)
                .map_err(|fault| layer.at(&field, fault))?;
        }
        generator::run(self, layer, &mut gathered)?;
        for (at, path) in layer.kustomization.components.iter().enumerate() {
            let field = format!("components[{at}]");
            let folder = layer
                .folder
                .join(path)
                .map_err(|fault| layer.at(&field, fault))?;
            if !self.tree.has_folder(&folder) {
                return Err(layer.at(&field, Fault::Missing(folder.to_string())));
            }
            gathered = self.nested(layer, &field, &folder, Role::Component, gathered)?;
        }
        transform::run(self, layer, gathered)
    }

    /// Reads a file, or builds a folder.
    fn resource(
        &mut self,
        layer: &Layer<'_>,
        field: &str,
        path: &str,
    ) -> Result<Vec<Resource>, BuildError> {
        let target = layer
            .folder
            .join(path)
            .map_err(|fault| layer.at(field, fault))?;
        if self.tree.file(&target).is_some() {
            let content = self.file(&target).map_err(|fault| layer.at(field, fault))?;
            return read::resources(content, self.limits)
                .map_err(|fault| BuildError::new(target.as_str(), "", fault));
        }
        // The root itself is a folder, even of an empty tree.
        if !target.as_str().is_empty() && !self.tree.has_folder(&target) {
            return Err(layer.at(field, Fault::Missing(target.to_string())));
        }
        self.nested(layer, field, &target, Role::Kustomization, Vec::new())
    }

    fn nested(
        &mut self,
        layer: &Layer<'_>,
        field: &str,
        folder: &RelPath,
        role: Role,
        gathered: Vec<Resource>,
    ) -> Result<Vec<Resource>, BuildError> {
        self.enter(folder).map_err(|fault| layer.at(field, fault))?;
        let (file, kustomization) = overlay::existing(self.tree, folder, self.limits)?
            .ok_or_else(|| layer.at(field, Fault::NoKustomization(folder.to_string())))?;
        let nested = Layer {
            file: file.as_str(),
            folder,
            kustomization: &kustomization,
        };
        nested.check_role(role)?;
        if kustomization.is_empty {
            return Err(nested.at("", Fault::EmptyKustomization));
        }
        let gathered = self.layer(&nested, gathered)?;
        self.open.pop();
        Ok(gathered)
    }

    fn enter(&mut self, folder: &RelPath) -> Result<(), Fault> {
        // kustomize refuses ancestors too: what is below would be read again.
        if self.open.iter().any(|open| folder.contains(open)) {
            let chain: Vec<String> = self.open.iter().map(RelPath::to_string).collect();
            return Err(Fault::Cycle {
                path: folder.to_string(),
                chain: chain.join(" → "),
            });
        }
        if self.open.len() >= self.limits.depth_max {
            return Err(Fault::TooMuch {
                what: "levels of nested kustomizations",
                max: self.limits.depth_max,
            });
        }
        self.kustomizations = self.kustomizations.saturating_add(1);
        if self.kustomizations > self.limits.kustomizations_max {
            return Err(Fault::TooMuch {
                what: "kustomizations",
                max: self.limits.kustomizations_max,
            });
        }
        self.open.push(folder.clone());
        Ok(())
    }

    /// The content of a file, paid for.
    pub(crate) fn file(&mut self, path: &RelPath) -> Result<&'a [u8], Fault> {
        let content = self
            .tree
            .file(path)
            .ok_or_else(|| Fault::Missing(path.to_string()))?;
        self.files = self.files.saturating_add(1);
        self.bytes = self.bytes.saturating_add(content.len());
        if self.files > self.limits.files_max {
            return Err(Fault::TooMuch {
                what: "files",
                max: self.limits.files_max,
            });
        }
        if self.bytes > self.limits.bytes_max {
            return Err(Fault::TooMuch {
                what: "bytes of files",
                max: self.limits.bytes_max,
            });
        }
        Ok(content)
    }

    /// Adds resources; none may be there already.
    fn append(&self, to: &mut Vec<Resource>, more: Vec<Resource>) -> Result<(), Fault> {
        if to.len().saturating_add(more.len()) > self.limits.objects_max {
            return Err(Fault::TooMuch {
                what: "objects",
                max: self.limits.objects_max,
            });
        }
        to.extend(more);
        check_unique(to)
    }
}

/// Fails when two resources have one identity.
pub(crate) fn check_unique(resources: &[Resource]) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    for id in resources.iter().map(Resource::id) {
        if !seen.insert(id.clone()) {
            return Err(Fault::Duplicate(id.to_string()));
        }
    }
    Ok(())
}

/// Objects for local tools only are not printed.
fn is_local(resource: &Resource) -> bool {
    let annotations = resource.json.pointer("/metadata/annotations");
    annotations
        .and_then(|a| a.get("config.kubernetes.io/local-config"))
        .is_some_and(|value| value.as_str() != Some("false"))
}
