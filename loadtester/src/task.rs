//! What a task request asks for, and the tasks that run.
//!
//! A task that already runs for the same canary is not started again. Reading a request is
//! pure; `Queue` runs what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{error, info};

use crate::command::{self, CommandError, LINE_BYTES_MAX};
use crate::load::{self, Plan};
use crate::metrics::{Metrics, RequestLabels};
use crate::shell;

/// Tasks that run at one time.
const RUNNING_MAX: usize = 64;

/// A webhook's body, as Flagger sends it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Payload {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) metadata: Option<BTreeMap<String, String>>,
}

/// A task to run.
#[derive(Debug)]
pub(crate) enum Task {
    /// Load from our own generator, in the background.
    Load {
        line: String,
        plan: Box<Plan>,
        is_output_logged: bool,
    },
    /// A shell command in the background.
    Shell {
        line: String,
        is_output_logged: bool,
    },
    /// A bash command whose end the caller waits for.
    Bash {
        line: String,
        is_output_returned: bool,
    },
}

/// Why a request is no task.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    #[error("metadata not found in payload")]
    NoMetadata,
    #[error("cmd not found in metadata")]
    NoCommand,
    #[error("metadata.cmd is longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    #[error("{0}")]
    Command(#[from] CommandError),
    #[error(
        "metadata.type {kind:?} with this metadata.cmd needs a shell, which is off: use a plain `hey` or `wrk` \
         command, or start the load tester with --allow-shell"
    )]
    NoShell { kind: String },
    #[error(
        "metadata.type {kind:?} is not served here: use \"cmd\" or \"bash\", or run Flagger's load tester image for it"
    )]
    Unserved { kind: String },
}

impl Payload {
    /// The name that gates and tasks are kept by.
    pub(crate) fn canary(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }

    /// The task that is asked for.
    pub(crate) fn task(&self, is_shell_allowed: bool) -> Result<Task, TaskError> {
        let metadata = self
            .metadata
            .as_ref()
            .filter(|metadata| !metadata.is_empty());
        let metadata = metadata.ok_or(TaskError::NoMetadata)?;
        let kind = metadata.get("type").map_or("cmd", String::as_str);
        let is_set = |key: &str| {
            metadata.get(key).is_some_and(|value| {
                ["1", "t", "T", "true", "TRUE", "True"].contains(&value.as_str())
            })
        };
        if !["cmd", "bash"].contains(&kind) {
            return Err(TaskError::Unserved {
                kind: kind.to_owned(),
            });
        }
        let line = metadata.get("cmd").ok_or(TaskError::NoCommand)?.clone();
        if line.len() > LINE_BYTES_MAX {
            return Err(TaskError::TooLong);
        }
        let is_output_logged = is_set("logCmdOutput");
        if kind == "cmd"
            && let Some(plan) = command::parse(&line)?
        {
            return Ok(Task::Load {
                line,
                plan: Box::new(plan),
                is_output_logged,
            });
        }
        if !is_shell_allowed {
            return Err(TaskError::NoShell {
                kind: kind.to_owned(),
            });
        }
        Ok(match kind {
            "bash" => Task::Bash {
                line,
                is_output_returned: is_set("returnCmdOutput"),
            },
            _ => Task::Shell {
                line,
                is_output_logged,
            },
        })
    }
}

/// What became of a queued task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queued {
    Started,
    /// It runs already; forgotten.
    Running,
    /// Too many tasks run.
    Full,
}

/// The tasks in the background. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Queue {
    running: Arc<Mutex<BTreeSet<String>>>,
    tasks: Mutex<JoinSet<()>>,
    timeout: Duration,
    metrics: Arc<Metrics>,
}

/// Marks a task as running until dropped.
struct Running {
    key: String,
    running: Arc<Mutex<BTreeSet<String>>>,
    metrics: Arc<Metrics>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
        self.metrics.running.dec();
    }
}

impl Queue {
    pub(crate) fn new(timeout: Duration, metrics: Arc<Metrics>) -> Self {
        Self {
            running: Arc::default(),
            tasks: Mutex::default(),
            timeout,
            metrics,
        }
    }

    /// Starts a task of a canary unless it runs already.
    pub(crate) fn start(&self, canary: &str, task: Task) -> Queued {
        let line = match &task {
            Task::Load { line, .. } | Task::Shell { line, .. } | Task::Bash { line, .. } => line,
        };
        let key = format!("{canary} {line}");
        {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            if running.contains(&key) {
                return Queued::Running;
            }
            if running.len() >= RUNNING_MAX {
                return Queued::Full;
            }
            running.insert(key.clone());
        }
        self.metrics.running.inc();
        let (running, metrics) = (Arc::clone(&self.running), Arc::clone(&self.metrics));
        let mark = Running {
            key,
            running,
            metrics: Arc::clone(&metrics),
        };
        let (canary, limit) = (canary.to_owned(), self.timeout);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Ended ones are let go here, so that the set stays small.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            run(&canary, task, limit, &metrics).await;
            drop(mark);
        });
        Queued::Started
    }
}

async fn run(canary: &str, task: Task, limit: Duration, metrics: &Arc<Metrics>) {
    let kind = match &task {
        Task::Load { .. } => "load",
        Task::Shell { .. } => "cmd",
        Task::Bash { .. } => "bash",
    };
    let outcome = match timeout(limit, run_to_end(canary, task, metrics)).await {
        Ok(true) => "ok",
        Ok(false) => "failed",
        Err(_) => {
            error!(canary, kind, "Task stopped at the time limit.");
            "timeout"
        }
    };
    metrics.ended(kind, outcome);
}

/// Whether it went well.
async fn run_to_end(canary: &str, task: Task, metrics: &Arc<Metrics>) -> bool {
    match task {
        Task::Load {
            line,
            plan,
            is_output_logged,
        } => {
            let requests = metrics.requests.clone();
            let counted = move |answer: &load::Answer<'_>| {
                let code = match answer.outcome {
                    Ok(status) => status.as_str().to_owned(),
                    Err(fault) => format!("{fault:?}").to_lowercase(),
                };
                requests.get_or_create(&RequestLabels { code }).inc();
            };
            match load::run(*plan, counted).await {
                Ok(summary) => {
                    let (sent, failed) = (summary.requests(), summary.failed());
                    info!(canary, line, sent, failed, "Load ended.");
                    if is_output_logged {
                        info!(canary, output = %summary, "Output of the load.");
                    }
                    true
                }
                Err(error) => {
                    error!(canary, line, %error, "Load not generated.");
                    false
                }
            }
        }
        Task::Shell {
            line,
            is_output_logged,
        } => {
            let ended = shell::run("sh", &line).await;
            match &ended.failure {
                Some(failure) => error!(canary, failure, output = ended.output, "Command failed."),
                None if is_output_logged => info!(canary, output = ended.output, "Command ended."),
                None => info!(canary, "Command ended."),
            }
            ended.failure.is_none()
        }
        Task::Bash { line, .. } => shell::run("bash", &line).await.failure.is_none(),
    }
}
