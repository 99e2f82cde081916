//! Runs the GitOps controllers beside the canary controller, and serves their artifacts.
//!
//! They run when `--storage-path` is given, as Flux's own manifests do; a cluster that only
//! releases canaries needs none of their kinds. What they do is the crate `gitops`.

use std::net::SocketAddr;
use std::sync::Arc;

use sources::network::{Egress, HostNetwork, NetworkError};
use sources::store::{Store, StoreError};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::listen::listen;
use crate::settings::{Settings, Storage};

/// Why the GitOps controllers do not run.
#[derive(Debug, Error)]
pub enum GitOpsError {
    /// The address is taken or not ours.
    #[error("failed to listen on {addr} for artifacts; change -storage-addr")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The folder cannot be used.
    #[error("failed to open the artifacts in {path:?}; change -storage-path")]
    Open {
        /// The folder.
        path: std::path::PathBuf,
        /// Why.
        source: StoreError,
    },
    /// The HTTP client was not made.
    #[error("failed to make the client of Git servers")]
    Network(#[source] NetworkError),
    /// The controllers did not start.
    #[error("failed to start the GitOps controllers")]
    Run(#[source] gitops::RunError),
}

/// Runs until `ended`.
pub(crate) async fn run(
    settings: &Settings,
    storage: &Storage,
    client: kube::Client,
    clock: Clock,
    ended: CancellationToken,
) -> Result<(), GitOpsError> {
    let addr = storage.addr;
    let listener = listen(addr)
        .await
        .map_err(|source| GitOpsError::Listen { addr, source })?;
    let listening = listener.local_addr().unwrap_or(addr);
    let address = storage.adv_addr.clone();
    let address = address.unwrap_or_else(|| advertised(listening));
    let store =
        Store::open(storage.path.clone(), &address).map_err(|source| GitOpsError::Open {
            path: storage.path.clone(),
            source,
        })?;
    let egress = Egress {
        is_loopback_allowed: settings.is_loopback_allowed,
    };
    let network = HostNetwork::new(egress).map_err(GitOpsError::Network)?;
    let own = gitops::Settings {
        namespace: settings.namespace.clone(),
        no_cross_namespace_refs: settings.is_cross_namespace_refused,
        ..gitops::Settings::new(storage.path.clone(), &address)
    };
    let clock: gitops::Clock = Arc::new(move || clock.now());
    tracing::info!(addr = %listening, "Serving artifacts.");
    tokio::select! {
        run = gitops::run(own, client, clock, Arc::new(network)) => match run {
            Ok(never) => match never {},
            Err(error) => Err(GitOpsError::Run(error)),
        },
        () = sources::serve::serve(listener, store) => Ok(()),
        () = ended.cancelled() => Ok(()),
    }
}

/// Where artifacts are said to be when no flag tells: an address of all hosts leads nowhere (spec flux-sync 1.7).
fn advertised(listening: SocketAddr) -> String {
    if listening.ip().is_unspecified() {
        return format!("localhost:{}", listening.port());
    }
    listening.to_string()
}
