//! Why a route cannot be worded or read. Users see these: field, value, cure.

/// Why a route cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The Canary lacks what the mesh must have.
    #[error("{field} is missing: {cure}")]
    Missing {
        /// Path of the field.
        field: String,
        /// What to write there.
        cure: String,
    },
    /// The mesh cannot do what the field asks for.
    #[error("{field} is {value:?}: {cure}")]
    Unsupported {
        /// Path of the field.
        field: String,
        /// What is there.
        value: String,
        /// Why not, and what works.
        cure: String,
    },
}

impl RenderError {
    /// The Canary lacks `field`.
    pub(crate) fn missing(field: &str, cure: &str) -> Self {
        Self::Missing {
            field: field.to_owned(),
            cure: cure.to_owned(),
        }
    }

    /// The mesh cannot do what `field` asks for.
    pub(crate) fn unsupported(
        field: impl Into<String>,
        value: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self::Unsupported {
            field: field.into(),
            value: value.into(),
            cure: cure.into(),
        }
    }
}

/// Why the split cannot be told from the live objects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The object does not exist.
    #[error("{kind} {name:?} does not exist")]
    Missing {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// No rule splits between primary and canary.
    #[error("{kind} {name:?} has no rule with {primary:?} and {canary:?}")]
    NoRule {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// The primary's Service.
        primary: String,
        /// The canary's Service.
        canary: String,
    },
    /// Weights that are no split.
    #[error("{kind} {name:?} has weights {primary} and {canary}, which are not a split of 100")]
    Weights {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// The primary's weight.
        primary: i64,
        /// The canary's weight.
        canary: i64,
    },
    /// The ports of one Canary are split in different ways.
    #[error(
        "the canary has {share} of port {port:?} and {first} of service.port, which go together"
    )]
    Apart {
        /// Name of the further port.
        port: String,
        /// The canary's share there, in words.
        share: String,
        /// That of `service.port`.
        first: String,
    },
    /// A gateway has not looked at what was written last; it will in a moment.
    #[error("{kind} {name:?}: {parent:?} has not looked at generation {generation} yet")]
    Unseen {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// The gateway.
        parent: String,
        /// What was written last.
        generation: i64,
    },
    /// A gateway refused the route.
    #[error("{kind} {name:?} is not accepted by {parent:?}: {why}")]
    NotAccepted {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// The gateway.
        parent: String,
        /// What the gateway says.
        why: String,
    },
}
