//! The load tester's own metrics.
//!
//! Names: `sluice_loadtester_tasks_total`, `sluice_loadtester_tasks_running`,
//! `sluice_loadtester_requests_total`.

use std::fmt;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Counters, whose series are named with `_total` added.
const TASKS: &str = "sluice_loadtester_tasks";
const REQUESTS: &str = "sluice_loadtester_requests";

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
        registry.register(TASKS, "Tasks ended, by kind and outcome", tasks.clone());
        registry.register(
            "sluice_loadtester_tasks_running",
            "Tasks that run",
            running.clone(),
        );
        registry.register(
            REQUESTS,
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

    /// Prometheus' own text format: what Flagger serves, whatever it is asked for.
    pub(crate) fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        // The library writes OpenMetrics, where a counter's family is named without `_total`, and
        // a mark ends the text.
        for name in [TASKS, REQUESTS] {
            for of in ["# HELP", "# TYPE"] {
                text = text.replace(&format!("{of} {name} "), &format!("{of} {name}_total "));
            }
        }
        Ok(text.trim_end_matches("# EOF\n").to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_text_as_prometheus_first_had_it() {
        let metrics = Metrics::new();
        metrics.ended("load", "ok");
        metrics.running.set(2);
        let code = "200".to_owned();
        let requests = metrics.requests.get_or_create(&RequestLabels { code });
        requests.inc_by(5);
        drop(requests);
        expect_test::expect![[r##"
            # HELP sluice_loadtester_tasks_total Tasks ended, by kind and outcome.
            # TYPE sluice_loadtester_tasks_total counter
            sluice_loadtester_tasks_total{kind="load",outcome="ok"} 1
            # HELP sluice_loadtester_tasks_running Tasks that run.
            # TYPE sluice_loadtester_tasks_running gauge
            sluice_loadtester_tasks_running 2
            # HELP sluice_loadtester_requests_total Requests of load tasks, by code or kind of failure.
            # TYPE sluice_loadtester_requests_total counter
            sluice_loadtester_requests_total{code="200"} 5
        "##]].assert_eq(&metrics.render().unwrap());
    }
}
