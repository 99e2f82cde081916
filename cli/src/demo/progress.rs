//! Shows a release as it goes: one line a change of the Canary's status.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use api::Canary;
use api::canary::status::{AnalysisStatus, CheckStatus};
use api::canary::{CanaryPhase, CanaryStatus};
use futures::TryStreamExt;
use kube::runtime::watcher::{self, watch_object};
use kube::{Api, Client};

use super::manifests::{APPLICATION, NAMESPACE, Version};
use crate::colour::{Palette, Tone};

/// Longest time a release of the demo may take.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(60);

/// Follows the demo's Canary from release to release.
pub(crate) struct Progress {
    canaries: Api<Canary>,
    palette: Palette,
    began: Instant,
    /// `lastAppliedSpec` of the release before.
    settled: Option<String>,
}

/// What a line shows; a line is printed when it differs from the one before.
#[derive(PartialEq)]
struct Line {
    phase: CanaryPhase,
    weight: i64,
    text: String,
}

impl Progress {
    /// Starts at the beginning of the demo.
    pub(crate) fn new(client: Client, palette: Palette, began: Instant) -> Self {
        Self {
            canaries: Api::namespaced(client, NAMESPACE),
            palette,
            began,
            settled: None,
        }
    }

    /// Shows a release until it has ended, and gives the status it ended with.
    pub(crate) async fn follow(&mut self, version: Version) -> Result<CanaryStatus> {
        let ended = tokio::time::timeout(RELEASE_TIMEOUT, self.until_settled(version)).await;
        let status = ended.with_context(|| {
            format!(
                "{APPLICATION} {} did not end within {RELEASE_TIMEOUT:?}",
                version.tag
            )
        })??;
        self.settled.clone_from(&status.last_applied_spec);
        Ok(status)
    }

    async fn until_settled(&self, version: Version) -> Result<CanaryStatus> {
        let mut states = Box::pin(watch_object(self.canaries.clone(), APPLICATION));
        let mut shown: Option<Line> = None;
        loop {
            let canary = match states.try_next().await {
                Ok(Some(canary)) => canary,
                Ok(None) => bail!("the watch of the Canary ended"),
                // The CRD may be a moment away; the watch opens again by itself.
                Err(watcher::Error::InitialListFailed(_) | watcher::Error::WatchStartFailed(_)) => {
                    continue;
                }
                Err(error) => return Err(error).context("the watch of the Canary failed"),
            };
            let Some(status) = canary.and_then(|c| c.status) else {
                continue;
            };
            if status.last_applied_spec.is_some() && status.last_applied_spec == self.settled {
                continue;
            }
            let line = line(&status);
            if shown.as_ref() != Some(&line) {
                self.print(version, &line);
                shown = Some(line);
            }
            if is_settled(&status) {
                return Ok(status);
            }
        }
    }

    #[expect(clippy::print_stdout, reason = "the demo talks to a person")]
    fn print(&self, version: Version, line: &Line) {
        let Line {
            phase,
            weight,
            text,
        } = line;
        let tone = match phase {
            CanaryPhase::Succeeded | CanaryPhase::Initialized => Tone::Good,
            CanaryPhase::Failed => Tone::Bad,
            CanaryPhase::Unset
            | CanaryPhase::Initializing
            | CanaryPhase::Waiting
            | CanaryPhase::WaitingPromotion => Tone::Waiting,
            CanaryPhase::Progressing
            | CanaryPhase::Promoting
            | CanaryPhase::Finalising
            | CanaryPhase::Terminating
            | CanaryPhase::Terminated => Tone::Strong,
        };
        let phase = self
            .palette
            .paint(tone, format!("{:<16}", format!("{phase:?}")));
        let at = self.palette.paint(
            Tone::Quiet,
            format!("{:5.1} s", self.began.elapsed().as_secs_f64()),
        );
        println!(
            "{at}  {APPLICATION} {}  {phase} {weight:>3} %  {text}",
            version.tag
        );
    }
}

/// Whether a release has ended, one way or the other.
fn is_settled(status: &CanaryStatus) -> bool {
    match status.phase {
        CanaryPhase::Initialized | CanaryPhase::Succeeded | CanaryPhase::Failed => true,
        CanaryPhase::Unset
        | CanaryPhase::Initializing
        | CanaryPhase::Waiting
        | CanaryPhase::Progressing
        | CanaryPhase::WaitingPromotion
        | CanaryPhase::Promoting
        | CanaryPhase::Finalising
        | CanaryPhase::Terminating
        | CanaryPhase::Terminated => false,
    }
}

fn line(status: &CanaryStatus) -> Line {
    let empty = AnalysisStatus::default();
    let analysis = status.analysis.as_ref().unwrap_or(&empty);
    let text = if is_settled(status) {
        analysis.decision.clone().unwrap_or_default()
    } else {
        let mut parts: Vec<String> = analysis.checks.iter().map(measured).collect();
        parts.extend(analysis.waiting_on.clone());
        parts.join("  ·  ")
    };
    Line {
        phase: status.phase,
        weight: status.canary_weight,
        text,
    }
}

/// `request-duration 21 ms (needs ≤ 500 ms) pass`.
fn measured(check: &CheckStatus) -> String {
    let needs = check
        .threshold
        .as_ref()
        .map(|t| format!(" (needs {t})"))
        .unwrap_or_default();
    format!("{} {}{needs} {}", check.name, check.value, check.verdict)
}
