//! Tells why a YAML text was refused, and where.
//!
//! The excerpt stops after the key: a value may be a secret, and errors end
//! up in logs, events and status.

use std::fmt;

/// A refused text: what is wrong, and the place (1-based) when there is one.
#[derive(Debug, thiserror::Error)]
pub struct Error {
    fault: Fault,
    place: Option<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
    excerpt: String,
}

/// What is wrong with a text.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Longer than allowed.
    #[error("the text has {bytes} bytes, more than the {bytes_max} allowed")]
    TooLong {
        /// Length found.
        bytes: usize,
        /// Length allowed.
        bytes_max: usize,
    },
    /// The grammar is broken.
    #[error("{0}")]
    Syntax(String),
    /// A character that YAML forbids, such as NUL.
    #[error("control character {0:?} is not allowed")]
    ControlCharacter(char),
    /// One mapping names a key twice.
    #[error("key {0:?} is set twice in one mapping")]
    DuplicateKey(String),
    /// A key that is null, a sequence or a mapping.
    #[error("a mapping key must be a string, number or boolean, not {0}")]
    BadKey(&'static str),
    /// Nested too deeply.
    #[error("nested deeper than the {0} levels allowed")]
    TooDeep(usize),
    /// Too many nodes once aliases are expanded.
    #[error("more than the {0} values allowed, counting each use of an alias")]
    TooManyNodes(usize),
    /// Too many bytes once aliases are expanded.
    #[error("more than the {0} bytes of values allowed, counting each use of an alias")]
    TooManyBytes(usize),
    /// Too many documents.
    #[error("more than the {0} documents allowed")]
    TooManyDocuments(usize),
    /// An alias inside the value it stands for.
    #[error("an alias stands inside the value of its own anchor")]
    RecursiveAlias,
    /// `<<` with something that is not a mapping.
    #[error("\"<<\" needs a mapping or a sequence of mappings")]
    BadMerge,
    /// A value that does not fit its explicit tag.
    #[error("the value is a {found}, not the {tag} that its tag says")]
    BadTag {
        /// The explicit tag.
        tag: String,
        /// What the value resolves to.
        found: &'static str,
    },
    /// `!!binary` whose text is not base64.
    #[error("the !!binary value is not base64")]
    BadBinary,
    /// Infinity or NaN where JSON is wanted.
    #[error("the number {0} cannot be written in JSON")]
    NotJson(String),
    /// A single document was wanted.
    #[error("found {count} documents where one is wanted")]
    ManyDocuments {
        /// Documents found.
        count: usize,
    },
    /// The value does not fit the wanted type.
    #[error("{0}")]
    Shape(String),
}

impl Error {
    pub(crate) fn of(fault: Fault) -> Self {
        Self { fault, place: None }
    }

    /// `line` counts from 1, `column` from 0, as the scanner has them.
    pub(crate) fn at(fault: Fault, text: &str, line: usize, column: usize) -> Self {
        let excerpt = text
            .lines()
            .nth(line.saturating_sub(1))
            .map(key_part)
            .unwrap_or_default();
        Self {
            fault,
            place: Some(Place {
                line: line.max(1),
                column: column.saturating_add(1),
                excerpt,
            }),
        }
    }

    /// What is wrong.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Line, from 1.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(|p| p.line)
    }

    /// Column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        self.place.as_ref().map(|p| p.column)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = &self.fault;
        let Some(place) = &self.place else {
            return write!(f, "failed to read YAML: {fault}");
        };
        let Place {
            line,
            column,
            excerpt,
        } = place;
        write!(
            f,
            "failed to read YAML at line {line}, column {column}: {fault}"
        )?;
        if excerpt.is_empty() {
            return Ok(());
        }
        write!(f, ", near {excerpt:?}")
    }
}

/// What serde says of a value that does not fit its type, the value left out:
/// it may be a secret.
#[must_use]
pub fn describe_mismatch(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let quoted = text
        .split_once("string \"")
        .and_then(|(before, rest)| Some((before, rest.rsplit_once("\", expected")?.1)));
    match quoted {
        Some((before, after)) => format!("{before}a string, expected{after}"),
        None => text,
    }
}

/// The line up to its first colon, at most 60 characters; nothing of the value.
fn key_part(line: &str) -> String {
    const EXCERPT_CHARS_MAX: usize = 60;
    match line.split_once(':') {
        Some((key, _)) if !key.contains(['"', '\'']) => {
            let key: String = key.trim_start().chars().take(EXCERPT_CHARS_MAX).collect();
            format!("{key}: …")
        }
        Some(_) | None => String::new(),
    }
}
