//! Kustomize in memory: files in, objects out.
//!
//! [`build`] does what `kustomize build` does, on a map of files, with what a
//! Flux Kustomization adds on top ([`Overlay`]). Output is equal byte for byte
//! to kustomize 5.8. Nothing is fetched, no program runs, no state outlives a
//! build, and whatever is not supported is an error that names file and field.
//!
//! ```text
//! kustomization file ─ resources ─ generators ─ components ─ transformers ┐
//!        ▲ nested bases: the same, one level down                         │
//!        └──────────── top level only: hashes ─ references ─ order ◄──────┘
//! ```

mod accumulate;
mod error;
mod field;
mod generator;
mod id;
mod kustomization;
mod limits;
mod object;
mod order;
mod overlay;
mod patch;
mod path;
mod read;
mod references;
mod resource;
mod transform;
mod tree;

pub use error::{BuildError, Fault};
pub use kustomization::{Image, Patch, PatchOptions, Selector};
pub use limits::Limits;
pub use object::{Object, to_yaml};
pub use overlay::Overlay;
pub use path::RelPath;
pub use tree::Tree;

/// Builds the folder `path` of `tree` with `overlay` on top.
///
/// An empty `path`, `.` and `./` mean the root. Objects come in the order in
/// which `kustomize build` prints them.
///
/// # Errors
/// Anything that kustomize refuses, anything that leaves the tree, anything
/// not supported, and more than `limits` allow.
pub fn build(
    tree: &Tree,
    path: &str,
    overlay: &Overlay,
    limits: &Limits,
) -> Result<Vec<Object>, BuildError> {
    let root = RelPath::parse(path).map_err(|fault| BuildError::new("", "path", fault))?;
    accumulate::build(tree, &root, overlay, limits)
}
