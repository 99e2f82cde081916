//! Answers as a kube-apiserver, in this process: the API of Kubernetes 1.33 over objects kept in memory.
//!
//! `kube::Client` speaks to it without a socket (`ApiServer::client`), and `kubectl` over a loopback listener
//! (`ApiServer::serve`). It runs no controllers: nobody makes pods of a Deployment here; only owner references,
//! finalizers, namespaces and CRDs are followed up, because clients count on that. It authorises everything.
//!
//! ```text
//!  server (HTTP: routes, media types, answers, log, faults)
//!     │
//!  cluster (what each verb does)──── managed, patch, defaults, validate, schema
//!     │
//!  store (objects, versions, history) ──── watch (streams of changes)
//! ```

mod cluster;
pub mod conformance;
mod defaults;
mod discovery;
pub mod faults;
mod managed;
mod object;
mod openapi;
mod patch;
pub mod requests;
mod resource;
mod schema;
mod selector;
mod server;
mod status;
mod store;
mod table;
mod validate;
mod watch;
mod yaml;

pub use crate::{
    cluster::Clock,
    faults::{Fault, Faults, NoFaults, RandomFaults},
    requests::{LoggedRequest, RequestInfo, RequestLog, Verb},
    server::{ApiServer, Broken, Options, ReplyBody},
};
