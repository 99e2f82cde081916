//! The flags of hey (rakyll/hey 0.1.4) and what they mean to our generator.
//!
//! Flags follow Go's `flag` package: one dash or two, `-name value` or `-name=value`, ended
//! by the first word that is none. Words after the URL are ignored, as hey ignores them.

use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method};

use super::{CommandError, unknown};
use crate::load::{Concurrency, Limit, Pace, Plan};
use crate::settings::{parse_bool, parse_duration};

const PROGRAM: &str = "hey";
/// Flags that take no value.
const SWITCHES: [&str; 6] = [
    "h2",
    "disable-compression",
    "disable-keepalive",
    "disable-redirects",
    "more",
    "h",
];
/// Content type that hey sends when none is given.
const CONTENT_TYPE: &str = "text/html";

/// What the flags say, before it becomes a plan.
struct Flags {
    requests: u64,
    concurrency: usize,
    rate_per_worker: f64,
    length: Option<Duration>,
    timeout_s: u64,
    method: String,
    content_type: String,
    accept: Option<String>,
    body: String,
    user: Option<String>,
    host: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    is_http2: bool,
    is_compressed: bool,
    is_keepalive: bool,
    follows_redirects: bool,
}

pub(super) fn parse(words: &[String]) -> Result<Plan, CommandError> {
    let mut flags = Flags {
        requests: 200,
        concurrency: 50,
        rate_per_worker: 0.0,
        length: None,
        timeout_s: 20,
        method: "GET".to_owned(),
        content_type: CONTENT_TYPE.to_owned(),
        accept: None,
        body: String::new(),
        user: None,
        host: None,
        headers: Vec::new(),
        is_http2: false,
        is_compressed: true,
        is_keepalive: true,
        follows_redirects: true,
    };
    let mut words = words.iter();
    let url = loop {
        let word = words
            .next()
            .ok_or(CommandError::NoUrl { program: PROGRAM })?;
        let Some(flag) = word.strip_prefix('-').filter(|flag| !flag.is_empty()) else {
            break word;
        };
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        if flag.is_empty() {
            break words
                .next()
                .ok_or(CommandError::NoUrl { program: PROGRAM })?;
        }
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None if SWITCHES.contains(&flag) => (flag, None),
            None => (flag, words.next().map(String::as_str)),
        };
        flags.take(name, value)?;
    };
    flags.plan(url)
}

impl Flags {
    fn take(&mut self, name: &str, value: Option<&str>) -> Result<(), CommandError> {
        let bad = || CommandError::Value {
            program: PROGRAM,
            flag: format!("-{name}"),
            value: value.map(str::to_owned),
        };
        let text = || value.map(str::to_owned).ok_or_else(bad);
        match name {
            "n" => {
                self.requests = number(&text()?)
                    .filter(|count| *count > 0)
                    .ok_or_else(bad)?
            }
            "c" => {
                let count = number(&text()?).and_then(|count| usize::try_from(count).ok());
                self.concurrency = count.filter(|count| *count > 0).ok_or_else(bad)?;
            }
            "q" => {
                let rate = text()?
                    .parse()
                    .ok()
                    .filter(|rate: &f64| rate.is_finite() && *rate >= 0.0);
                self.rate_per_worker = rate.ok_or_else(bad)?;
            }
            "z" => {
                self.length = Some(parse_duration(&text()?).ok_or_else(bad)?)
                    .filter(|length| !length.is_zero())
            }
            "t" => self.timeout_s = number(&text()?).ok_or_else(bad)?,
            "m" => self.method = text()?.to_ascii_uppercase(),
            "T" => self.content_type = text()?,
            "A" => self.accept = Some(text()?),
            "d" => self.body = text()?,
            "a" => self.user = Some(text()?).filter(|user| user.contains(':')),
            "host" => self.host = Some(text()?),
            "H" => self.headers.push(header_of(PROGRAM, "-H", &text()?)?),
            "U" => self
                .headers
                .push((header::USER_AGENT, text()?.parse().map_err(|_| bad())?)),
            "disable-compression" => self.is_compressed = !is_on(value).ok_or_else(bad)?,
            "disable-keepalive" => self.is_keepalive = !is_on(value).ok_or_else(bad)?,
            "disable-redirects" => self.follows_redirects = !is_on(value).ok_or_else(bad)?,
            "h2" => self.is_http2 = is_on(value).ok_or_else(bad)?,
            "more" => _ = is_on(value).ok_or_else(bad)?,
            // Both shape hey itself: its output and its threads.
            "o" | "cpus" => _ = text()?,
            "D" => return Err(unserved(name, "give the body with -d")),
            "x" => {
                return Err(unserved(
                    name,
                    "leave the proxy out, or use --allow-shell and type bash",
                ));
            }
            _ => return Err(unknown(PROGRAM, &format!("-{name}"))),
        }
        Ok(())
    }

    fn plan(self, url: &str) -> Result<Plan, CommandError> {
        let value = |flag: &str, value: &str| CommandError::Value {
            program: PROGRAM,
            flag: flag.to_owned(),
            value: Some(value.to_owned()),
        };
        let uri = url
            .parse()
            .map_err(|_| CommandError::Url { program: PROGRAM })?;
        let limit = match self.length {
            Some(length) => Limit::Time(length),
            // hey refuses fewer requests than workers.
            None if self.requests < u64::try_from(self.concurrency).unwrap_or(u64::MAX) => {
                return Err(value("-n", &self.requests.to_string()));
            }
            None => Limit::Requests(self.requests),
        };
        let mut plan = Plan::new(uri, limit);
        plan.method =
            Method::from_bytes(self.method.as_bytes()).map_err(|_| value("-m", &self.method))?;
        plan.headers = self
            .header_map()
            .map_err(|(flag, text)| value(flag, &text))?;
        plan.body = Bytes::from(self.body);
        plan.concurrency = Concurrency::Constant(self.concurrency);
        let workers = u32::try_from(self.concurrency).unwrap_or(u32::MAX);
        plan.pace = (self.rate_per_worker > 0.0)
            .then(|| Pace::Constant(self.rate_per_worker * f64::from(workers)));
        plan.timeout = (self.timeout_s > 0).then(|| Duration::from_secs(self.timeout_s));
        // hey's HTTP/2 needs TLS: over http it speaks HTTP/1.1 all the same.
        plan.is_http2 = self.is_http2 && plan.url.scheme_str() == Some("https");
        plan.is_keepalive = self.is_keepalive;
        plan.follows_redirects = self.follows_redirects;
        Ok(plan)
    }

    fn header_map(&self) -> Result<HeaderMap, (&'static str, String)> {
        let mut headers = HeaderMap::new();
        let mut set = |flag, name: HeaderName, text: &str| {
            let value = text
                .parse::<HeaderValue>()
                .map_err(|_| (flag, text.to_owned()))?;
            headers.insert(name, value);
            Ok(())
        };
        set("-T", header::CONTENT_TYPE, &self.content_type)?;
        set("-U", header::USER_AGENT, "hey/0.0.1")?;
        if self.is_compressed {
            set("-disable-compression", header::ACCEPT_ENCODING, "gzip")?;
        }
        if let Some(accept) = &self.accept {
            set("-A", header::ACCEPT, accept)?;
        }
        if let Some(user) = &self.user {
            let token = base64::engine::general_purpose::STANDARD.encode(user);
            set("-a", header::AUTHORIZATION, &format!("Basic {token}"))?;
        }
        if let Some(host) = &self.host {
            set("-host", header::HOST, host)?;
        }
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        Ok(headers)
    }
}

fn unserved(name: &str, cure: &'static str) -> CommandError {
    CommandError::Unserved {
        program: PROGRAM,
        flag: format!("-{name}"),
        cure,
    }
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

/// Whether a switch is on, which it is without a value.
fn is_on(value: Option<&str>) -> Option<bool> {
    value.map_or(Some(true), parse_bool)
}

/// The header of a flag: `Name: value`.
pub(super) fn header_of(
    program: &'static str,
    flag: &str,
    text: &str,
) -> Result<(HeaderName, HeaderValue), CommandError> {
    let read = || {
        let (name, value) = text.split_once(':')?;
        Some((name.trim().parse().ok()?, value.trim().parse().ok()?))
    };
    read().ok_or_else(|| CommandError::Header {
        program,
        flag: flag.to_owned(),
    })
}
