//! A client of a cluster: one HTTP/2 connection for watches and writes, checked by pings.
//!
//! kube's own stack speaks HTTP/1.1, where each watch and each request under way has a
//! connection: with many canaries at once that was most of the operator's memory. Everything
//! else (credentials, certificates, retries) is kube's.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::retry::RetryPolicy;
use kube::client::{Body, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use operator::{Clusters, Mesh};
use tower::retry::RetryLayer;
use tower::{BoxError, ServiceBuilder};

/// Silence after which the connection is asked whether it lives.
const PING_AFTER: Duration = Duration::from_secs(30);
/// Time for the answer; then the connection is given up and everything begins anew on another.
const PING_ANSWER_MAX: Duration = Duration::from_secs(15);
/// Connections kept for later, where the server speaks HTTP/1.1 only.
const IDLE_MAX: usize = 8;
const IDLE_TIME_MAX: Duration = Duration::from_secs(60);

type Http =
    hyper_util::client::legacy::Client<TimeoutConnector<HttpsConnector<HttpConnector>>, Body>;

/// A client of the cluster in the kubeconfig; without one of the cluster around us, or the user's own.
pub(crate) async fn client(kubeconfig: Option<&Path>, master: Option<&str>) -> Result<Client> {
    connect(config(kubeconfig, master).await?).context("failed to make a client")
}

/// The cluster of the Canaries, and that of the mesh where it has a kubeconfig of its own.
pub(crate) async fn clusters(flags: &operator::settings::Cluster) -> Result<Clusters> {
    let own = config(flags.kubeconfig.as_deref(), flags.master.as_deref()).await?;
    let mesh = match &flags.service_mesh {
        Some(path) => {
            let there = config(Some(path), None)
                .await
                .context("--kubeconfig-service-mesh does not lead to a cluster")?;
            Some(Mesh {
                is_elsewhere: there.cluster_url.authority() != own.cluster_url.authority(),
                client: connect(there).context("failed to make a client of the mesh's cluster")?,
            })
        }
        None => None,
    };
    let own = connect(own).context("failed to make a client")?;
    Ok(Clusters { own, mesh })
}

async fn config(kubeconfig: Option<&Path>, master: Option<&str>) -> Result<Config> {
    let mut config = match kubeconfig {
        Some(path) => {
            let read = Kubeconfig::read_from(path)
                .with_context(|| format!("failed to read the kubeconfig {}", path.display()))?;
            Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?
        }
        None => Config::infer()
            .await
            .context("found no cluster: not inside one, and no kubeconfig; give --kubeconfig")?,
    };
    if let Some(address) = master {
        config.cluster_url = address.parse().with_context(|| {
            format!("--master is {address:?}: write an address like https://10.0.0.1:6443")
        })?;
    }
    Ok(config)
}

fn connect(config: Config) -> Result<Client> {
    if config.proxy_url.is_some() {
        // kube's own stack knows proxies.
        return Ok(Client::try_from(config)?);
    }
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(
            config
                .default_retry
                .then(|| RetryLayer::new(RetryPolicy::server_retry())),
        )
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http(&config)?);
    Ok(Client::new(service, config.default_namespace))
}

fn http(config: &Config) -> Result<Http> {
    // An error means that somebody installed one before us, which will do.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let mut https = HttpsConnectorBuilder::new()
        .with_tls_config(config.rustls_client_config()?)
        .https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = name
            .clone()
            .try_into()
            .with_context(|| format!("tls-server-name is {name:?}: write a host name"))?;
        https = https.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let mut timed = TimeoutConnector::new(https.enable_all_versions().wrap_connector(tcp));
    timed.set_connect_timeout(config.connect_timeout);
    timed.set_read_timeout(config.read_timeout);
    timed.set_write_timeout(config.write_timeout);
    Ok(
        hyper_util::client::legacy::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME_MAX)
            .pool_max_idle_per_host(IDLE_MAX)
            .http2_keep_alive_interval(PING_AFTER)
            .http2_keep_alive_timeout(PING_ANSWER_MAX)
            .http2_keep_alive_while_idle(true)
            .build(timed),
    )
}
