//! Says why a query was not answered. Does not print labels' values beyond
//! those a user wrote or stored.

/// Why a query was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The text is longer than we read.
    #[error("refused a query of {bytes} bytes, the limit is {bytes_max}")]
    QueryTooLong {
        /// Length of the query in bytes.
        bytes: usize,
        /// The limit in bytes.
        bytes_max: usize,
    },
    /// The expression is nested more deeply than we evaluate.
    #[error("refused a query nested more than {depth_max} levels deep")]
    QueryTooDeep {
        /// The limit in levels.
        depth_max: u32,
    },
    /// The text is no PromQL; the parser's words follow.
    #[error("failed to parse query: {reason}")]
    Parse {
        /// What the parser said.
        reason: String,
    },
    /// The language has it, this evaluator does not.
    #[error("{what} {name:?} is not supported here")]
    Unsupported {
        /// `function`, `aggregation`, `operator` or `modifier`.
        what: &'static str,
        /// Its name in the query.
        name: String,
    },
    /// The query touches more samples than the budget of one query.
    #[error("query touches more than {samples_max} samples")]
    TooManySamples {
        /// The limit in samples.
        samples_max: u64,
    },
    /// A range query asks for more steps than we answer.
    #[error("refused a range of {steps} steps, the limit is {steps_max}")]
    TooManySteps {
        /// Steps asked for.
        steps: u64,
        /// The limit in steps.
        steps_max: u64,
    },
    /// A range query whose times make no sense.
    #[error("refused a range query with step {step_ms} ms from {start_ms} to {end_ms}")]
    BadRange {
        /// Step in milliseconds.
        step_ms: i64,
        /// Start in Unix milliseconds.
        start_ms: i64,
        /// End in Unix milliseconds.
        end_ms: i64,
    },
    /// Two results would have the same labels.
    #[error("vector cannot contain metrics with the same labelset")]
    SameLabels,
    /// Several series stand on the side that must have one.
    #[error(
        "found duplicate series for the match group {group} on the {side} side of the operation: many-to-many matching not allowed, matching labels must be unique on one side"
    )]
    ManyToMany {
        /// The labels they were matched by.
        group: String,
        /// `left` or `right`.
        side: &'static str,
    },
    /// Several series match one, and the query does not say group_left or group_right.
    #[error(
        "multiple matches for labels {group}: many-to-one matching must be explicit (group_left/group_right)"
    )]
    ManyToOne {
        /// The labels they were matched by.
        group: String,
    },
    /// group_left or group_right gives two results the same labels.
    #[error("multiple matches for labels: grouping labels must ensure unique matches")]
    GroupNotUnique,
    /// A parameter has a value the function cannot take.
    #[error("{function} cannot take {value:?} as {parameter}")]
    BadParameter {
        /// The function or aggregation.
        function: String,
        /// Which parameter.
        parameter: &'static str,
        /// What was given.
        value: String,
    },
    /// A value of another type than the place needs; the parser lets few through.
    #[error("expected {expected} in {place}, got {got}")]
    WrongType {
        /// The type needed.
        expected: &'static str,
        /// Where.
        place: String,
        /// The type given.
        got: &'static str,
    },
}

impl QueryError {
    /// The `errorType` of the Prometheus HTTP API v1 for this error.
    #[must_use]
    pub fn api_type(&self) -> &'static str {
        match self {
            Self::QueryTooLong { .. }
            | Self::QueryTooDeep { .. }
            | Self::Parse { .. }
            | Self::Unsupported { .. }
            | Self::TooManySteps { .. }
            | Self::BadRange { .. } => "bad_data",
            Self::TooManySamples { .. }
            | Self::SameLabels
            | Self::ManyToMany { .. }
            | Self::ManyToOne { .. }
            | Self::GroupNotUnique
            | Self::BadParameter { .. }
            | Self::WrongType { .. } => "execution",
        }
    }
}
