//! The tasks that run in the background: each once at a time, and not too many.
//!
//! A task already runs if one of the same canary and command does; it is then forgotten.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

use super::run::Runner;
use super::{Job, Task};

/// Tasks that run at one time.
const RUNNING_MAX: usize = 64;

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
    runner: Arc<Runner>,
}

/// Marks a task as running until dropped.
struct Running {
    key: String,
    running: Arc<Mutex<BTreeSet<String>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

impl Queue {
    pub(crate) fn new(runner: Arc<Runner>) -> Self {
        Self {
            running: Arc::default(),
            tasks: Mutex::default(),
            runner,
        }
    }

    /// Starts a task of a canary unless it runs already.
    pub(crate) fn start(&self, canary: &str, task: Task) -> Queued {
        let key = match &task.job {
            // The same test under another user is the same test.
            Job::Ngrinder(ngrinder) => format!("{canary} {}", ngrinder.clone_id()),
            Job::Load(_)
            | Job::Calls(_)
            | Job::Probe(_)
            | Job::Program { .. }
            | Job::Concord(_) => format!("{canary} {}", task.line),
        };
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
        let mark = Running {
            key,
            running: Arc::clone(&self.running),
        };
        let (canary, runner) = (canary.to_owned(), Arc::clone(&self.runner));
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Ended ones are let go here, so that the set stays small.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            runner.run(&canary, task).await;
            drop(mark);
        });
        Queued::Started
    }
}
