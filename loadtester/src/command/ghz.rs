//! The flags of ghz (bojand/ghz 0.1xx) and what they mean to our generator.
//!
//! Flags follow kingpin: `--name value`, `--name=value`, `-nvalue`, `--no-name`, anywhere in the
//! line. The single dashes before long names, `-q` and `-t` in seconds are of ghz before 0.50:
//! Flagger's documentation has them. Without `--call` the server's health is asked for.

mod flags;

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Uri};
use serde_json::{Map, Value};

use super::CommandError;
use crate::grpc::{CHECK, Call, HEALTH, Source};
use crate::load::{CONCURRENCY_MAX, Limit, Plan, Trust};
use crate::settings::parse_duration;
use flags::{Flag, SWITCHES};

const PROGRAM: &str = "ghz";
/// Port of a host without one, as gRPC has it.
const PORT_DEFAULT: u16 = 443;

/// What the flags say, before it becomes a call.
struct Line {
    host: Option<String>,
    call: Option<String>,
    proto: Option<PathBuf>,
    protoset: Option<PathBuf>,
    imports: Vec<PathBuf>,
    roots: Option<PathBuf>,
    name: Option<String>,
    authority: Option<String>,
    is_plain: bool,
    is_unchecked: bool,
    is_async: bool,
    is_templated: bool,
    rate_per_s: u32,
    concurrency: usize,
    connections: usize,
    requests: u64,
    length: Option<Duration>,
    cutoff: Option<Duration>,
    timeout: Duration,
    connect_timeout: Duration,
    data: String,
    metadata: HeaderMap,
    reflect_metadata: Option<HeaderMap>,
}

pub(super) fn parse(words: &[String]) -> Result<Call, CommandError> {
    let mut line = Line {
        host: None,
        call: None,
        proto: None,
        protoset: None,
        imports: Vec::new(),
        roots: None,
        name: None,
        authority: None,
        is_plain: false,
        is_unchecked: false,
        is_async: false,
        is_templated: true,
        rate_per_s: 0,
        concurrency: 50,
        connections: 1,
        requests: 200,
        length: None,
        cutoff: None,
        timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(10),
        data: String::new(),
        metadata: HeaderMap::new(),
        reflect_metadata: None,
    };
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

impl Line {
    fn switch(&mut self, name: &str, is_on: bool) -> Result<(), CommandError> {
        match name {
            "insecure" => self.is_plain = is_on,
            "skipTLS" => self.is_unchecked = is_on,
            "async" => self.is_async = is_on,
            "disable-template-data" => self.is_templated = !is_on,
            "binary" if is_on => return Err(unserved(name, "give the message as JSON with -d")),
            "enable-compression" if is_on => return Err(unserved(name, "leave it out")),
            "stream-dynamic-messages" if is_on => {
                return Err(unserved(name, "give the messages as a JSON list with -d"));
            }
            // They shape ghz's output, or its templates, which are refused as a whole.
            _ => {}
        }
        Ok(())
    }

    fn take(&mut self, name: &str, text: &str) -> Result<(), CommandError> {
        let wrong = || bad(name, Some(text));
        let length = || length(text).ok_or_else(wrong);
        match name {
            "proto" => self.proto = Some(text.into()),
            "protoset" => self.protoset = Some(text.into()),
            "call" => self.call = Some(text.to_owned()),
            "import-paths" => self.imports = text.split(',').map(PathBuf::from).collect(),
            "cacert" => self.roots = Some(text.into()),
            "cname" => self.name = Some(text.to_owned()),
            "authority" => self.authority = Some(text.to_owned()),
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
            "metadata" => self.metadata = metadata(text).ok_or_else(wrong)?,
            "reflect-metadata" => {
                self.reflect_metadata = Some(metadata(text).ok_or_else(wrong)?);
            }
            "load-schedule" | "concurrency-schedule" if text == "const" => {}
            _ => return flags::ignored(name, text).map_or_else(|| Ok(()), Err),
        }
        Ok(())
    }

    fn call(self) -> Result<Call, CommandError> {
        let url = self.url()?;
        let given = self.call.as_deref().unwrap_or_default();
        let call = given.trim_start_matches('.');
        let (service, method) = match call.rsplit_once('/').or_else(|| call.rsplit_once('.')) {
            Some(pair) => pair,
            None if call.is_empty() => (HEALTH, CHECK),
            None => return Err(bad("call", Some(call))),
        };
        let (service, method) = (service.to_owned(), method.to_owned());
        let is_path = |text: &str| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            !text.is_empty() && text.chars().all(is_part)
        };
        if !is_path(&service) || !is_path(&method) {
            return Err(bad("call", Some(given)));
        }
        if self.is_templated && self.data.contains("{{") {
            return Err(unserved(
                "data",
                "templates are not filled in: give plain JSON, or --disable-template-data",
            ));
        }
        Ok(Call {
            plan: self.plan(url)?,
            roots: self.roots.clone(),
            service: service.clone(),
            method,
            source: self.source(&service),
            data: self.data,
            connections: self.connections,
        })
    }

    fn source(&self, service: &str) -> Source {
        let metadata = &self.metadata;
        match (&self.proto, &self.protoset) {
            // Flagger's image has the definition of this service at /tmp/ghz/health.proto.
            _ if service == HEALTH => Source::Health,
            (Some(path), _) => Source::Proto {
                path: path.clone(),
                imports: self.imports.clone(),
            },
            (None, Some(path)) => Source::Protoset(path.clone()),
            (None, None) => {
                let headers = self.reflect_metadata.as_ref().unwrap_or(metadata);
                Source::Reflection(headers.clone())
            }
        }
    }

    /// Scheme, host and port.
    fn url(&self) -> Result<Uri, CommandError> {
        let host = self.host.as_deref().unwrap_or_default();
        let host = host.strip_prefix("dns:///").unwrap_or(host);
        if host.is_empty() {
            return Err(CommandError::NoHost { program: PROGRAM });
        }
        let scheme = if self.is_plain { "http" } else { "https" };
        let wrong = || CommandError::Value {
            program: PROGRAM,
            flag: "host".to_owned(),
            value: Some(host.to_owned()),
        };
        if host.contains(['/', '@', '?']) {
            return Err(wrong());
        }
        let url: Uri = format!("{scheme}://{host}/").parse().map_err(|_| wrong())?;
        if url.port().is_some() {
            return Ok(url);
        }
        let url = format!("{scheme}://{host}:{PORT_DEFAULT}/");
        url.parse().map_err(|_| wrong())
    }

    fn plan(&self, url: Uri) -> Result<Plan, CommandError> {
        let limit = match self.length {
            Some(length) => Limit::Time(length),
            None => Limit::Requests(self.requests),
        };
        let mut plan = Plan::new(url.clone(), limit);
        // Only a plain connection's authority may differ from the host, as ghz has it.
        if let Some(authority) = self.authority.as_deref().filter(|_| self.is_plain) {
            let steered = format!("http://{authority}/").parse();
            plan.url = steered.map_err(|_| bad("authority", Some(authority)))?;
            plan.connect_to = Some(url);
        }
        plan.trust = if self.is_unchecked || self.is_plain {
            Trust::Any
        } else {
            Trust::Checked {
                roots: None,
                name: self.name.clone(),
            }
        };
        plan.headers = self.metadata.clone();
        plan.rate_per_s = (self.rate_per_s > 0).then(|| f64::from(self.rate_per_s));
        plan.cutoff = self.cutoff;
        plan.concurrency = match (self.is_async, plan.rate_per_s) {
            (false, _) => self.concurrency,
            // Calls go out when they are due, whether or not others were answered.
            (true, Some(_)) => CONCURRENCY_MAX,
            (true, None) => return Err(unserved("async", "say how many calls a second: --rps")),
        };
        plan.timeout = Some(self.timeout).filter(|timeout| !timeout.is_zero());
        plan.connect_timeout = Some(self.connect_timeout).filter(|timeout| !timeout.is_zero());
        plan.is_http2 = true;
        plan.follows_redirects = false;
        if self.connections > plan.concurrency {
            return Err(bad("connections", Some(&self.connections.to_string())));
        }
        Ok(plan)
    }
}

fn positive(text: &str) -> Option<usize> {
    text.parse().ok().filter(|count| *count > 0)
}

/// A Go duration, or plain seconds as ghz once took.
fn length(text: &str) -> Option<Duration> {
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => parse_duration(text),
    }
}

/// Headers of a JSON object of texts. Values of names that end in `-bin` travel as base64.
fn metadata(text: &str) -> Option<HeaderMap> {
    if text.contains("{{") {
        return None;
    }
    let object: Map<String, Value> = serde_json::from_str(text.trim()).ok()?;
    let mut headers = HeaderMap::new();
    for (name, value) in &object {
        let name: HeaderName = name.to_ascii_lowercase().parse().ok()?;
        let text = value.as_str()?;
        let value = if name.as_str().ends_with("-bin") {
            base64::engine::general_purpose::STANDARD_NO_PAD.encode(text)
        } else {
            text.to_owned()
        };
        headers.insert(name, HeaderValue::try_from(value).ok()?);
    }
    Some(headers)
}
