//! Serves an empty cluster on a loopback port and writes a kubeconfig: for kubectl by hand, and for measurements.
//!
//! usage: serve KUBECONFIG [CERTIFICATE.pem KEY.pem]. With a certificate it speaks TLS, and so HTTP/2; nobody checks it.

use std::{error::Error, fs, io, path::Path, sync::Arc};

use apiserver::{ApiServer, Options};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::{server::conn::auto, service::TowerToHyperService};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let kubeconfig = ApiServer::kubeconfig(listener.local_addr()?);
    let args: Vec<String> = std::env::args().skip(1).collect();
    let server = ApiServer::new(Options::default());
    let Some(path) = args.first() else {
        return Ok(server.serve(listener).await?);
    };
    let [_, certificate, key] = args.as_slice() else {
        fs::write(path, kubeconfig)?;
        return Ok(server.serve(listener).await?);
    };
    let acceptor = acceptor(certificate.as_ref(), key.as_ref())?;
    let secured = kubeconfig.replace(
        "server: http:",
        "insecure-skip-tls-verify: true\n    server: https:",
    );
    fs::write(path, secured)?;
    serve_tls(server, listener, acceptor).await?;
    Ok(())
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, Box<dyn Error>> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve_tls(server: ApiServer, listener: TcpListener, tls: TlsAcceptor) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let (server, tls) = (TowerToHyperService::new(server.clone()), tls.clone());
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else {
                return;
            };
            // A connection that breaks ends itself alone.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), server)
                .await;
        });
    }
}
