//! Opens connections: plain or TLS, to the URL's host or to another address.
//!
//! Where nothing else is said TLS encrypts but trusts every certificate, as hey does: a load
//! tester measures the server it is pointed at, often by a name that its certificate does not
//! carry; it sends nothing secret but what its own command line holds.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{
    ConfigBuilderExt, FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder,
};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DEFAULT_VERSIONS, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tower::Service;

use super::plan::{Plan, PlanError, Trust};

/// Time to open a connection, unless the plan says another.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time an idle connection is kept, below what common servers keep.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// What sends requests over connections that are kept.
pub(crate) type Http = Client<HttpsConnector<Steered>, Full<Bytes>>;

/// A client for one plan.
pub(crate) fn client(plan: &Plan) -> Result<Http, PlanError> {
    let mut plain = HttpConnector::new();
    plain.set_nodelay(true);
    plain.enforce_http(false);
    plain.set_connect_timeout(Some(plan.connect_timeout.unwrap_or(CONNECT_TIMEOUT)));
    let steered = Steered {
        plain,
        to: plan.connect_to.clone(),
    };
    let idle = if plan.is_keepalive {
        plan.concurrency.highest()
    } else {
        0
    };
    Ok(Client::builder(TokioExecutor::new())
        .http2_only(plan.is_http2)
        .pool_max_idle_per_host(idle)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_timer(TokioTimer::new())
        .build(connector(steered, plan)?))
}

/// A connector for both `http` and `https`.
fn connector(steered: Steered, plan: &Plan) -> Result<HttpsConnector<Steered>, PlanError> {
    let name = match &plan.trust {
        Trust::Checked { name, .. } => name.as_deref(),
        Trust::Any => None,
    };
    let mut builder = HttpsConnectorBuilder::new()
        .with_tls_config(config(plan)?)
        .https_or_http();
    if let Some(name) = name {
        let wanted = ServerName::try_from(name.to_owned());
        let wanted = wanted.map_err(|_| PlanError::ServerName {
            name: name.to_owned(),
        })?;
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(wanted));
    }
    Ok(if plan.is_http2 {
        builder.enable_http2().wrap_connector(steered)
    } else {
        builder.enable_http1().wrap_connector(steered)
    })
}

fn config(plan: &Plan) -> Result<ClientConfig, PlanError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(DEFAULT_VERSIONS)
        .unwrap_or_else(|_| unreachable!("the provider's suites serve the default versions"));
    let builder = match &plan.trust {
        Trust::Any => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified(provider))),
        Trust::Checked { roots: None, .. } => builder
            .with_native_roots()
            .map_err(|_| PlanError::Certificates)?,
        Trust::Checked {
            roots: Some(pem), ..
        } => {
            let mut roots = RootCertStore::empty();
            let found: Vec<_> = CertificateDer::pem_slice_iter(pem).flatten().collect();
            if roots.add_parsable_certificates(found).0 == 0 {
                return Err(PlanError::Certificates);
            }
            builder.with_root_certificates(roots)
        }
    };
    Ok(match &plan.identity {
        Some(identity) => builder.with_client_cert_resolver(identity.shown()),
        None => builder.with_no_client_auth(),
    })
}

/// Connects to the URL's host, or always to one address: a request may name another host than
/// the one that gets it.
#[derive(Clone)]
pub(crate) struct Steered {
    plain: HttpConnector,
    to: Option<Uri>,
}

impl Service<Uri> for Steered {
    type Response = <HttpConnector as Service<Uri>>::Response;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = <HttpConnector as Service<Uri>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.plain.poll_ready(context)
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        self.plain.call(self.to.clone().unwrap_or(url))
    }
}

/// Trusts every certificate; checks that the server holds its key.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);
impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
