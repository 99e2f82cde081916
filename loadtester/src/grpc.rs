//! gRPC load: what a `ghz` line asks for becomes a plan of the generator.
//!
//! ```text
//! line ─ Call ─┬─ .proto file, protoset file ─┬─ method ─┬─ messages, made once ──────┬─ Plan
//!              └─ the server's own reflection ┘          └─ templates, filled in anew ┘
//! ```
//! `grpc.health.v1.Health` is known without either. Of a file that a line names nothing is told
//! but what is wrong with it: lines come from whoever reaches the port.

mod channel;
pub(crate) mod credentials;
mod describe;
mod fill;
mod frame;
pub(crate) mod health;
mod message;
pub(crate) mod metadata;
mod reflect;

use std::path::PathBuf;

use gotemplate::ExecError;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use prost_reflect::{DescriptorPool, MethodDescriptor};

use crate::load::{Fault, Plan, PlanError};

pub(crate) use channel::Channel;
use credentials::Credentials;
pub(crate) use fill::{Text, Wording};
use metadata::MetadataError;

/// The service that is called when a line names none.
pub(crate) const HEALTH: &str = "grpc.health.v1.Health";
/// Its method.
pub(crate) const CHECK: &str = "Check";

/// Where a method's types are known from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    /// The server; with these headers in place of the call's own.
    Reflection(HeaderMap),
    /// A file of definitions, and folders of what it imports.
    Proto {
        path: PathBuf,
        imports: Vec<PathBuf>,
    },
    /// A compiled set of definitions.
    Protoset(PathBuf),
    /// They are the health service's.
    Health,
}

/// Calls to make, before their method is known.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The load; its URL has no path yet.
    pub(crate) plan: Plan,
    pub(crate) credentials: Credentials,
    pub(crate) service: String,
    pub(crate) method: String,
    pub(crate) source: Source,
    pub(crate) wording: Wording,
}

/// Why calls cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("failed to read {flag} {path:?}: {why}")]
    File {
        flag: &'static str,
        path: PathBuf,
        why: String,
    },
    #[error("failed to find service {service:?} in {place}: give --call as package.Service/Method")]
    Service { service: String, place: String },
    #[error("failed to find method {method:?} of service {service:?}: it has {known}")]
    Method {
        service: String,
        method: String,
        known: String,
    },
    #[error("failed to make {message} of the JSON in --data: {why}")]
    Data { message: String, why: String },
    #[error(
        "failed to fill in {0}; a call has .WorkerID, .RequestNumber, .FullyQualifiedName, .MethodName, .ServiceName, \
         .InputName, .OutputName, .IsClientStreaming, .IsServerStreaming, .Timestamp, .TimestampUnix, \
         .TimestampUnixMilli, .TimestampUnixNano and .UUID"
    )]
    Template(ExecError),
    #[error("failed to read --metadata: {0}")]
    Metadata(MetadataError),
    #[error(
        "failed to ask {host:?} for its methods by reflection: {fault}; give --proto or --protoset, or turn reflection on"
    )]
    Unasked { host: String, fault: Fault },
    #[error("failed to use the reflection of {host:?}: {why}; give --proto or --protoset")]
    Reflection { host: String, why: String },
    #[error("{0}")]
    Plan(#[from] PlanError),
}

impl Call {
    /// Whether the server need not be asked before load is sent.
    pub(crate) const fn is_local(&self) -> bool {
        match self.source {
            Source::Reflection(_) => false,
            Source::Proto { .. } | Source::Protoset(_) | Source::Health => true,
        }
    }

    /// Reads what the line names, or asks the server, and makes the plan.
    ///
    /// # Errors
    /// Files, a method, data or a server that are not as they must be.
    pub(crate) async fn plan(mut self) -> Result<Plan, CallError> {
        self.credentials.read_into(&mut self.plan)?;
        let (pool, place) = self.pool().await?;
        let method = self.find(&pool, place)?;
        let mut plan = self.plan;
        let path = format!("/{}/{}", self.service, self.method);
        plan.url = with_path(&plan.url, &path).ok_or_else(|| PlanError::url(&plan.url))?;
        plan.headers.extend(headers(plan.timeout));
        plan.method = Method::POST;
        plan.is_http2 = true;
        plan.follows_redirects = false;
        plan.calls = Some(self.wording.calls(&method)?);
        Ok(plan)
    }

    /// The types, and where they are from in words.
    async fn pool(&self) -> Result<(DescriptorPool, String), CallError> {
        match &self.source {
            Source::Health => Ok((
                describe::health(),
                "the health service's definition".to_owned(),
            )),
            Source::Proto { path, imports } => {
                let pool = describe::proto(path, imports)?;
                Ok((pool, format!("{}", path.display())))
            }
            Source::Protoset(path) => {
                let pool = describe::protoset(path)?;
                Ok((pool, format!("{}", path.display())))
            }
            Source::Reflection(headers) => {
                let channel = Channel::new(&self.plan, headers.clone())?;
                let pool = reflect::pool(&channel, &self.service).await?;
                Ok((pool, format!("the reflection of {}", channel.host())))
            }
        }
    }

    fn find(&self, pool: &DescriptorPool, place: String) -> Result<MethodDescriptor, CallError> {
        let service = pool.get_service_by_name(&self.service);
        let service = service.ok_or_else(|| CallError::Service {
            service: self.service.clone(),
            place,
        })?;
        let found = service
            .methods()
            .find(|method| method.name() == self.method);
        found.ok_or_else(|| CallError::Method {
            service: self.service.clone(),
            method: self.method.clone(),
            known: service
                .methods()
                .map(|method| method.name().to_owned())
                .collect::<Vec<_>>()
                .join(", "),
        })
    }
}

/// The URL with another path.
fn with_path(url: &Uri, path: &str) -> Option<Uri> {
    let mut parts = url.clone().into_parts();
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// What every call carries.
fn headers(timeout: Option<std::time::Duration>) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/grpc"),
        ),
        (header::TE, HeaderValue::from_static("trailers")),
        (
            header::USER_AGENT,
            HeaderValue::from_static(concat!("sluice/", env!("CARGO_PKG_VERSION"))),
        ),
    ]);
    // At most eight digits.
    let left = timeout.map(|timeout| timeout.as_millis().min(99_999_999));
    let left = left.and_then(|ms| HeaderValue::try_from(format!("{ms}m")).ok());
    if let Some(left) = left {
        headers.insert("grpc-timeout", left);
    }
    headers
}
