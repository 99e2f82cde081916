//! Joins two upgraded connections, as WebSockets need.
//!
//! Knows nothing of the protocol spoken; ends when both sides have.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tracing::debug;

/// Passes bytes both ways until the end.
pub(super) fn join(client: OnUpgrade, backend: OnUpgrade) {
    tokio::spawn(async move {
        let (client, backend) = match futures::future::try_join(client, backend).await {
            Ok(both) => both,
            Err(error) => {
                debug!(%error, "Connection was not upgraded.");
                return;
            }
        };
        let (mut client, mut backend) = (TokioIo::new(client), TokioIo::new(backend));
        if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut backend).await {
            debug!(%error, "Tunnel ended.");
        }
    });
}
