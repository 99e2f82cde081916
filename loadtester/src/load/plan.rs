//! What load to generate.
//!
//! Values only, with their limits; `command.rs` makes plans of command lines.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};

use super::identity::Identity;
use super::pace::{Concurrency, Pace};

/// Workers, and so open requests, at one time.
pub const CONCURRENCY_MAX: usize = 1000;
/// Requests per second in total.
pub const RATE_MAX_PER_S: u32 = 100_000;
/// Time past the end that answers under way are waited for, if they have no limit.
const GRACE: Duration = Duration::from_secs(1);

/// When a load ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// After a time.
    Time(Duration),
    /// After a number of requests.
    Requests(u64),
}

/// Whether a server must show who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Any certificate will do, as hey has it.
    #[default]
    Any,
    /// The certificate must hold.
    Checked {
        /// Who may have signed it, in PEM; whom the system trusts if absent.
        roots: Option<Bytes>,
        /// The name that it must carry; the URL's host if absent.
        name: Option<String>,
    },
}

/// Calls of one gRPC method in the place of plain requests. A call that ends with another status
/// than OK is a failure.
#[derive(Clone, Debug)]
pub struct Calls {
    /// Bodies, sent in turn: messages in their frames.
    pub bodies: Vec<Bytes>,
    /// Makes what every call has of its own.
    pub fill: Option<Arc<dyn Fill>>,
    /// Connections that the workers are spread over.
    pub connections: usize,
}

/// Makes what differs from call to call.
pub trait Fill: fmt::Debug + Send + Sync {
    /// What the n-th call has of its own, sent by a worker; `None` if it cannot be made. Both
    /// are counted from 0.
    fn fill(&self, n: u64, worker: usize) -> Option<Filled>;
}

/// What one call has of its own.
#[derive(Clone, Debug, Default)]
pub struct Filled {
    /// Its body, if that is not one of those sent in turn.
    pub body: Option<Bytes>,
    /// Headers beside those of every call.
    pub headers: HeaderMap,
}

/// A load to generate.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to: `http` or `https`.
    pub url: Uri,
    /// Where connections go, if not to the URL's host.
    pub connect_to: Option<Uri>,
    /// Time to open a connection; ten seconds if absent.
    pub connect_timeout: Option<Duration>,
    /// Whether the server must show who it is.
    pub trust: Trust,
    /// Who to be for servers that ask.
    pub identity: Option<Identity>,
    /// Method of every request.
    pub method: Method,
    /// Headers of every request; `Host` replaces the URL's.
    pub headers: HeaderMap,
    /// Body of every request.
    pub body: Bytes,
    /// When requests of all workers together are due; as fast as answers come if absent.
    pub pace: Option<Pace>,
    /// When to end.
    pub limit: Limit,
    /// Time after which to end, whatever the limit says.
    pub cutoff: Option<Duration>,
    /// Requests open at one time.
    pub concurrency: Concurrency,
    /// Speak HTTP/2; over `http` without asking first.
    pub is_http2: bool,
    /// Time for one answer; no limit if absent.
    pub timeout: Option<Duration>,
    /// Use connections again.
    pub is_keepalive: bool,
    /// Follow redirects, up to ten.
    pub follows_redirects: bool,
    /// Make gRPC calls; the body then comes from these.
    pub calls: Option<Calls>,
}

/// Why a plan cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The URL is not usable. It may hold credentials, and is not told.
    #[error(
        "failed to use a URL of scheme {scheme:?}: give one that starts with \"http://\" or \"https://\" and names a host"
    )]
    Url {
        /// What it starts with.
        scheme: String,
    },
    /// No usable certificates to check a server by.
    #[error(
        "failed to read certificates: give a PEM file with certificates, or do not check the server's"
    )]
    Certificates,
    /// The name that a server's certificate must carry is none.
    #[error("failed to use server name {name:?}: give a DNS name or an IP address")]
    ServerName {
        /// What was given.
        name: String,
    },
    /// Too many or no workers.
    #[error("failed to use concurrency {concurrency}: give 1 to {CONCURRENCY_MAX}")]
    Concurrency {
        /// What was given.
        concurrency: usize,
    },
    /// The rate is not usable.
    #[error("failed to use rate {rate:?} per second: give more than 0, at most {RATE_MAX_PER_S}")]
    Rate {
        /// What was given.
        rate: String,
    },
}

impl PlanError {
    /// Of a URL that is not usable.
    pub(crate) fn url(url: &Uri) -> Self {
        Self::Url {
            scheme: url.scheme_str().unwrap_or_default().to_owned(),
        }
    }
}

impl Plan {
    /// A plan of GET requests, one after the other; change its fields as needed.
    #[must_use]
    pub fn new(url: Uri, limit: Limit) -> Self {
        Self {
            url,
            connect_to: None,
            connect_timeout: None,
            trust: Trust::Any,
            identity: None,
            method: Method::GET,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            pace: None,
            limit,
            cutoff: None,
            concurrency: Concurrency::Constant(1),
            is_http2: false,
            timeout: Some(Duration::from_secs(20)),
            is_keepalive: true,
            follows_redirects: true,
            calls: None,
        }
    }

    /// # Errors
    /// A value out of its limits.
    pub fn check(&self) -> Result<(), PlanError> {
        let is_web = matches!(self.url.scheme_str(), Some("http" | "https"));
        if !is_web || self.url.host().is_none_or(str::is_empty) {
            return Err(PlanError::url(&self.url));
        }
        let concurrency = self.concurrency.highest();
        if !(1..=CONCURRENCY_MAX).contains(&concurrency) {
            return Err(PlanError::Concurrency { concurrency });
        }
        match self.pace {
            Some(Pace::Constant(rate)) if !(rate > 0.0 && rate <= f64::from(RATE_MAX_PER_S)) => {
                Err(PlanError::Rate {
                    rate: rate.to_string(),
                })
            }
            // A schedule keeps within the bounds it was made for.
            Some(Pace::Constant(_) | Pace::Scheduled(_)) | None => Ok(()),
        }
    }

    /// Workers that have something to do.
    pub(super) fn workers(&self) -> usize {
        let highest = self.concurrency.highest();
        match self.limit {
            Limit::Requests(count) => highest.min(usize::try_from(count).unwrap_or(usize::MAX)),
            Limit::Time(_) => highest,
        }
    }

    /// How long the load goes on at most; no limit if absent.
    pub(super) fn length(&self) -> Option<Duration> {
        match (self.limit, self.cutoff) {
            (Limit::Time(length), Some(cutoff)) => Some(length.min(cutoff)),
            (Limit::Time(length), None) => Some(length),
            (Limit::Requests(_), cutoff) => cutoff,
        }
    }

    /// Time past the end that answers under way are waited for.
    pub(super) fn grace(&self) -> Duration {
        self.timeout.map_or(GRACE, |timeout| timeout.min(GRACE))
    }
}
