//! Tests of the whole: seeds on virtual time, a real control plane, a real node.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test ends with a panic, and tells what it saw"
)]

/// A cluster that somebody started: manifests in, states out.
mod cluster;
/// The sandbox answers as the real API server does.
mod conformance;
/// Definitions of the meshes' kinds.
mod definitions;
/// What Envoy has been told, and its program.
mod envoy;
/// Knative's controller, for where none runs.
mod knative;
/// Real data planes on the real node.
mod mesh;
/// The main job on a real node.
mod node;
/// Queries answered in the process.
mod outbound;
/// Every provider against a real kube-apiserver.
mod plane;
/// Manifests of podinfo.
mod podinfo;
/// Marks pods ready where no kubelet runs.
mod pods;
/// Users of two ports, and real requests.
mod ports;
/// Programs that a test starts and ends.
mod program;
/// What `deploy/` grants is enough, and valid.
mod rbac;
/// The scripts of e2e/scenarios through the operator.
mod scenarios;
/// Pods that Prometheus asks.
mod scrape;
/// Users with cookies, and real requests.
mod sessions;
/// Manifests of every shape.
mod shapes;
/// Who answered: the share of requests that reached a canary.
mod share;
/// Random releases with faults, on virtual time.
mod simulation;
/// Users who ask again and again.
mod users;
