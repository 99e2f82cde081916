//! `sluice operator`: every controller against a cluster, under Flagger's flags.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use operator::settings::{LogFormat, LogLevel};
use tokio_util::sync::CancellationToken;

use crate::client::clusters;
use crate::logs::{self, Form};

/// Runs it until a signal.
pub(crate) fn start(flags: Vec<OsString>) -> Result<ExitCode> {
    let args = match operator::Args::parse_go(words("operator", flags)) {
        Ok(args) => args,
        Err(refused) => refused.exit(),
    };
    if args.version {
        tell(env!("CARGO_PKG_VERSION"));
        return Ok(ExitCode::SUCCESS);
    }
    let settings = operator::Settings::parse(&args, &|name| std::env::var(name).ok())?;
    let (word, form) = logging(&settings);
    logs::start(&level(word), form);
    run(settings)
}

#[tokio::main]
async fn run(settings: operator::Settings) -> Result<ExitCode> {
    let clusters = clusters(&settings.cluster).await?;
    let outbound =
        analysis::Network::new(egress(&settings)).context("failed to start the HTTP client")?;
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        signal().await;
        asked.cancel();
    });
    operator::run(
        settings,
        clusters,
        operator::Clock::system(),
        Arc::new(outbound),
        stop,
    )
    .await?;
    Ok(ExitCode::SUCCESS)
}

/// Hosts that flags name may be called wherever they are; those that objects name may not.
pub(crate) fn egress(settings: &operator::Settings) -> analysis::Egress {
    let named = [
        Some(settings.metrics_server.as_str()),
        settings.event_webhook.as_deref(),
    ];
    let hosts = named
        .into_iter()
        .flatten()
        .filter_map(|url| url.parse::<http::Uri>().ok()?.host().map(str::to_owned));
    analysis::Egress {
        is_loopback_allowed: settings.is_loopback_allowed,
        exempt_hosts: hosts.collect(),
    }
}

/// A command line of its own: the program's name, then the flags.
pub(crate) fn words(name: &str, flags: Vec<OsString>) -> Vec<String> {
    let flags = flags
        .into_iter()
        .map(|flag| flag.to_string_lossy().into_owned());
    std::iter::once(name.to_owned()).chain(flags).collect()
}

/// Ends when the process is asked to; a second signal ends it at once.
pub(crate) async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        std::process::exit(1);
    });
}

/// How the settings want log lines.
fn logging(settings: &operator::Settings) -> (&'static str, Form) {
    let word = match settings.log_level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    };
    let form = match settings.log_format {
        LogFormat::Json => Form::Json,
        LogFormat::Console => Form::Console,
    };
    (word, form)
}

/// Flagger's level names, in tracing's words. Libraries stay quieter than we are.
pub(crate) fn level(flagger: &str) -> String {
    let ours = match flagger {
        "debug" => "debug",
        "warn" => "warn",
        "error" | "fatal" | "panic" => "error",
        _ => "info",
    };
    format!(
        "{ours},kube=warn,hyper=warn,hyper_util=warn,reqwest=warn,tower=warn,rustls=warn,h2=warn"
    )
}

#[expect(
    clippy::print_stdout,
    reason = "a version is asked for on standard output"
)]
fn tell(text: &str) {
    println!("{text}");
}
