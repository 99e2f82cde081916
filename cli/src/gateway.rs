//! `sluice gateway`: the data plane as a process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::logs::{self, Form};

/// Flags of `sluice gateway`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Address for requests; `[::]` is every address of the host, IPv4 too.
    #[arg(long, default_value = "[::]:8080")]
    listen: SocketAddr,
    /// Address for /metrics and /healthz.
    #[arg(long, default_value = "[::]:9090")]
    metrics: SocketAddr,
    /// Obey this Gateway only, as namespace/name; every Gateway of our class when absent.
    #[arg(long)]
    gateway: Option<String>,
    /// Address to tell in the Gateways' status; may be given several times.
    #[arg(long)]
    address: Vec<String>,
    /// Kubeconfig; the cluster around this pod, or the user's own, when absent.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Log level: error, warn, info or debug.
    #[arg(long, default_value = "info")]
    log_level: String,
}

/// Runs it until a signal.
#[tokio::main]
pub(crate) async fn start(args: &Args) -> Result<ExitCode> {
    logs::start(&args.log_level, Form::Console);
    let gateway = args.gateway.as_deref().map(one_gateway).transpose()?;
    let selection = gateway::Selection {
        gateway,
        ..gateway::Selection::default()
    };
    let settings = gateway::Settings {
        listen: args.listen,
        metrics: Some(args.metrics),
        selection,
        addresses: args.address.clone(),
    };
    let client = crate::client::client(args.kubeconfig.as_deref(), None).await?;
    gateway::run(settings, client, crate::operator::signal())
        .await
        .context("the gateway ended")?;
    Ok(ExitCode::SUCCESS)
}

fn one_gateway(text: &str) -> Result<(String, String)> {
    let (namespace, name) = text.split_once('/').with_context(|| {
        format!("--gateway is {text:?}: write namespace/name, for example web/public")
    })?;
    Ok((namespace.to_owned(), name.to_owned()))
}
