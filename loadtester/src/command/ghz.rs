//! The flags of ghz (bojand/ghz 0.1xx) and what they mean to our generator.
//!
//! Flags follow kingpin: `--name value`, `--name=value`, `-nvalue`, `--no-name`, anywhere in the
//! line. The single dashes before long names, `-q` and `-t` in seconds are of ghz before 0.50:
//! Flagger's documentation has them. Without `--call` the server's health is asked for.

mod call;
mod flags;
mod ramp;

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderMap;

use super::{CommandError, unknown};
use crate::grpc::credentials::Named;
use crate::grpc::{Call, metadata};
use crate::load::{CONCURRENCY_MAX, RATE_MAX_PER_S};
use crate::settings::parse_seconds;
use flags::{Flag, SWITCHES};
use ramp::Ramp;

const PROGRAM: &str = "ghz";

/// What the flags say, before it becomes a call.
struct Line {
    host: Option<String>,
    call: Option<String>,
    proto: Option<PathBuf>,
    protoset: Option<PathBuf>,
    imports: Vec<PathBuf>,
    roots: Option<Named>,
    cert: Option<Named>,
    key: Option<Named>,
    server_name: Option<String>,
    authority: Option<String>,
    is_plain: bool,
    is_unchecked: bool,
    is_async: bool,
    is_templated: bool,
    has_functions: bool,
    rate_per_s: u32,
    load: Ramp,
    concurrency: usize,
    workers: Ramp,
    connections: usize,
    requests: u64,
    length: Option<Duration>,
    cutoff: Option<Duration>,
    timeout: Duration,
    connect_timeout: Duration,
    data: String,
    metadata: String,
    reflect_metadata: Option<HeaderMap>,
    name: Option<String>,
}

pub(super) fn parse(words: &[String]) -> Result<Call, CommandError> {
    let mut line = Line::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(flag) = Flag::read(word) else {
            line.host = Some(word.clone());
            continue;
        };
        let name = flag.name.as_str();
        if SWITCHES.contains(&name) {
            let is_on = match flag.value.as_deref() {
                None => !flag.is_negated,
                Some("true") => true,
                Some("false") => false,
                Some(_) => return Err(bad(name, flag.value.as_deref())),
            };
            line.switch(name, is_on)?;
            continue;
        }
        if !flags::is_known(name) {
            return Err(unknown(PROGRAM, &format!("--{name}")));
        }
        let value = flag.value.or_else(|| words.next().cloned());
        let value = value.ok_or_else(|| bad(name, None))?;
        line.take(name, &value)?;
    }
    line.call()
}

fn bad(name: &str, value: Option<&str>) -> CommandError {
    CommandError::Value {
        program: PROGRAM,
        flag: format!("--{name}"),
        value: value.map(str::to_owned),
    }
}

fn unserved(name: &str, cure: &'static str) -> CommandError {
    CommandError::Unserved {
        program: PROGRAM,
        flag: format!("--{name}"),
        cure,
    }
}

/// A flag whose value is no metadata.
fn not_metadata(name: &str, source: metadata::MetadataError) -> CommandError {
    CommandError::Metadata {
        program: PROGRAM,
        flag: format!("--{name}"),
        source,
    }
}

impl Default for Line {
    fn default() -> Self {
        let workers_max = u32::try_from(CONCURRENCY_MAX).unwrap_or(u32::MAX);
        Self {
            host: None,
            call: None,
            proto: None,
            protoset: None,
            imports: Vec::new(),
            roots: None,
            cert: None,
            key: None,
            server_name: None,
            authority: None,
            is_plain: false,
            is_unchecked: false,
            is_async: false,
            is_templated: true,
            has_functions: true,
            rate_per_s: 0,
            load: Ramp::new("load", 0, RATE_MAX_PER_S),
            concurrency: 50,
            workers: Ramp::new("concurrency", 1, workers_max),
            connections: 1,
            requests: 200,
            length: None,
            cutoff: None,
            timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(10),
            data: String::new(),
            metadata: String::new(),
            reflect_metadata: None,
            name: None,
        }
    }
}

impl Line {
    fn switch(&mut self, name: &str, is_on: bool) -> Result<(), CommandError> {
        match name {
            "insecure" => self.is_plain = is_on,
            "skipTLS" => self.is_unchecked = is_on,
            "async" => self.is_async = is_on,
            "disable-template-data" => self.is_templated = !is_on,
            "disable-template-functions" => self.has_functions = !is_on,
            "binary" if is_on => return Err(unserved(name, "give the message as JSON with -d")),
            "enable-compression" if is_on => return Err(unserved(name, "leave it out")),
            "stream-dynamic-messages" if is_on => {
                let cure = "give the messages as a JSON list with -d, filled in once for each call";
                return Err(unserved(name, cure));
            }
            // It shapes ghz's output.
            _ => {}
        }
        Ok(())
    }

    fn take(&mut self, name: &str, text: &str) -> Result<(), CommandError> {
        let wrong = || bad(name, Some(text));
        // ghz once took plain seconds.
        let length = || parse_seconds(text).ok_or_else(wrong);
        match name {
            "proto" => self.proto = Some(text.into()),
            "protoset" => self.protoset = Some(text.into()),
            "call" => self.call = Some(text.to_owned()),
            "import-paths" => self.imports = text.split(',').map(PathBuf::from).collect(),
            "cacert" => self.roots = Some(Named::new("--cacert", text)),
            "cert" => self.cert = Some(Named::new("--cert", text)),
            "key" => self.key = Some(Named::new("--key", text)),
            "cname" => self.server_name = Some(text.to_owned()),
            "authority" => self.authority = Some(text.to_owned()),
            "name" => self.name = Some(text.to_owned()),
            "rps" => self.rate_per_s = text.parse().map_err(|_| wrong())?,
            "concurrency" => self.concurrency = positive(text).ok_or_else(wrong)?,
            "connections" => self.connections = positive(text).ok_or_else(wrong)?,
            "total" => {
                let count = text.parse().ok().filter(|count| *count > 0);
                self.requests = count.ok_or_else(wrong)?;
            }
            "timeout" => self.timeout = length()?,
            "duration" => self.length = Some(length()?).filter(|length| !length.is_zero()),
            "max-duration" => self.cutoff = Some(length()?).filter(|length| !length.is_zero()),
            "connect-timeout" => self.connect_timeout = length()?,
            "data" if text.trim() == "@" => {
                return Err(unserved(name, "give the message itself, not \"@\""));
            }
            "data" => self.data = text.to_owned(),
            "metadata" => self.metadata = text.to_owned(),
            "reflect-metadata" => {
                let headers = metadata::read(text).map_err(|error| not_metadata(name, error))?;
                self.reflect_metadata = Some(headers);
            }
            _ => {
                let is_taken = self.load.take(name, text)? || self.workers.take(name, text)?;
                if !is_taken {
                    flags::ignored(name, text)?;
                }
            }
        }
        Ok(())
    }
}

fn positive(text: &str) -> Option<usize> {
    text.parse().ok().filter(|count| *count > 0)
}
