//! The routing table: which rule takes a request, and what the rule does.
//!
//! Immutable once built; requests share it without a lock. It chooses rules, not
//! endpoints, and does no IO. `compile.rs` builds it from objects.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;

use crate::cors::Cors;
use crate::host::HostPattern;
use crate::matching::{Ask, Matcher};
use crate::rewrite::{HeaderEdit, Redirect, UrlEdit};

/// Where requests go. Build one with [`crate::compile`].
#[derive(Debug, Default)]
pub struct Table {
    /// Most specific hostname first.
    pub(crate) listeners: Vec<ListenerTable>,
    pub(crate) rules: Vec<Rule>,
}

/// The rules behind one listener hostname.
#[derive(Debug)]
pub(crate) struct ListenerTable {
    pub(crate) host: HostPattern,
    /// The port in the Gateway, for redirects.
    pub(crate) port: u16,
    pub(crate) exact: HashMap<String, Vec<Entry>>,
    /// Wildcards from long to short, then every host.
    pub(crate) wide: Vec<(HostPattern, Vec<Entry>)>,
}

/// One match of one rule; entries are kept in order of precedence.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) matcher: Matcher,
    /// Index into [`Table::rules`].
    pub(crate) rule: usize,
}

/// A route rule, ready for use.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Namespace of the route.
    pub(crate) namespace: String,
    /// Name of the route.
    pub(crate) route: String,
    /// Position of the rule in the route.
    pub(crate) index: usize,
    pub(crate) filters: Filters,
    pub(crate) backends: Vec<Backend>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) backend_timeout: Option<Duration>,
    pub(crate) retry: Retry,
    pub(crate) sticky: Option<Sticky>,
}

/// What filters do, of a rule or of a backend.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters {
    pub(crate) request: HeaderEdit,
    pub(crate) response: HeaderEdit,
    pub(crate) url: Option<UrlEdit>,
    pub(crate) redirect: Option<Redirect>,
    pub(crate) cors: Option<Cors>,
    pub(crate) mirrors: Vec<Mirror>,
    /// A filter that cannot be obeyed: the request must fail rather than pass unfiltered.
    pub(crate) is_broken: bool,
}

/// Retries of answers, besides those of failed connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Retry {
    pub(crate) codes: Vec<StatusCode>,
    pub(crate) attempts: u32,
    pub(crate) backoff: Duration,
}

/// A session cookie.
#[derive(Clone, Debug)]
pub(crate) struct Sticky {
    pub(crate) cookie: String,
    pub(crate) max_age: Option<Duration>,
}

/// A weighted Service.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    pub(crate) service: String,
    pub(crate) weight: u32,
    pub(crate) target: Target,
    pub(crate) filters: Filters,
}

/// A Service's endpoints as far as they are known.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The reference is wrong or not permitted: answered with 500.
    Invalid,
    /// Ready endpoints; none is answered with 503.
    Endpoints {
        addresses: Vec<SocketAddr>,
        h2c: bool,
    },
}

/// A copy of requests for another Service, whose answers are dropped.
#[derive(Clone, Debug)]
pub(crate) struct Mirror {
    pub(crate) target: Target,
    pub(crate) part: u32,
    pub(crate) whole: u32,
}

/// The rule for a request.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) index: usize,
    /// What the path was matched by, for prefix rewrites.
    pub(crate) prefix: Option<&'a str>,
    pub(crate) port: u16,
}

impl Table {
    /// The rule of the highest precedence, in the most specific listener for the host.
    pub(crate) fn find(&self, ask: &Ask<'_>) -> Option<Found<'_>> {
        let listener = self
            .listeners
            .iter()
            .find(|listener| listener.host.covers(ask.host))?;
        let entry = listener.find(ask)?;
        Some(Found {
            rule: self.rules.get(entry.rule)?,
            index: entry.rule,
            prefix: entry.matcher.prefix(),
            port: listener.port,
        })
    }
}

impl ListenerTable {
    fn find(&self, ask: &Ask<'_>) -> Option<&Entry> {
        let first =
            |entries: &'_ [Entry]| entries.iter().position(|entry| entry.matcher.holds(ask));
        let exact = self
            .exact
            .get(ask.host)
            .map(Vec::as_slice)
            .unwrap_or_default();
        std::iter::once(exact)
            .chain(
                self.wide
                    .iter()
                    .filter(|(host, _)| host.covers(ask.host))
                    .map(|(_, entries)| entries.as_slice()),
            )
            .find_map(|entries| entries.get(first(entries)?))
    }
}

impl Target {
    /// The addresses; none for an invalid target.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        match self {
            Self::Invalid => &[],
            Self::Endpoints { addresses, .. } => addresses,
        }
    }
}

impl Sticky {
    /// What the cookie holds for an endpoint: FNV-1a of Service and address, so that it
    /// names no address and stays the same across restarts and replicas.
    pub(crate) fn token(namespace: &str, service: &str, address: &SocketAddr) -> String {
        let text = format!("{namespace}/{service}/{address}");
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:016x}")
    }
}
