//! Reads the command line of a task: `hey`, `wrk` and `ghz` become loads of our own generator,
//! `grpc_health_probe` a question of our own; anything else is left to a shell.
//!
//! Pure. A line is ours only if a shell would do nothing to it but split and unquote.

mod ghz;
mod hey;
mod probe;
mod wrk;

use gotemplate::ParseError;

use crate::grpc::Call;
use crate::grpc::credentials::Named;
pub(crate) use crate::grpc::health::Probe;
use crate::grpc::metadata::MetadataError;
use crate::load::{Plan, PlanError, ScheduleError};

/// Words of one command line.
const WORDS_MAX: usize = 256;
/// Bytes of one command line.
pub(crate) const LINE_BYTES_MAX: usize = 64 << 10;

/// Why a command line of ours cannot be carried out.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum CommandError {
    /// A flag is not known.
    #[error("failed to read {program:?}: flag {flag:?} is not known")]
    Flag {
        /// The program that the line names.
        program: &'static str,
        /// The flag.
        flag: String,
    },
    /// A flag is known but not served here.
    #[error(
        "failed to read {program:?}: flag {flag:?} is not served by the built-in generator: {cure}"
    )]
    Unserved {
        /// The program that the line names.
        program: &'static str,
        /// The flag.
        flag: String,
        /// What to do instead.
        cure: &'static str,
    },
    /// A flag's value is not usable.
    #[error("failed to read {program:?}: {value:?} is no value of flag {flag:?}")]
    Value {
        /// The program that the line names.
        program: &'static str,
        /// The flag.
        flag: String,
        /// What was given; absent at the end of the line.
        value: Option<String>,
    },
    /// A flag's value is no header. It may be secret, and is not told.
    #[error(
        "failed to read {program:?}: the value of flag {flag:?} is no header: give one such as \"Name: value\", in printable \
         ASCII"
    )]
    Header {
        /// The program that the line names.
        program: &'static str,
        /// The flag.
        flag: String,
    },
    /// The URL is none. It may hold credentials, and is not told.
    #[error(
        "failed to read {program:?}: the URL is not usable: give one such as \"http://app.test/path\""
    )]
    Url {
        /// The program that the line names.
        program: &'static str,
    },
    /// A flag is of no use without another.
    #[error("failed to read {program:?}: flag {flag:?} needs {other:?} beside it: give both")]
    Alone {
        /// The program that the line names.
        program: &'static str,
        /// The flag.
        flag: &'static str,
        /// The one that is missing.
        other: &'static str,
    },
    /// A template is not of Go's language.
    #[error(
        "failed to read {program:?}: {source}; functions beside Go's own are newUUID, randomString and randomInt, and \
         --disable-template-data sends the text as it is"
    )]
    Template {
        /// The program that the line names.
        program: &'static str,
        /// What is wrong, and in which flag.
        source: ParseError,
    },
    /// A flag's value is no metadata. It may be secret, and is not told.
    #[error("failed to read {program:?}: flag {flag:?}: {source}")]
    Metadata {
        /// The program that the line names.
        program: &'static str,
        /// The flag.
        flag: String,
        /// What is wrong.
        source: MetadataError,
    },
    /// Flags make no schedule.
    #[error("failed to read {program:?}: flags {flags:?}: {source}")]
    Schedule {
        /// The program that the line names.
        program: &'static str,
        /// What their names begin with.
        flags: String,
        /// What is wrong.
        source: ScheduleError,
    },
    /// There is no URL.
    #[error("failed to read {program:?}: the URL is missing")]
    NoUrl {
        /// The program that the line names.
        program: &'static str,
    },
    /// There is no host.
    #[error("failed to read {program:?}: the host and port are missing")]
    NoHost {
        /// The program that the line names.
        program: &'static str,
    },
    /// The values do not make a plan.
    #[error("failed to read {program:?}: {source}")]
    Plan {
        /// The program that the line names.
        program: &'static str,
        /// Why not.
        source: PlanError,
    },
}

impl CommandError {
    /// Whether the program that the line names may do what we do not: it has flags that are not
    /// served here, and no limit to the load.
    pub(crate) const fn is_of_ours_only(&self) -> bool {
        match self {
            Self::Unserved { .. } => true,
            Self::Plan { source, .. } => match source {
                PlanError::Concurrency { .. } | PlanError::Rate { .. } => true,
                PlanError::Url { .. } | PlanError::Certificates | PlanError::ServerName { .. } => {
                    false
                }
            },
            Self::Schedule { source, .. } => match source {
                ScheduleError::Start { start: asked, max }
                | ScheduleError::End {
                    end: asked, max, ..
                } => *asked > *max,
                ScheduleError::Step | ScheduleError::Every => false,
            },
            Self::Flag { .. }
            | Self::Value { .. }
            | Self::Header { .. }
            | Self::Url { .. }
            | Self::Alone { .. }
            | Self::Template { .. }
            | Self::Metadata { .. }
            | Self::NoUrl { .. }
            | Self::NoHost { .. } => false,
        }
    }
}

/// What a line asks of us.
#[derive(Debug)]
pub(crate) enum Work {
    /// Requests.
    Load(Box<Plan>),
    /// gRPC calls, whose method must be looked up first.
    Calls(Box<Call>),
    /// One question about a server's health.
    Probe(Box<Probe>),
}

/// The work of a line; `None` if the line is for a shell.
///
/// # Errors
/// A line of ours with flags or values that cannot be served.
pub(crate) fn parse(line: &str) -> Result<Option<Work>, CommandError> {
    let Some(words) = split(line) else {
        return Ok(None);
    };
    let Some((program, words)) = words.split_first() else {
        return Ok(None);
    };
    let name = program.rsplit('/').next().unwrap_or_default();
    let checked = |program, plan: &Plan| {
        plan.check()
            .map_err(|source| CommandError::Plan { program, source })
    };
    Ok(Some(match name {
        "hey" => {
            let plan = hey::parse(words)?;
            checked("hey", &plan)?;
            Work::Load(Box::new(plan))
        }
        "wrk" => {
            let plan = wrk::parse(words)?;
            checked("wrk", &plan)?;
            Work::Load(Box::new(plan))
        }
        "ghz" => {
            let call = ghz::parse(words)?;
            checked("ghz", &call.plan)?;
            Work::Calls(Box::new(call))
        }
        "grpc_health_probe" => {
            let probe = probe::parse(words)?;
            checked("grpc_health_probe", &probe.plan)?;
            Work::Probe(Box::new(probe))
        }
        _ => return Ok(None),
    }))
}

/// A flag that is not known, by its name: what else is in the same word may be a secret.
fn unknown(program: &'static str, word: &str) -> CommandError {
    let is_of_name = |c: &char| c.is_ascii_alphanumeric() || ['-', '_'].contains(c);
    CommandError::Flag {
        program,
        flag: word.chars().take_while(is_of_name).collect(),
    }
}

/// Certificate and key, of which a line names both or none.
fn pair(
    program: &'static str,
    (cert, key): (Option<Named>, Option<Named>),
    flags: [&'static str; 2],
) -> Result<Option<(Named, Named)>, CommandError> {
    let [flag, other] = match (cert, key) {
        (Some(cert), Some(key)) => return Ok(Some((cert, key))),
        (None, None) => return Ok(None),
        (Some(_), None) => flags,
        (None, Some(_)) => [flags[1], flags[0]],
    };
    Err(CommandError::Alone {
        program,
        flag,
        other,
    })
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
