//! What can go wrong when objects are written, in words that name the object.

use crate::object::{NotAnObject, ObjectId};

/// Why objects were not applied, pruned or healthy.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A document of the build is not an object.
    #[error("failed to read the build")]
    Read(#[from] NotAnObject),
    /// The cluster does not serve the kind.
    #[error("{id} dry-run failed: no matches for kind {:?} in version {:?}; install its CustomResourceDefinition first", id.kind, id.api_version())]
    UnknownKind {
        /// The object.
        id: ObjectId,
    },
    /// The kinds of the cluster could not be asked for.
    #[error("{id}: failed to ask the cluster for its kinds")]
    Discover {
        /// The object.
        id: ObjectId,
        /// The client's error.
        source: Box<kube::Error>,
    },
    /// A namespaced object has no namespace.
    #[error("{id} namespace not specified: set metadata.namespace or spec.targetNamespace")]
    NoNamespace {
        /// The object.
        id: ObjectId,
    },
    /// The API server refused the object in a dry run.
    #[error("{id} dry-run failed ({}): {}", .refusal.reason, .refusal.message)]
    DryRun {
        /// The object.
        id: ObjectId,
        /// What the server said, without secret values.
        refusal: Refusal,
    },
    /// The API server refused the object.
    #[error("{id} apply failed ({}): {}", .refusal.reason, .refusal.message)]
    Apply {
        /// The object.
        id: ObjectId,
        /// What the server said, without secret values.
        refusal: Refusal,
    },
    /// The API server refused to delete the object.
    #[error("{id} delete failed ({}): {}", .refusal.reason, .refusal.message)]
    Delete {
        /// The object.
        id: ObjectId,
        /// What the server said, without secret values.
        refusal: Refusal,
    },
    /// A definition did not become ready for the objects that need it.
    #[error("timeout waiting for: [{waiting}]")]
    Definitions {
        /// The objects waited for, with their states.
        waiting: String,
    },
}

/// What the API server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP code; 0 when there was no answer.
    pub code: u16,
    /// Kubernetes' reason, or `Unreachable`.
    pub reason: String,
    /// Its message.
    pub message: String,
}

impl Refusal {
    /// Takes what may be told from a client error: of a Secret only the fields, never the values.
    #[must_use]
    pub fn of(error: &kube::Error, id: &ObjectId) -> Self {
        let kube::Error::Api(status) = error else {
            return Self {
                code: 0,
                reason: "Unreachable".to_owned(),
                message: chain(error),
            };
        };
        let message = if id.kind == "Secret" && id.group.is_empty() {
            secret_message(status)
        } else {
            status.message.clone()
        };
        let reason = if status.reason.is_empty() {
            format!("HTTP {}", status.code)
        } else {
            status.reason.clone()
        };
        Self {
            code: status.code,
            reason,
            message,
        }
    }

    /// Whether an unchangeable field was to be changed.
    #[must_use]
    pub fn is_immutable(&self) -> bool {
        self.message.contains("is immutable") || self.message.contains("immutable field")
    }
}

/// The names of the fields that the server complained of; its sentences may quote values.
fn secret_message(status: &kube::core::Status) -> String {
    let fields: Vec<&str> = status
        .details
        .iter()
        .flat_map(|details| details.causes.iter())
        .map(|cause| cause.field.as_str())
        .filter(|field| !field.is_empty())
        .collect();
    let immutable = if status.message.contains("immutable") {
        "; a field is immutable"
    } else {
        ""
    };
    match fields.as_slice() {
        [] => format!("the Secret was refused; its values are not shown{immutable}"),
        fields => format!(
            "the Secret was refused at {}; its values are not shown{immutable}",
            fields.join(", ")
        ),
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        // Some libraries repeat the cause in their own text.
        if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        next = cause.source();
    }
    out
}

impl ApplyError {
    /// HTTP code of the server's answer, 0 when it gave none.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::DryRun { refusal, .. }
            | Self::Apply { refusal, .. }
            | Self::Delete { refusal, .. } => refusal.code,
            Self::Read(_)
            | Self::UnknownKind { .. }
            | Self::Discover { .. }
            | Self::NoNamespace { .. }
            | Self::Definitions { .. } => 0,
        }
    }
}
