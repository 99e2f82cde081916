//! `ghz` lines over TLS: certificates are checked unless the line says otherwise.

use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use loadtester::Settings;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpListener;

use crate::api::start;
use crate::grpc::{Seen, answer, hook};
use crate::support::post;

/// Answers for the name `app.test`, by a certificate that no authority signed. Asks for a
/// client's certificate that `clients` signed, if that is given.
async fn serve(clients: Option<&[u8]>) -> String {
    let certificate = include_bytes!("testdata/named.cert.pem");
    let certificate = CertificateDer::from_pem_slice(certificate).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("testdata/named.key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = clients.map_or_else(WebPkiClientVerifier::no_client_auth, |pem| {
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(pem).unwrap())
            .unwrap();
        let roots = Arc::new(roots);
        WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .unwrap()
    });
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let service = service_fn(|request| answer(request, Seen::default()));
                let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service);
                drop(served.await);
            });
        }
    });
    address
}

#[tokio::test]
async fn certificates_are_checked_unless_told_otherwise() {
    let address = serve(None).await;
    let (url, _stop, _task) = start(Settings::default()).await;
    let folder = env!("CARGO_MANIFEST_DIR");
    let ca = format!("--cacert {folder}/tests/it/testdata/named.cert.pem");
    let other = format!("--cacert {folder}/tests/it/testdata/cert.pem --cname app.test");
    for (flags, wanted) in [
        ("--skipTLS".to_owned(), "[OK]\t2 responses"),
        (format!("{ca} --cname app.test"), "[OK]\t2 responses"),
        (ca.clone(), "[2]\tconnection refused or not made"),
        (other, "[2]\tconnection refused or not made"),
        (String::new(), "[2]\tconnection refused or not made"),
    ] {
        let line = format!("ghz -n 2 -c 1 {flags} {address}");
        let (status, text) = post(&url, &hook(&line)).await;
        assert!(status == 200 && text.contains(wanted), "{flags}: {text}");
    }
    for (flags, wanted) in [
        (
            format!("--cacert {folder}/Cargo.toml"),
            "failed to read certificates",
        ),
        ("--cacert /no/such".to_owned(), "failed to read --cacert"),
        (
            "--cname 'not a name'".to_owned(),
            "failed to use server name \"not a name\"",
        ),
    ] {
        let line = format!("ghz -n 2 -c 1 {flags} {address}");
        let (status, text) = post(&url, &hook(&line)).await;
        assert!(status >= 400 && text.contains(wanted), "{flags}: {text}");
    }
}

#[tokio::test]
async fn a_client_shows_its_certificate_to_a_server_that_asks() {
    let address = serve(Some(include_bytes!("testdata/cert.pem"))).await;
    let (url, _stop, _task) = start(Settings::default()).await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/testdata");
    let pair = |cert: &str, key: &str| format!("--cert {folder}/{cert} --key {folder}/{key}");
    let reply = async |flags: &str| {
        let line = format!("ghz -n 2 -c 1 --skipTLS {flags} {address}");
        post(&url, &hook(&line)).await
    };
    let ours = pair("client.cert.pem", "client.key.pem");
    for (flags, is_let_in) in [
        (ours.clone(), true),
        (
            format!("{ours} --cacert {folder}/named.cert.pem --cname app.test"),
            true,
        ),
        (String::new(), false),
        // Its own name, but nobody's who may sign for clients.
        (pair("named.cert.pem", "named.key.pem"), false),
    ] {
        let (status, text) = reply(&flags).await;
        let is_in = text.contains("[OK]\t2 responses");
        assert!(status == 200 && is_in == is_let_in, "{flags}: {text}");
    }
    let shown = pair("client.cert.pem", "client.key.pem").replace("--", "-tls-client-");
    let checked = format!("-tls-ca-cert={folder}/named.cert.pem -tls-server-name app.test");
    for (flags, wanted) in [
        (format!("{checked} {shown}"), "status: SERVING"),
        (format!("-tls-no-verify {shown}"), "status: SERVING"),
        (shown.clone(), "failed to connect service"),
        (checked, "health rpc failed"),
    ] {
        let line = format!("grpc_health_probe -addr {address} -tls {flags}");
        let (_, text) = post(&url, &hook(&line)).await;
        assert!(text.contains(wanted), "{flags}: {text}");
    }
    for (flags, wanted) in [
        (
            pair("client.key.pem", "client.key.pem"),
            "failed to read --cert",
        ),
        (
            pair("client.cert.pem", "client.cert.pem"),
            "it holds no usable private key",
        ),
        (
            pair("client.cert.pem", "named.key.pem"),
            "named.key.pem\": it is not the key of the first certificate beside it",
        ),
        (pair("none", "client.key.pem"), "failed to read --cert"),
        (
            format!("--cert {folder}/client.cert.pem --key /dev/zero"),
            "it is not a file",
        ),
        (
            format!("--cert {folder}/client.cert.pem"),
            "needs \"--key\" beside it",
        ),
    ] {
        let (status, text) = reply(&flags).await;
        assert!(
            status == 400 && text.contains(wanted),
            "{flags}: {status} {text}"
        );
        // Not a line of any key.
        assert!(!text.contains("MIG"), "{text}");
    }
}
