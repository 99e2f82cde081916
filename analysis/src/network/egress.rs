//! Which addresses may be called: none that lead around the cluster's borders
//!
//! Checks literal addresses in URLs and what names resolve to, at the moment of
//! connecting, so that a name cannot change in between. Where a proxy is set in
//! the environment, names are the proxy's to resolve and to check.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Metadata services outside the link-local range: Alibaba's, and Amazon's on
/// IPv6. They hand credentials to whoever asks from the node.
const METADATA: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// What may be called. The default forbids loopback, link-local, unspecified
/// and multicast addresses and known metadata services.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Egress {
    /// Loopback may be called: for tests, and an operator beside its servers.
    pub is_loopback_allowed: bool,
    /// Hosts that may be called whatever their address is: those that flags of
    /// the operator name, as they stand in the URL.
    pub exempt_hosts: BTreeSet<String>,
}

impl Egress {
    /// Refuses a URL with a literal address that must not be called.
    pub(super) fn check(&self, url: &Url) -> Result<(), IpAddr> {
        let host = url.host_str().unwrap_or_default();
        if self.exempt_hosts.contains(host) {
            return Ok(());
        }
        match host.trim_matches(['[', ']']).parse() {
            Ok(address) if self.is_forbidden(address) => Err(address),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Whether a host that was found at an address may be called.
    #[must_use]
    pub fn allows(&self, host: &str, address: IpAddr) -> bool {
        self.exempt_hosts.contains(host) || !self.is_forbidden(address)
    }

    fn is_forbidden(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if address.is_loopback() {
            return !self.is_loopback_allowed;
        }
        let is_link_local = match address {
            IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        is_link_local
            || address.is_unspecified()
            || address.is_multicast()
            || METADATA.contains(&address)
    }
}

/// Resolves names, and leaves out what must not be called.
pub(super) struct Resolver(pub(super) Arc<Egress>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let egress = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let is_exempt = egress.exempt_hosts.contains(name.as_str());
            let (allowed, forbidden): (Vec<SocketAddr>, Vec<SocketAddr>) =
                found.partition(|address| is_exempt || !egress.is_forbidden(address.ip()));
            match forbidden.first() {
                Some(address) if allowed.is_empty() => Err(Forbidden(address.ip()).into()),
                Some(_) | None => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

/// A name that resolves to a forbidden address only.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Forbidden(pub(super) IpAddr);
