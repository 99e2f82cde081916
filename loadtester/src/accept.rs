//! Opens the port, takes connections within limits, and ends them gently.
//!
//! A client that says nothing is let go. An answer may take its time: whoever waits for a task does
//! so for as long as that runs. Answers nothing itself.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

/// Connections at one time; further ones wait in the kernel.
const CONNECTIONS_MAX: u32 = 256;
/// Time for a head to arrive, and the time a connection may idle: 5 s and 15 s in Flagger, one and
/// the same for the library.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Time for requests in flight at shutdown, as Flagger has it.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(60);
/// Wait after a failed accept, such as one for lack of descriptors.
const ACCEPT_WAIT: Duration = Duration::from_millis(50);

/// Opens a port on every address of the host: a socket of `[::]` takes IPv4 as well, and a host
/// without IPv6 has `0.0.0.0` only.
///
/// # Errors
/// A port that is taken, or not ours.
pub async fn listen(port: u16) -> std::io::Result<TcpListener> {
    let everywhere = [
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
    ];
    // The first that can be had.
    TcpListener::bind(&everywhere[..]).await
}

/// Serves until `shutdown` is over, and then what is in flight.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(
        usize::try_from(CONNECTIONS_MAX).unwrap_or(usize::MAX),
    ));
    let (stop, stopped) = watch::channel(());
    tokio::select! {
        () = accept(&listener, &router, &slots, &stopped) => {}
        () = shutdown => {}
    }
    drop((listener, stop));
    let ended = slots.acquire_many(CONNECTIONS_MAX);
    if timeout(DRAIN_TIMEOUT, ended).await.is_err() {
        warn!("Connections were still open at the end of the drain time.");
    }
}

async fn accept(
    listener: &TcpListener,
    router: &Router,
    slots: &Arc<Semaphore>,
    stopped: &watch::Receiver<()>,
) {
    while let Ok(slot) = Arc::clone(slots).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let answering = answer(stream, router.clone(), stopped.clone());
                tokio::spawn(async move {
                    answering.await;
                    drop(slot);
                });
            }
            Err(error) => {
                warn!(%error, "Connection not accepted.");
                sleep(ACCEPT_WAIT).await;
            }
        }
    }
}

/// Answers one client until it goes or idles for too long; `stopped` closes when no further
/// request is to be taken.
async fn answer(stream: TcpStream, router: Router, mut stopped: watch::Receiver<()>) {
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // To let go one that idles is no news.
    if let Err(error) = ended
        && !error.is_timeout()
    {
        debug!(%error, "Connection ended.");
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn both_families_reach_the_port() {
        let listener = listen(0).await.unwrap();
        let own = listener.local_addr().unwrap();
        let mut hosts = vec![IpAddr::from(Ipv4Addr::LOCALHOST)];
        hosts.extend(own.is_ipv6().then_some(IpAddr::from(Ipv6Addr::LOCALHOST)));
        for host in hosts {
            let stream = TcpStream::connect((host, own.port())).await.unwrap();
            let (_, peer) = listener.accept().await.unwrap();
            assert_eq!(peer.ip().to_canonical(), host);
            drop(stream);
        }
        assert!(listen(own.port()).await.is_err(), "taken");
    }
}
