//! What a line of ghz means as a whole: a method, where to find it, and the load.

use gotemplate::ParseError;
use http::{HeaderMap, Uri};

use super::{Line, PROGRAM, bad, not_metadata, unserved};
use crate::command::{CommandError, pair};
use crate::grpc::credentials::Credentials;
use crate::grpc::{CHECK, Call, HEALTH, Source, Text, Wording, metadata};
use crate::load::{CONCURRENCY_MAX, Concurrency, Limit, Pace, Plan, Trust};

/// Port of a host without one, as gRPC has it.
const PORT_DEFAULT: u16 = 443;

impl Line {
    pub(super) fn call(mut self) -> Result<Call, CommandError> {
        let url = self.url()?;
        let (service, method) = self.method()?;
        let data = std::mem::take(&mut self.data);
        let data = self.text("--data", data)?;
        let metadata = std::mem::take(&mut self.metadata);
        let (headers, metadata) = match self.text("--metadata", metadata)? {
            Text::Fixed(text) => {
                let headers = metadata::read(&text);
                (
                    headers.map_err(|error| not_metadata("metadata", error))?,
                    None,
                )
            }
            Text::Template(template) => (HeaderMap::new(), Some(template)),
        };
        let mut plan = self.plan(url)?;
        plan.headers = headers;
        let source = self.source(&service, &plan.headers);
        let pair = pair(PROGRAM, (self.cert, self.key), ["--cert", "--key"])?;
        Ok(Call {
            plan,
            credentials: Credentials {
                roots: self.roots,
                pair,
            },
            service,
            method,
            source,
            wording: Wording {
                data,
                metadata,
                name: self.name,
                connections: self.connections,
            },
        })
    }

    /// Service and method, each in full.
    fn method(&self) -> Result<(String, String), CommandError> {
        let given = self.call.as_deref().unwrap_or_default();
        let call = given.trim_start_matches('.');
        let (service, method) = match call.rsplit_once('/').or_else(|| call.rsplit_once('.')) {
            Some(pair) => pair,
            None if call.is_empty() => (HEALTH, CHECK),
            None => return Err(bad("call", Some(call))),
        };
        let is_path = |text: &str| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            !text.is_empty() && text.chars().all(is_part)
        };
        if !is_path(service) || !is_path(method) {
            return Err(bad("call", Some(given)));
        }
        Ok((service.to_owned(), method.to_owned()))
    }

    /// A flag's text, which may be a template unless the line says that it is none.
    fn text(&self, flag: &'static str, text: String) -> Result<Text, CommandError> {
        if !self.is_templated {
            return Ok(Text::Fixed(text));
        }
        let read = Text::read(flag, text, self.has_functions);
        read.map_err(|source: ParseError| CommandError::Template {
            program: PROGRAM,
            source,
        })
    }

    fn source(&self, service: &str, headers: &HeaderMap) -> Source {
        match (&self.proto, &self.protoset) {
            // Flagger's image has the definition of this service at /tmp/ghz/health.proto.
            _ if service == HEALTH => Source::Health,
            (Some(path), _) => Source::Proto {
                path: path.clone(),
                imports: self.imports.clone(),
            },
            (None, Some(path)) => Source::Protoset(path.clone()),
            // Metadata that is to be filled in has nothing to be filled in with yet.
            (None, None) => {
                let headers = self.reflect_metadata.as_ref().unwrap_or(headers);
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
                name: self.server_name.clone(),
            }
        };
        plan.cutoff = self.cutoff;
        plan.pace = match self.load.schedule()? {
            Some(schedule) => Some(Pace::Scheduled(schedule)),
            None if self.rate_per_s > 0 => Some(Pace::Constant(f64::from(self.rate_per_s))),
            None => None,
        };
        plan.concurrency = match (self.is_async, self.workers.schedule()?) {
            // Calls go out when they are due, whether or not others were answered.
            (true, _) if plan.pace.is_some() => Concurrency::Constant(CONCURRENCY_MAX),
            (true, _) => return Err(unserved("async", "say how many calls a second: --rps")),
            (false, Some(schedule)) => Concurrency::Scheduled(schedule),
            (false, None) => Concurrency::Constant(self.concurrency),
        };
        plan.timeout = Some(self.timeout).filter(|timeout| !timeout.is_zero());
        plan.connect_timeout = Some(self.connect_timeout).filter(|timeout| !timeout.is_zero());
        plan.is_http2 = true;
        plan.follows_redirects = false;
        if self.connections > plan.concurrency.highest() {
            return Err(bad("connections", Some(&self.connections.to_string())));
        }
        Ok(plan)
    }
}
