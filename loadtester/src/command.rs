//! Reads the command line of a `cmd` task: `hey` and `wrk` become plans of our own
//! generator, anything else is left to a shell.
//!
//! Pure. A line is ours only if a shell would do nothing to it but split and unquote.

mod hey;
mod wrk;

use crate::load::{Plan, PlanError};

/// Words of one command line.
const WORDS_MAX: usize = 256;
/// Bytes of one command line.
pub(crate) const LINE_BYTES_MAX: usize = 64 << 10;

/// Why a command line of ours cannot be carried out.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum CommandError {
    /// A flag is not known.
    #[error("failed to read {program:?}: flag {flag:?} is not known")]
    Flag {
        /// `hey` or `wrk`.
        program: &'static str,
        /// The flag.
        flag: String,
    },
    /// A flag is known but not served here.
    #[error(
        "failed to read {program:?}: flag {flag:?} is not served by the built-in generator: {cure}"
    )]
    Unserved {
        /// `hey` or `wrk`.
        program: &'static str,
        /// The flag.
        flag: String,
        /// What to do instead.
        cure: &'static str,
    },
    /// A flag's value is not usable.
    #[error("failed to read {program:?}: {value:?} is no value of flag {flag:?}")]
    Value {
        /// `hey` or `wrk`.
        program: &'static str,
        /// The flag.
        flag: String,
        /// What was given; absent at the end of the line.
        value: Option<String>,
    },
    /// There is no URL.
    #[error("failed to read {program:?}: the URL is missing")]
    NoUrl {
        /// `hey` or `wrk`.
        program: &'static str,
    },
    /// The values do not make a plan.
    #[error("failed to read {program:?}: {source}")]
    Plan {
        /// `hey` or `wrk`.
        program: &'static str,
        /// Why not.
        source: PlanError,
    },
}

/// The plan of a `hey` or `wrk` line; `None` if the line is for a shell.
///
/// # Errors
/// A line of ours with flags or values that cannot be served.
pub fn parse(line: &str) -> Result<Option<Plan>, CommandError> {
    let Some(words) = split(line) else {
        return Ok(None);
    };
    let Some((program, words)) = words.split_first() else {
        return Ok(None);
    };
    let name = program.rsplit('/').next().unwrap_or_default();
    let (program, plan) = match name {
        "hey" => ("hey", hey::parse(words)?),
        "wrk" => ("wrk", wrk::parse(words)?),
        _ => return Ok(None),
    };
    plan.check()
        .map_err(|source| CommandError::Plan { program, source })?;
    Ok(Some(plan))
}

/// Splits a line as a POSIX shell does; `None` if the line needs a shell.
fn split(line: &str) -> Option<Vec<String>> {
    if line.len() > LINE_BYTES_MAX {
        return None;
    }
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.trim().chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => word.get_or_insert_default().push_str(&quoted(&mut chars)?),
            '"' => word
                .get_or_insert_default()
                .push_str(&double_quoted(&mut chars)?),
            // A backslash at the end of a line joins lines: YAML folds leave such.
            '\\' => match chars.next()? {
                '\n' => {}
                next => word.get_or_insert_default().push(next),
            },
            '$' | '`' | '|' | '&' | ';' | '<' | '>' | '(' | ')' | '\n' | '{' | '}' => return None,
            '#' | '~' if word.is_none() => return None,
            _ => word.get_or_insert_default().push(c),
        }
        if words.len() > WORDS_MAX {
            return None;
        }
    }
    words.extend(word);
    Some(words)
}

fn quoted(chars: &mut std::str::Chars<'_>) -> Option<String> {
    let rest = chars.as_str();
    let (text, rest) = rest.split_once('\'')?;
    *chars = rest.chars();
    Some(text.to_owned())
}

fn double_quoted(chars: &mut std::str::Chars<'_>) -> Option<String> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '$' | '`' => return None,
            '\\' => match chars.next()? {
                '\n' => {}
                c @ ('"' | '\\' | '$' | '`') => text.push(c),
                c => text.extend(['\\', c]),
            },
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests;
