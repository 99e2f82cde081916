//! How ghz's flags are written, and those that ask for nothing of the load.

use super::{bad, unserved};
use crate::command::CommandError;

/// Flags without a value.
pub(super) const SWITCHES: [&str; 9] = [
    "insecure",
    "skipTLS",
    "async",
    "binary",
    "enable-compression",
    "disable-template-functions",
    "disable-template-data",
    "stream-dynamic-messages",
    "count-errors",
];

/// Flags with one, each with its letter.
const VALUED: [(&str, Option<char>); 51] = [
    ("config", None),
    ("proto", None),
    ("protoset", None),
    ("call", None),
    ("import-paths", Some('i')),
    ("cacert", None),
    ("cert", None),
    ("key", None),
    ("cname", None),
    ("authority", None),
    ("rps", Some('r')),
    ("load-schedule", None),
    ("load-start", None),
    ("load-step", None),
    ("load-end", None),
    ("load-step-duration", None),
    ("load-max-duration", None),
    ("concurrency", Some('c')),
    ("concurrency-schedule", None),
    ("concurrency-start", None),
    ("concurrency-end", None),
    ("concurrency-step", None),
    ("concurrency-step-duration", None),
    ("concurrency-max-duration", None),
    ("total", Some('n')),
    ("timeout", Some('t')),
    ("duration", Some('z')),
    ("max-duration", Some('x')),
    ("duration-stop", None),
    ("data", Some('d')),
    ("data-file", Some('D')),
    ("binary-file", Some('B')),
    ("metadata", Some('m')),
    ("metadata-file", Some('M')),
    ("stream-interval", None),
    ("stream-call-duration", None),
    ("stream-call-count", None),
    ("reflect-metadata", None),
    ("output", Some('o')),
    ("format", Some('O')),
    ("skipFirst", None),
    ("connections", None),
    ("connect-timeout", None),
    ("keepalive", None),
    ("name", None),
    ("tags", None),
    ("cpus", None),
    ("debug", None),
    ("lb-strategy", None),
    ("max-recv-message-size", None),
    ("max-send-message-size", None),
];

/// Letters of switches, and of flags that ghz no longer has under them.
const LETTERS: [(char, &str); 3] = [
    ('b', "binary"),
    ('e', "enable-compression"),
    // Requests per second, before ghz 0.50.
    ('q', "rps"),
];

/// A flag as it stands in a line.
pub(super) struct Flag {
    /// Its long name; as written if there is no such flag.
    pub(super) name: String,
    /// A value in the same word.
    pub(super) value: Option<String>,
    /// `--no-name`.
    pub(super) is_negated: bool,
}

impl Flag {
    /// `None` if the word is no flag.
    pub(super) fn read(word: &str) -> Option<Self> {
        let rest = word.strip_prefix('-').filter(|rest| !rest.is_empty())?;
        let (is_long, rest) = match rest.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let (name, value) = match rest.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (rest, None),
        };
        let negated = name
            .strip_prefix("no-")
            .filter(|name| SWITCHES.contains(name));
        if is_long || negated.is_some() || is_known(name) {
            return Some(Self {
                name: negated.unwrap_or(name).to_owned(),
                value,
                is_negated: negated.is_some(),
            });
        }
        let letter = rest.chars().next()?;
        let after = rest.get(letter.len_utf8()..).unwrap_or_default();
        let after = after.strip_prefix('=').unwrap_or(after);
        Some(Self {
            name: long(letter).map_or_else(|| rest.to_owned(), str::to_owned),
            value: (!after.is_empty()).then(|| after.to_owned()),
            is_negated: false,
        })
    }
}

/// Whether there is such a flag.
pub(super) fn is_known(name: &str) -> bool {
    SWITCHES.contains(&name) || VALUED.iter().any(|(known, _)| *known == name)
}

fn long(letter: char) -> Option<&'static str> {
    let valued = VALUED.iter().find(|(_, own)| *own == Some(letter));
    let other = LETTERS.iter().find(|(own, _)| *own == letter);
    valued
        .map(|(name, _)| *name)
        .or_else(|| other.map(|(_, name)| *name))
}

/// Passes over a flag that is not of the load; those that cannot be passed over are errors.
pub(super) fn ignored(name: &str, text: &str) -> Result<(), CommandError> {
    let cure = match name {
        "config" => "write its settings as flags",
        "data-file" | "binary-file" => "give the message as JSON with -d",
        "metadata-file" => "give the metadata as JSON with -m",
        "output" | "debug" => "leave it out; logCmdOutput logs the result",
        "stream-interval" | "stream-call-duration" | "stream-call-count" if text != "0" => {
            "give the messages as a JSON list with -d"
        }
        "max-recv-message-size" | "max-send-message-size" => "leave it out: any size will do",
        // They shape ghz itself.
        _ => return Ok(()),
    };
    if text.is_empty() {
        return Err(bad(name, Some(text)));
    }
    Err(unserved(name, cure))
}
