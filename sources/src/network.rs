//! Sends HTTP requests out, after checking where they go.
//!
//! The trait is the seam by which tests and the demo answer in process. It
//! follows no redirect and knows nothing of Git.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};

use crate::credentials::Tls;

/// An error of any library.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body that arrives in pieces.
pub type Body = BoxStream<'static, Result<Bytes, BoxError>>;

const CONNECT_TIMEOUT_S: u64 = 10;

/// Sends one request and gives the head of its response, the body streaming.
pub trait Network: Send + Sync + 'static {
    /// Sends `request`; redirects are answered as they are, not followed.
    fn send<'a>(
        &'a self,
        request: http::Request<Bytes>,
        tls: &'a Tls,
    ) -> BoxFuture<'a, Result<http::Response<Body>, NetworkError>>;
}

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The address is one that no source may have.
    #[error("refused to connect to {host:?}: {address} is {kind}")]
    Egress {
        /// Host as in the URL.
        host: String,
        /// Address it stands for.
        address: IpAddr,
        /// Kind of the address.
        kind: &'static str,
    },
    /// The TLS material of the Secret cannot be used.
    #[error("failed to read {key:?} of the secret")]
    Tls {
        /// Key of the Secret.
        key: &'static str,
        /// Cause.
        source: reqwest::Error,
    },
    /// The client could not be built.
    #[error("failed to build the HTTP client")]
    Client(#[source] reqwest::Error),
    /// No answer came.
    #[error("failed to reach {host:?}")]
    Send {
        /// Host as in the URL.
        host: String,
        /// Cause, its URL removed.
        source: BoxError,
    },
}

/// Which addresses a source may have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Egress {
    /// Allows loopback; for tests and the demo.
    pub is_loopback_allowed: bool,
}

impl Egress {
    /// The kind of a forbidden address.
    #[must_use]
    pub fn forbidden(self, address: IpAddr) -> Option<&'static str> {
        let address = match address {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
            IpAddr::V4(_) => address,
        };
        if address.is_loopback() {
            return (!self.is_loopback_allowed).then_some("a loopback address");
        }
        if address.is_unspecified() {
            return Some("the unspecified address");
        }
        if address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return Some("a multicast address");
        }
        let is_link_local = match address {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        // The IPv6 address of the EC2 metadata service is a unique local one.
        const EC2_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
        (is_link_local || address == IpAddr::V6(EC2_METADATA))
            .then_some("a link-local address, where cloud metadata lives")
    }
}

/// The network of the host.
#[derive(Clone, Debug)]
pub struct HostNetwork {
    egress: Egress,
    client: reqwest::Client,
}

impl HostNetwork {
    /// Builds the client used where no TLS material is given.
    ///
    /// # Errors
    /// [`NetworkError::Client`] when the system's roots cannot be read.
    pub fn new(egress: Egress) -> Result<Self, NetworkError> {
        let client = builder(egress).build().map_err(NetworkError::Client)?;
        Ok(Self { egress, client })
    }

    fn client(&self, tls: &Tls) -> Result<reqwest::Client, NetworkError> {
        if tls.is_default() {
            return Ok(self.client.clone());
        }
        let mut builder = builder(self.egress);
        if let Some(pem) = &tls.authority {
            let roots =
                reqwest::Certificate::from_pem_bundle(pem).map_err(|source| NetworkError::Tls {
                    key: "ca.crt",
                    source,
                })?;
            builder = builder.tls_certs_merge(roots);
        }
        if let Some((certificate, key)) = &tls.client {
            let pem = [certificate.as_slice(), b"\n", key].concat();
            let identity =
                reqwest::Identity::from_pem(&pem).map_err(|source| NetworkError::Tls {
                    key: "tls.crt",
                    source,
                })?;
            builder = builder.identity(identity);
        }
        builder.build().map_err(NetworkError::Client)
    }
}

impl Network for HostNetwork {
    fn send<'a>(
        &'a self,
        request: http::Request<Bytes>,
        tls: &'a Tls,
    ) -> BoxFuture<'a, Result<http::Response<Body>, NetworkError>> {
        Box::pin(async move {
            let host = request.uri().host().unwrap_or_default().to_owned();
            // A literal address never meets the resolver, so it is checked here.
            let literal = host.trim_start_matches('[').trim_end_matches(']');
            if let Ok(address) = literal.parse::<IpAddr>()
                && let Some(kind) = self.egress.forbidden(address)
            {
                return Err(NetworkError::Egress {
                    host,
                    address,
                    kind,
                });
            }
            let failed = |source: reqwest::Error| NetworkError::Send {
                host: host.clone(),
                source: source.without_url().into(),
            };
            let request = reqwest::Request::try_from(request).map_err(failed)?;
            let response = self.client(tls)?.execute(request).await.map_err(failed)?;
            let mut head = http::Response::new(());
            *head.status_mut() = response.status();
            *head.headers_mut() = response.headers().clone();
            let body = response
                .bytes_stream()
                .map_err(|error| BoxError::from(error.without_url()))
                .boxed();
            Ok(head.map(|()| body))
        })
    }
}

fn builder(egress: Egress) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(CONNECT_TIMEOUT_S))
        .referer(false)
        .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Arc::new(Resolver { egress }))
}

/// The system's resolver with the egress check after it.
struct Resolver {
    egress: Egress,
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let egress = self.egress;
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            for address in &found {
                if let Some(kind) = egress.forbidden(address.ip()) {
                    let address = address.ip();
                    return Err(NetworkError::Egress {
                        host,
                        address,
                        kind,
                    }
                    .into());
                }
            }
            Ok(Box::new(found.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_and_loopback_are_out_of_reach() {
        let strict = Egress::default();
        for address in [
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "169.254.169.254",
            "fe80::1",
            "0.0.0.0",
            "224.0.0.1",
            "fd00:ec2::254",
        ] {
            assert!(
                strict.forbidden(address.parse().unwrap()).is_some(),
                "{address}"
            );
        }
        for address in ["10.0.0.1", "140.82.121.4", "2606:4700::1"] {
            assert_eq!(
                strict.forbidden(address.parse().unwrap()),
                None,
                "{address}"
            );
        }
        let open = Egress {
            is_loopback_allowed: true,
        };
        assert_eq!(open.forbidden("127.0.0.1".parse().unwrap()), None);
        assert!(open.forbidden("169.254.169.254".parse().unwrap()).is_some());
    }

    #[tokio::test]
    async fn a_literal_address_is_checked_too() {
        let network = HostNetwork::new(Egress::default()).unwrap();
        let request = http::Request::get("http://169.254.169.254/latest")
            .body(Bytes::new())
            .unwrap();
        let error = network.send(request, &Tls::default()).await.err().unwrap();
        assert!(matches!(error, NetworkError::Egress { .. }), "{error}");
    }
}
