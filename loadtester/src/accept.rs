//! Opens the port. Answers nothing itself.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

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
