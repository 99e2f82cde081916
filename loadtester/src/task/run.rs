//! Carries a task out, within its time, and tells the log and the metrics how it ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::{error, info, warn};

use super::{Job, Task, web};
use crate::load::{self, Plan};
use crate::metrics::{Metrics, RequestLabels};
use crate::shell;

/// Time past the end in which a task may tidy up after itself.
const GRACE: Duration = Duration::from_secs(15);

/// How a task ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// What it printed.
    pub(crate) output: String,
    /// Requests that it sent, and those of them that failed; 0 for all but loads.
    pub(crate) sent: u64,
    pub(crate) failed: u64,
    /// Why it counts as failed.
    pub(crate) failure: Option<String>,
}

impl Ended {
    fn failed(why: impl Into<String>) -> Self {
        Self {
            failure: Some(why.into()),
            ..Self::default()
        }
    }
}

/// Runs tasks.
#[derive(Debug)]
pub(crate) struct Runner {
    limit: Duration,
    metrics: Arc<Metrics>,
}

/// Counts a task as running until dropped.
struct Counted<'m>(&'m Metrics);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.running.dec();
    }
}

impl Runner {
    pub(crate) const fn new(limit: Duration, metrics: Arc<Metrics>) -> Self {
        Self { limit, metrics }
    }

    /// Runs a task to its end, or to the end of its time.
    pub(crate) async fn run(&self, canary: &str, task: Task) -> Ended {
        self.metrics.running.inc();
        let _counted = Counted(&self.metrics);
        let kind = match &task.job {
            Job::Load(_) | Job::Calls(_) => "load",
            Job::Probe(_) => "probe",
            Job::Program { .. } | Job::Concord(_) | Job::Ngrinder(_) => task.kind.as_str(),
        };
        let is_output_logged = task.is_output_logged || task.is_awaited;
        // Tasks of other servers are ended there too, after their time.
        let limit = match &task.job {
            Job::Concord(_) | Job::Ngrinder(_) => self.limit.saturating_add(GRACE),
            Job::Load(_) | Job::Calls(_) | Job::Probe(_) | Job::Program { .. } => self.limit,
        };
        let what = task.shown();
        info!(canary, kind, what, "Task started.");
        let (outcome, ended) = match timeout(limit, self.carry_out(task.job)).await {
            Ok(ended) if ended.failure.is_none() => ("ok", ended),
            Ok(ended) => ("failed", ended),
            Err(_) => ("timeout", Ended::failed("stopped at the time limit")),
        };
        self.metrics.ended(kind, outcome);
        let (output, sent, failed) = (&ended.output, ended.sent, ended.failed);
        if sent > 0 && sent == failed {
            warn!(canary, what, sent, "No request of the load went well.");
        }
        match &ended.failure {
            Some(failure) => error!(canary, kind, what, failure, output, "Task failed."),
            None if is_output_logged => {
                info!(canary, kind, what, sent, failed, output, "Task ended.");
            }
            None => info!(canary, kind, what, sent, failed, "Task ended."),
        }
        ended
    }

    async fn carry_out(&self, job: Job) -> Ended {
        match job {
            Job::Load(plan) => self.load(*plan).await,
            Job::Calls(call) => match call.plan().await {
                Ok(plan) => self.load(plan).await,
                Err(error) => Ended::failed(error.to_string()),
            },
            Job::Probe(probe) => match probe.ask().await {
                Ok((output, code)) => Ended {
                    output: format!("{output}\n"),
                    failure: code.map(|code| format!("exit status {code}")),
                    ..Ended::default()
                },
                Err(error) => Ended::failed(error.to_string()),
            },
            Job::Program { program, arguments } => shell::run(program, &arguments).await,
            Job::Concord(concord) => match web::client() {
                Ok(client) => ended(concord.run(&client, self.limit).await),
                Err(error) => Ended::failed(error),
            },
            Job::Ngrinder(ngrinder) => match web::client() {
                Ok(client) => ended(ngrinder.run(&client, self.limit).await),
                Err(error) => Ended::failed(error),
            },
        }
    }

    /// Whatever the target answers, load that was sent went well.
    async fn load(&self, plan: Plan) -> Ended {
        let requests = self.metrics.requests.clone();
        let counted = move |answer: &load::Answer<'_>| {
            let code = match answer.outcome {
                Ok(status) => status.as_str().to_owned(),
                Err(fault) => fault.word(),
            };
            requests.get_or_create(&RequestLabels { code }).inc();
        };
        match load::run(plan, counted).await {
            Ok(summary) => Ended {
                output: summary.to_string(),
                sent: summary.requests(),
                failed: summary.failed(),
                failure: None,
            },
            Err(error) => Ended::failed(error.to_string()),
        }
    }
}

fn ended(result: Result<(), String>) -> Ended {
    result.map_or_else(Ended::failed, |()| Ended::default())
}
