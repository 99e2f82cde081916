//! Serves an empty cluster on a loopback port and prints a kubeconfig for it, to try kubectl by hand.

use apiserver::{ApiServer, Options};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let kubeconfig = ApiServer::kubeconfig(listener.local_addr()?);
    if let Some(path) = std::env::args_os().nth(1) {
        std::fs::write(path, kubeconfig)?;
    }
    ApiServer::new(Options::default()).serve(listener).await
}
