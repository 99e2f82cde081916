//! Serves the API on a TCP listener, for kubectl and other programs, and writes a kubeconfig for it.
//!
//! Plain HTTP without authentication: only for loopback addresses, which `serve` insists on.

use std::{io, net::SocketAddr, sync::Arc};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore};

use super::ApiServer;

/// Connections served at the same time.
const CONNECTIONS_MAX: usize = 1_000;

impl ApiServer {
    /// Serves until the future is dropped.
    ///
    /// # Errors
    /// `PermissionDenied` when the listener is not on loopback, and whatever accepting a connection fails with.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        if !listener.local_addr()?.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "refused to serve an API without authentication beyond loopback",
            ));
        }
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        // Dropped with this future, which ends every connection.
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let place = places
                .clone()
                .acquire_owned()
                .await
                .map_err(io::Error::other)?;
            let (stream, peer) = listener.accept().await?;
            let service = TowerToHyperService::new(self.clone());
            connections.spawn(async move {
                let connection = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .into_owned();
                if let Err(error) = connection.await {
                    tracing::debug!(%peer, error, "Connection ended.");
                }
                drop(place);
            });
            while connections.try_join_next().is_some() {}
        }
    }

    /// A kubeconfig that leads kubectl to this address.
    #[must_use]
    pub fn kubeconfig(address: SocketAddr) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: sandbox\nclusters:\n- name: sandbox\n  cluster:\n    server: http://{address}\nusers:\n- name: sandbox\n  user: {{}}\ncontexts:\n- name: sandbox\n  context:\n    cluster: sandbox\n    user: sandbox\n    namespace: default\n"
        )
    }
}
