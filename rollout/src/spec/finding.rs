//! What is wrong with a spec, in one wording: object, field, value, why.

use std::fmt;

/// Longest part of a user's value that is shown.
const VALUE_CHARS_MAX: usize = 120;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// `canary test/podinfo`.
    pub object: String,
    /// `spec.analysis.stepWeights[2]`.
    pub field: String,
    /// The value found, as the sentence needs it: `10 after 20`.
    pub value: String,
    /// The rule it breaks, with the cure when the rule does not say it: `weights must rise`.
    pub why: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value: String = self.value.chars().take(VALUE_CHARS_MAX).collect();
        write!(
            f,
            "{}: {} is {}: {}",
            self.object, self.field, value, self.why
        )
    }
}

/// All that is wrong with one object; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings(pub Vec<Finding>);

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, finding) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}

/// Gathers findings about one object while it is parsed.
#[derive(Debug)]
pub(super) struct Review {
    object: String,
    found: Vec<Finding>,
}

impl Review {
    pub(super) const fn new(object: String) -> Self {
        Self {
            object,
            found: Vec::new(),
        }
    }

    pub(super) fn add(
        &mut self,
        field: impl Into<String>,
        value: impl fmt::Display,
        why: impl Into<String>,
    ) {
        self.found.push(Finding {
            object: self.object.clone(),
            field: field.into(),
            value: value.to_string(),
            why: why.into(),
        });
    }

    /// The value when nothing was found.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Findings> {
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            Some(_) | None => Err(Findings(self.found)),
        }
    }
}
