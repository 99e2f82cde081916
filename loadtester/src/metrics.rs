//! The load tester's own metrics.
//!
//! Names: `sluice_loadtester_tasks_total`, `sluice_loadtester_tasks_running`,
//! `sluice_loadtester_requests_total`; the library adds `_total` to counters.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What became of a task.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct TaskLabels {
    pub(crate) kind: String,
    pub(crate) outcome: String,
}

/// A code, or the kind of failure, of generated requests.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    pub(crate) code: String,
}

#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) tasks: Family<TaskLabels, Counter>,
    pub(crate) running: Gauge,
    pub(crate) requests: Family<RequestLabels, Counter>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let (tasks, running, requests) = (Family::default(), Gauge::default(), Family::default());
        registry.register(
            "sluice_loadtester_tasks",
            "Tasks ended, by kind and outcome",
            tasks.clone(),
        );
        registry.register(
            "sluice_loadtester_tasks_running",
            "Tasks that run",
            running.clone(),
        );
        registry.register(
            "sluice_loadtester_requests",
            "Requests of load tasks, by code or kind of failure",
            requests.clone(),
        );
        Self {
            registry,
            tasks,
            running,
            requests,
        }
    }

    pub(crate) fn ended(&self, kind: &str, outcome: &str) {
        let labels = TaskLabels {
            kind: kind.to_owned(),
            outcome: outcome.to_owned(),
        };
        self.tasks.get_or_create(&labels).inc();
    }

    /// The text format.
    pub(crate) fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
