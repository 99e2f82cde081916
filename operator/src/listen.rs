//! Opens the ports of the operator: where no host is named, for IPv6 and IPv4 alike.

use std::io;
use std::iter;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

/// Opens a port; port 0 is a free one.
pub(crate) async fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(&*tried(addr)).await
}

/// `[::]` takes IPv4 too, but a host without IPv6 does not have it.
fn tried(addr: SocketAddr) -> Vec<SocketAddr> {
    let is_any = addr.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let other = is_any.then(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, addr.port())));
    iter::once(addr).chain(other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpStream;

    #[test]
    fn only_any_address_has_a_second() {
        for (addr, expected) in [
            ("[::]:8080", "[[::]:8080, 0.0.0.0:8080]"),
            ("0.0.0.0:8080", "[0.0.0.0:8080]"),
            ("[::1]:8080", "[[::1]:8080]"),
        ] {
            assert_eq!(format!("{:?}", tried(addr.parse().unwrap())), expected);
        }
    }

    #[tokio::test]
    async fn any_address_is_heard_in_both_families() {
        let has_ipv6 = TcpListener::bind("[::1]:0").await.is_ok();
        let listener = listen("[::]:0".parse().unwrap()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
        if has_ipv6 {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port))
                .await
                .unwrap();
        }
    }
}
