//! What a task request asks for. Pure but for one look at whether a file is there.
//!
//! `task/queue.rs` keeps the tasks that run, `task/run.rs` carries them out.

mod concord;
mod ngrinder;
mod queue;
mod run;
mod web;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::command::{self, CommandError, LINE_BYTES_MAX, Work};
use crate::grpc::{Call, CallError};
use crate::load::Plan;
use crate::settings::parse_bool;

pub(crate) use queue::{Queue, Queued};
pub(crate) use run::{Ended, Runner};

use concord::Concord;
use ngrinder::Ngrinder;

/// The types that are known, in the words of an answer.
const KINDS: &str = "cmd, bash, helm, helmv3, kubectl, concord or ngrinder";

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
pub(crate) struct Task {
    /// `metadata.type`.
    pub(crate) kind: String,
    /// The command, or what is told in its place.
    pub(crate) line: String,
    pub(crate) job: Job,
    /// The caller waits for the end, and learns of it.
    pub(crate) is_awaited: bool,
    /// Log the output of what went well (`logCmdOutput`).
    pub(crate) is_output_logged: bool,
    /// Answer with the output (`returnCmdOutput`).
    pub(crate) is_output_returned: bool,
}

/// What a task does.
#[derive(Debug)]
pub(crate) enum Job {
    /// Load from our own generator.
    Load(Box<Plan>),
    /// gRPC calls from our own generator; the server is asked for the method first.
    Calls(Box<Call>),
    /// One question about a server's health.
    Probe(Box<command::Probe>),
    /// A program of the image, with its arguments.
    Program {
        program: &'static str,
        arguments: Vec<String>,
    },
    /// A process of a Concord server.
    Concord(Box<Concord>),
    /// A test of an nGrinder server.
    Ngrinder(Box<Ngrinder>),
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
    #[error("failed to read \"ghz\": {0}")]
    Call(#[from] CallError),
    #[error(
        "metadata.type {kind:?} with this metadata.cmd needs a shell, which is off: use a plain `hey`, `wrk`, `ghz` or \
         `grpc_health_probe` command, or start the load tester with --allow-shell"
    )]
    NoShell { kind: String },
    #[error(
        "metadata.type {kind:?} {does}, which is off: start the load tester with --allow-shell, in an image that has what it needs"
    )]
    Off { kind: String, does: &'static str },
    #[error("{0}")]
    Concord(concord::Unusable),
    #[error("{0}")]
    Ngrinder(ngrinder::Unusable),
    #[error("unknown task type {kind:?}: use {KINDS}")]
    Unknown { kind: String },
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
        let line = || {
            let line = metadata.get("cmd").ok_or(TaskError::NoCommand)?;
            if line.len() > LINE_BYTES_MAX {
                return Err(TaskError::TooLong);
            }
            Ok(line.clone())
        };
        let does = |does| TaskError::Off {
            kind: kind.to_owned(),
            does,
        };
        let (line, job) = match kind {
            "cmd" | "bash" => {
                let line = line()?;
                let job = shell_job(kind, &line, is_shell_allowed)?;
                (line, job)
            }
            "helm" | "helmv3" | "kubectl" => {
                let line = line()?;
                if !is_shell_allowed {
                    return Err(does("runs a program"));
                }
                let arguments = line.split_whitespace().map(str::to_owned).collect();
                let program = if kind == "kubectl" { "kubectl" } else { "helm" };
                (line, Job::Program { program, arguments })
            }
            "concord" => {
                if !is_shell_allowed {
                    return Err(does(
                        "sends the file that apiKeyPath names to metadata.server",
                    ));
                }
                let concord = Concord::read(metadata).map_err(TaskError::Concord)?;
                (concord.told(), Job::Concord(Box::new(concord)))
            }
            "ngrinder" => {
                let ngrinder = Ngrinder::read(metadata).map_err(TaskError::Ngrinder)?;
                (ngrinder.told(), Job::Ngrinder(Box::new(ngrinder)))
            }
            kind => {
                return Err(TaskError::Unknown {
                    kind: kind.to_owned(),
                });
            }
        };
        let is_set = |key| {
            metadata
                .get(key)
                .is_some_and(|value| parse_bool(value) == Some(true))
        };
        Ok(Task {
            kind: kind.to_owned(),
            line,
            job,
            is_awaited: !["cmd", "ngrinder"].contains(&kind),
            is_output_logged: is_set("logCmdOutput"),
            is_output_returned: is_set("returnCmdOutput"),
        })
    }
}

/// Scheme, host, port and path of a plan's URL: neither user nor query.
fn origin(plan: &Plan) -> String {
    let url = &plan.url;
    let port = url.port().map(|port| format!(":{port}"));
    format!(
        "{}://{}{}{}",
        url.scheme_str().unwrap_or_default(),
        url.host().unwrap_or_default(),
        port.unwrap_or_default(),
        url.path()
    )
}

/// A line of ours, or a program's if that may be started.
fn shell_job(kind: &str, line: &str, is_shell_allowed: bool) -> Result<Job, TaskError> {
    match command::parse(line) {
        Ok(Some(Work::Load(plan))) => Ok(Job::Load(plan)),
        Ok(Some(Work::Calls(call))) => Ok(Job::Calls(call)),
        Ok(Some(Work::Probe(probe))) => Ok(Job::Probe(probe)),
        Ok(None) if is_shell_allowed => Ok(program(kind, line)),
        // Where programs may run, the image may have the real one.
        Err(error) if is_shell_allowed && error.is_of_ours_only() => Ok(program(kind, line)),
        Ok(None) => Err(TaskError::NoShell {
            kind: kind.to_owned(),
        }),
        Err(error) => Err(error.into()),
    }
}

/// A shell with the line.
fn program(kind: &str, line: &str) -> Job {
    Job::Program {
        program: if kind == "bash" { "bash" } else { "sh" },
        arguments: vec!["-c".to_owned(), line.to_owned()],
    }
}

impl Task {
    /// What is done, for the log. A line of ours may hold credentials; a program's line is what
    /// whoever runs programs must be able to see.
    fn shown(&self) -> String {
        match &self.job {
            Job::Load(plan) => format!("{} {}", plan.method, origin(plan)),
            Job::Calls(call) => {
                format!("{}/{} {}", call.service, call.method, origin(&call.plan))
            }
            Job::Probe(probe) => origin(&probe.plan),
            Job::Program { .. } | Job::Concord(_) | Job::Ngrinder(_) => self.line.clone(),
        }
    }

    /// Reads the files that a task names, where nothing else is needed: what is wrong with them
    /// is then told at once.
    pub(crate) async fn prepared(self) -> Result<Self, TaskError> {
        Ok(match self.job {
            Job::Calls(call) if call.is_local() => Self {
                job: Job::Load(Box::new(call.plan().await?)),
                ..self
            },
            Job::Probe(probe) => Self {
                job: Job::Probe(Box::new(probe.prepared()?)),
                ..self
            },
            Job::Calls(_)
            | Job::Load(_)
            | Job::Program { .. }
            | Job::Concord(_)
            | Job::Ngrinder(_) => self,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_we_refuse_is_for_the_program() {
        for (line, is_for_program) in [
            ("hey -c 1000 -n 1000 http://a/", false),
            ("hey -c 1001 -n 2000 http://a/", true),
            ("hey -c 100 -q 1001 http://a/", true),
            ("hey -D file http://a/", true),
            ("hey -c 0 http://a/", false),
            ("hey -c 1001 -n 2000 ftp://a/", false),
            ("wrk -c 2000 -d 5s http://a/", true),
            ("wrk -R 200000 http://a/", true),
            ("wrk -x http://a/", false),
            ("ghz -c 1001 -n 2000 a:1", true),
            ("ghz --rps 100001 a:1", true),
            (
                "ghz --load-schedule step --load-start 100001 --load-step 1 --load-step-duration 1s a:1",
                true,
            ),
            (
                "ghz --load-schedule step --load-start 5 --load-end 4 --load-step 1 --load-step-duration 1s a:1",
                false,
            ),
            (
                "ghz --load-schedule step --load-start 5 --load-step 0 --load-step-duration 1s a:1",
                false,
            ),
        ] {
            let job = shell_job("cmd", line, true);
            assert_eq!(
                matches!(job, Ok(Job::Program { .. })),
                is_for_program,
                "{line}"
            );
            let job = shell_job("cmd", line, false);
            assert!(!matches!(job, Ok(Job::Program { .. })), "{line}");
        }
    }
}
