//! `sluice demo`: four releases in a sandbox in this process, with real requests.
//!
//! The operator, the gateway and the load tester are the ones that run on a cluster. Only the
//! cluster is ours: an API server, controllers, pods that are small servers on loopback, a
//! Prometheus and a Git server.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use api::canary::status::OutcomeKind;
use api::canary::{CanaryPhase, CanaryStatus};

mod manifests;
mod progress;
mod report;
mod stage;
mod users;

use crate::colour::{Palette, Tone};
use manifests::{APPLICATION, VERSIONS, Version};
use progress::Progress;
use report::{Outcome, Release, Report};
use stage::Stage;
use users::{Answered, Users};

/// Flags of `sluice demo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write the outcomes to this file as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Leave it running at the end, with a kubeconfig for kubectl.
    #[arg(long)]
    keep: bool,
}

/// Runs the releases; fails unless each ended as it should.
#[tokio::main]
pub(crate) async fn start(args: &Args) -> Result<ExitCode> {
    crate::logs::start("error", crate::logs::Form::Console);
    let palette = Palette::of_stdout();
    say("A cluster in this process: API server, controllers, Git, Prometheus, gateway, users.");
    let began = Instant::now();
    let stage = Stage::start().await.context("failed to set the stage")?;
    let users = Users::start(stage.gateway());
    let mut progress = Progress::new(stage.client(), palette, began);
    let mut report = Report::default();
    for version in VERSIONS {
        let release = release(&stage, &users, &mut progress, version, palette).await?;
        report.releases.push(release);
    }
    say(&format!("\n{}", report.table(APPLICATION, palette)));
    if let Some(path) = &args.report {
        let json = serde_json::to_vec_pretty(&report)?;
        std::fs::write(path, json)
            .with_context(|| format!("failed to write {}", path.display()))?;
    }
    if args.keep {
        stage.keep().await?;
    } else {
        say("Next: sluice demo --keep, then kubectl get canaries -A -w");
    }
    Ok(if report.is_as_expected() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Commits a version and follows it to its end.
async fn release(
    stage: &Stage,
    users: &Users,
    progress: &mut Progress,
    version: Version,
    palette: Palette,
) -> Result<Release> {
    let began = Instant::now();
    let before = users.counts();
    let commit = stage.commit(version)?;
    let shown = palette.paint(
        Tone::Strong,
        format!(
            "git commit {} podinfo {}: {}",
            commit.get(..7).unwrap_or_default(),
            version.tag,
            version.message
        ),
    );
    say(&format!("\n{shown}"));
    let status = progress.follow(version).await?;
    if status.phase == CanaryPhase::Initialized {
        users.until_served().await?;
    }
    let after = users.counts();
    Ok(Release {
        version: version.tag.to_owned(),
        outcome: outcome(&status),
        reason: reason(
            &status,
            after
                .by_version
                .get(version.tag)
                .copied()
                .unwrap_or_default(),
        ),
        weights: status.analysis.map(|a| a.weights).unwrap_or_default(),
        seconds: began.elapsed().as_secs_f64(),
        requests: after.requests.saturating_sub(before.requests),
        failed: after.failed.saturating_sub(before.failed),
    })
}

fn outcome(status: &CanaryStatus) -> Outcome {
    let ended = status.analysis.as_ref().and_then(|a| a.outcome.as_ref());
    match ended.map(|ended| ended.kind) {
        Some(OutcomeKind::Initialised) => Outcome::Initialised,
        Some(OutcomeKind::Promoted) => Outcome::Promoted,
        Some(OutcomeKind::RolledBack | OutcomeKind::PromotionFailed) | None => Outcome::RolledBack,
    }
}

/// Why it ended so, and how many users met it; a first version needs no reason.
fn reason(status: &CanaryStatus, met: Answered) -> String {
    if status.phase == CanaryPhase::Initialized {
        return String::new();
    }
    let outcome = status.analysis.as_ref().and_then(|a| a.outcome.as_ref());
    let why = outcome.map_or("", |outcome| &outcome.reason);
    let Answered { requests, failed } = met;
    format!("{why} (it answered {requests} requests, {failed} with an error)")
}

#[expect(clippy::print_stdout, reason = "the demo talks to a person")]
fn say(text: &str) {
    println!("{text}");
}
