//! Asks metric servers and webhooks; judges nothing.
//!
//! `measure` answers a metric probe, `answer` a gate, `available` tells whether
//! the server of a metric can be asked at all, and `tell` sends an event.
//! Whatever goes wrong becomes words in the answer: no call fails, and no words
//! hold credentials. What an answer means for the rollout is for `rollout`.
//!
//! ```text
//! Check ─ query (builtin, template) ─┬─ provider ─┐                       ┌─ Network (sockets)
//!                                    └────────────┼─ Outbound (the seam) ─┤
//! Gate ── payload, retries ───────────────────────┘                       └─ the simulation
//! ```

mod builtin;
mod context;
mod credentials;
mod event;
mod measure;
mod network;
mod outbound;
mod provider;
mod query;
mod webhook;
mod wording;

pub use builtin::Flavour;
pub use context::{Context, MetricServer, Resolved, TemplateRef, Unusable};
pub use credentials::{Credentials, Secret};
pub use event::{Event, EventHook, tell};
pub use measure::{available, measure};
pub use network::{Egress, Network, NetworkError};
pub use outbound::{
    Asked, HookFault, HookRequest, HookResponse, HttpRequest, HttpResponse, KubernetesRequest,
    Method, Outbound, PrometheusServer, QueryFault, QueryResult, Reach, Series,
};
pub use provider::{Kept, Provider};
pub use query::RenderError;
pub use webhook::{answer, checksum, legacy_revision};
