//! Sets the stage: the sandbox, and on it the operator, the gateway and the load tester.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use apiserver::ApiServer;
use kube::Client;
use promql::Labels;
use sandbox::{Options, Repository, Sandbox, Target, Workloads};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::manifests::{self, APPLICATION, Addresses, VERSIONS, Version};

/// Seed of what is drawn by lot: delays, and which requests fail.
const SEED: u64 = 4;

/// How often Prometheus reads the gateway's metrics.
const SCRAPE_INTERVAL: Duration = Duration::from_millis(250);

/// Shortest analysis interval; the demo's is above it.
const INTERVAL_MIN: &str = "1s";

/// A free port of loopback.
const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Everything that runs behind the demo; ended when dropped.
pub(crate) struct Stage {
    sandbox: Sandbox,
    repository: Repository,
    addresses: Addresses,
    gateway: SocketAddr,
    stop: CancellationToken,
    _artifacts: tempfile::TempDir,
    _tasks: Vec<JoinHandle<()>>,
}

impl Stage {
    /// Starts all of it.
    pub(crate) async fn start() -> Result<Self> {
        let options = Options {
            seed: SEED,
            workloads: Workloads::Real,
            scrape_interval: SCRAPE_INTERVAL,
            ..Options::default()
        };
        let sandbox = Sandbox::start(options).await?;
        for definition in api::crd::all() {
            sandbox.load(&serde_json::to_string(&definition)?).await?;
        }
        sandbox.load(manifests::GATEWAY_DEFINITIONS).await?;
        let stop = CancellationToken::new();
        let (git, git_at) = listen().await?;
        let (prometheus, prometheus_at) = listen().await?;
        let (loadtester, loadtester_at) = listen().await?;
        let repository = sandbox.git().create(APPLICATION);
        let mut tasks = vec![
            sandbox.git().serve(git),
            sandbox.prometheus().serve(prometheus),
            serve_gates(loadtester, stop.clone()),
        ];
        let gateway = start_gateway(&sandbox, stop.clone(), &mut tasks).await?;
        let addresses = Addresses {
            prometheus: format!("http://{prometheus_at}"),
            loadtester: format!("http://{loadtester_at}"),
        };
        let artifacts = tempfile::tempdir().context("failed to make a folder for artifacts")?;
        tasks.push(start_operator(
            &sandbox,
            &addresses,
            artifacts.path(),
            stop.clone(),
        )?);
        sandbox
            .load(&manifests::cluster(&format!(
                "http://{git_at}/{APPLICATION}.git"
            )))
            .await?;
        Ok(Self {
            sandbox,
            repository,
            addresses,
            gateway,
            stop,
            _artifacts: artifacts,
            _tasks: tasks,
        })
    }

    /// A client of the cluster.
    pub(crate) fn client(&self) -> Client {
        self.sandbox.client()
    }

    /// Where users connect.
    pub(crate) fn gateway(&self) -> SocketAddr {
        self.gateway
    }

    /// Commits a version; gives the commit's id.
    pub(crate) fn commit(&self, version: Version) -> Result<String> {
        let files = manifests::files(version, &self.addresses);
        let message = format!("{APPLICATION} {}: {}", version.tag, version.message);
        let commit = self
            .repository
            .commit("main", &files, &message)
            .context("failed to commit")?;
        Ok(commit.to_string())
    }

    /// Lets kubectl look at the cluster until a signal.
    pub(crate) async fn keep(self) -> Result<()> {
        let (listener, address) = listen().await?;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("kubeconfig");
        std::fs::write(&path, ApiServer::kubeconfig(address))?;
        let served = tokio::spawn(self.sandbox.api().clone().serve(listener));
        super::say(&format!(
            "\nIt goes on until you press Ctrl-C. In another terminal:\n\n  export KUBECONFIG={}\n  kubectl get canaries -A -w\n\n\
             The gateway answers at http://{} for the host {}; the last version was {}.",
            path.display(),
            self.gateway,
            manifests::HOST,
            VERSIONS.last().map_or("", |v| v.tag),
        ));
        crate::operator::signal().await;
        served.abort();
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn listen() -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(ANYWHERE)
        .await
        .context("failed to listen on loopback")?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn serve_gates(listener: TcpListener, stop: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(loadtester::run(
        loadtester::Settings::default(),
        listener,
        stop.cancelled_owned(),
    ))
}

/// Starts the gateway and lets Prometheus read its metrics.
async fn start_gateway(
    sandbox: &Sandbox,
    stop: CancellationToken,
    tasks: &mut Vec<JoinHandle<()>>,
) -> Result<SocketAddr> {
    let settings = gateway::Settings {
        listen: ANYWHERE,
        metrics: Some(ANYWHERE),
        ..gateway::Settings::default()
    };
    let bound = gateway::Bound::bind(settings).await?;
    let address = bound.address();
    let metrics = bound
        .metrics_address()
        .context("the gateway serves no metrics")?;
    sandbox.prometheus().add_target(
        "gateway",
        Target {
            address: metrics,
            path: "/metrics".to_owned(),
            labels: Labels::new(),
        },
    );
    let client = sandbox.client();
    tasks.push(tokio::spawn(async move {
        bound.run(client, stop.cancelled_owned()).await
    }));
    Ok(address)
}

fn start_operator(
    sandbox: &Sandbox,
    addresses: &Addresses,
    artifacts: &std::path::Path,
    stop: CancellationToken,
) -> Result<JoinHandle<()>> {
    let flags = [
        "operator".to_owned(),
        format!("-interval-min={INTERVAL_MIN}"),
        format!("-metrics-server={}", addresses.prometheus),
        format!("-storage-path={}", artifacts.display()),
        "-storage-addr=127.0.0.1:0".to_owned(),
        "-port=0".to_owned(),
        "-allow-loopback".to_owned(),
    ];
    let settings = operator::Settings::parse(&operator::Args::parse_go(flags)?, &|_| None)?;
    let outbound = Arc::new(analysis::Network::new(crate::operator::egress(&settings))?);
    let client = sandbox.client();
    Ok(tokio::spawn(async move {
        if let Err(error) =
            operator::run(settings, client, operator::Clock::system(), outbound, stop).await
        {
            tracing::error!(%error, "The operator ended.");
        }
    }))
}
