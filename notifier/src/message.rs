//! What one alert says, before any chat service words it.

/// How bad it is; a worse one compares greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// To know.
    Info,
    /// To look at.
    Warn,
    /// To act on.
    Error,
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks: `<canary>.<namespace>`.
    pub sender: String,
    /// The sentence.
    pub text: String,
    /// How bad it is.
    pub severity: Severity,
    /// What goes along, in this order.
    pub fields: Vec<Field>,
}

/// One fact that goes along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Field {
    /// A field of these words.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}
