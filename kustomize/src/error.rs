//! Tells which field of which file a build failed at, why, and the cure.

/// A failed build.
#[derive(Debug, thiserror::Error)]
#[error("failed to build: {place}{fault}", place = Place { file, field })]
pub struct BuildError {
    file: String,
    field: String,
    fault: Box<Fault>,
}

struct Place<'a> {
    file: &'a str,
    field: &'a str,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.file, self.field) {
            ("", "") => Ok(()),
            ("", field) => write!(f, "{field}: "),
            (file, "") => write!(f, "{file}: "),
            (file, field) => write!(f, "{file}: {field}: "),
        }
    }
}

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A path is absolute, a URL, or leaves the tree.
    #[error("path {path:?} {why}; only files and folders of the same source can be used")]
    Path {
        /// As written.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No such file or folder.
    #[error("{0:?} is no file and no folder of the source")]
    Missing(String),
    /// A folder without kustomization.yaml.
    #[error("folder {0:?} has no kustomization.yaml, kustomization.yml or Kustomization")]
    NoKustomization(String),
    /// A folder with several of them.
    #[error("folder {0:?} has more than one kustomization file; keep one")]
    ManyKustomizations(String),
    /// A kustomization, not the top one, without any field.
    #[error("the kustomization is empty; give it resources or remove the reference to it")]
    EmptyKustomization,
    /// A feature that this program does not have.
    #[error("is not supported: {0}")]
    Unsupported(&'static str),
    /// A field that kustomize does not know.
    #[error("is no field of a kustomization; remove it or correct its spelling")]
    UnknownField,
    /// A value of the wrong kind or outside its range.
    #[error("{0}")]
    BadValue(String),
    /// A kustomization that reaches itself.
    #[error("{path:?} is reached from itself or from below itself: {chain}")]
    Cycle {
        /// The folder that closes the cycle.
        path: String,
        /// The folders on the way.
        chain: String,
    },
    /// A limit on the whole build.
    #[error("more than the {max} {what} allowed in one build")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// The text is not YAML.
    #[error("{0}")]
    Yaml(goyaml::Error),
    /// The text is not UTF-8.
    #[error("the file is not UTF-8 text")]
    NotText,
    /// A document that is no Kubernetes object.
    #[error("document {index} is no Kubernetes object: {why}")]
    NotAnObject {
        /// From 1.
        index: usize,
        /// What is missing.
        why: String,
    },
    /// Two objects with one identity.
    #[error("object {0} is there twice; remove one or rename it")]
    Duplicate(String),
    /// A patch, replica count or merge that finds nothing.
    #[error("nothing matches {0}")]
    NoTarget(String),
    /// A patch or reference that finds several where one is wanted.
    #[error("{wanted} matches several objects: {found}")]
    Ambiguous {
        /// What was looked for.
        wanted: String,
        /// The objects found.
        found: String,
    },
    /// A patch that cannot be applied to an object.
    #[error("cannot patch {object}: {why}")]
    Patch {
        /// The object.
        object: String,
        /// What does not fit.
        why: String,
    },
}

impl BuildError {
    /// `file` and `field` may be empty when there is none.
    pub(crate) fn new(file: &str, field: &str, fault: Fault) -> Self {
        Self {
            file: file.to_owned(),
            field: field.to_owned(),
            fault: Box::new(fault),
        }
    }

    /// The file at fault, empty when the request itself is.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The field at fault, such as `resources[2]`; empty when it is the file.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Why.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        &self.fault
    }
}
