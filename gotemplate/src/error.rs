//! The two ways a template fails: it does not parse, or it does not run

use thiserror::Error;

/// The text of a template is not valid. Displays as Go does:
/// `template: NAME:LINE: what is wrong`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("template: {name}:{line}: {message}")]
pub struct ParseError {
    /// Name of the template that was parsed.
    pub name: String,
    /// Line of the last token read, counted from 1.
    pub line: usize,
    /// What is wrong, in Go's words.
    pub message: String,
}

/// A template stopped while it ran. Displays as Go does:
/// `template: NAME:LINE:COLUMN: executing "NAME" at <NODE>: what is wrong`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("template: {location}: {message}")]
pub struct ExecError {
    /// `NAME:LINE:COLUMN: executing "NAME" at <NODE>`, or the name alone.
    pub location: String,
    /// What is wrong, in Go's words where Go has them.
    pub message: String,
}
