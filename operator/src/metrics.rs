//! Metrics: Flagger's names, and a few of our own.
//!
//! `name` and `workload` are the name of the target, not of the Canary: dashboards depend on
//! it (Flagger 1.44 `pkg/metrics/recorder.go` behaves so). Series of deleted canaries are
//! removed, which Flagger does not do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

mod usage;

/// Go's default histogram buckets, in seconds.
const BUCKETS_S: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Buckets of the time that rounds begin late, in seconds.
const LATENESS_S: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

type FloatGauge = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InfoLabels {
    version: String,
    mesh_provider: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NamespaceLabels {
    namespace: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetLabels {
    name: String,
    namespace: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkloadLabels {
    workload: String,
    namespace: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnalysisLabels {
    name: String,
    namespace: String,
    metric: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RunLabels {
    name: String,
    namespace: String,
    deployment_strategy: String,
    analysis_status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: String,
}

/// How an analysis ended, for the counters of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnalysisStatus {
    /// It was run.
    Completed,
    /// `skipAnalysis` was set.
    Skipped,
}

/// What was told of a target beside its gauges.
#[derive(Default)]
struct Told {
    metrics: BTreeSet<String>,
    runs: BTreeSet<(String, String)>,
}

/// All metrics of the operator.
pub struct Metrics {
    registry: Registry,
    canary_total: Family<NamespaceLabels, Gauge>,
    canary_status: Family<TargetLabels, Gauge>,
    canary_weight: Family<WorkloadLabels, Gauge>,
    canary_metric_analysis: Family<AnalysisLabels, FloatGauge>,
    canary_duration: Family<TargetLabels, Histogram>,
    canary_successes: Family<RunLabels, Counter>,
    canary_failures: Family<RunLabels, Counter>,
    /// Labels of runs and metrics by namespace and target, to be taken away.
    told: Mutex<BTreeMap<(String, String), Told>>,
    writes: Counter,
    lateness: Histogram,
    round_errors: Family<ReasonLabels, Counter>,
    audit_broken: Counter,
}

impl Metrics {
    /// Registers everything; `mesh_provider` is the flag's value.
    pub fn new(mesh_provider: &str) -> Self {
        let mut registry = Registry::default();
        let info = Family::<InfoLabels, Gauge>::default();
        registry.register("flagger_info", "Version and provider", info.clone());
        let version = env!("CARGO_PKG_VERSION").to_owned();
        info.get_or_create(&InfoLabels {
            version,
            mesh_provider: mesh_provider.to_owned(),
        })
        .set(1);
        let new = Self {
            canary_total: Family::default(),
            canary_status: Family::default(),
            canary_weight: Family::default(),
            canary_metric_analysis: Family::default(),
            canary_duration: Family::new_with_constructor(|| Histogram::new(BUCKETS_S)),
            canary_successes: Family::default(),
            canary_failures: Family::default(),
            told: Mutex::default(),
            writes: Counter::default(),
            lateness: Histogram::new(LATENESS_S),
            round_errors: Family::default(),
            audit_broken: Counter::default(),
            registry: Registry::default(),
        };
        new.register(&mut registry);
        registry.register_collector(Box::new(usage::Usage));
        Self { registry, ..new }
    }

    /// Counters go without `_total`: the encoder adds it.
    fn register(&self, to: &mut Registry) {
        to.register(
            "flagger_canary_total",
            "Canaries of a namespace",
            self.canary_total.clone(),
        );
        to.register(
            "flagger_canary_status",
            "0 running, 1 successful, 2 failed",
            self.canary_status.clone(),
        );
        to.register(
            "flagger_canary_weight",
            "Weight of a workload",
            self.canary_weight.clone(),
        );
        to.register(
            "flagger_canary_metric_analysis",
            "Last value of a metric of the analysis",
            self.canary_metric_analysis.clone(),
        );
        to.register(
            "flagger_canary_duration_seconds",
            "Seconds spent on one check of the analysis",
            self.canary_duration.clone(),
        );
        to.register(
            "flagger_canary_successes",
            "Promoted releases",
            self.canary_successes.clone(),
        );
        to.register(
            "flagger_canary_failures",
            "Failed releases",
            self.canary_failures.clone(),
        );
        to.register(
            "sluice_writes",
            "Requests that wrote to the API server",
            self.writes.clone(),
        );
        to.register(
            "sluice_round_lateness_seconds",
            "Seconds that a canary was due before its round began",
            self.lateness.clone(),
        );
        to.register(
            "sluice_round_errors",
            "Rounds that ended with an error",
            self.round_errors.clone(),
        );
        to.register(
            "sluice_audit_broken",
            "Decisions that broke an invariant",
            self.audit_broken.clone(),
        );
    }

    /// The whole registry as OpenMetrics text.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// The same in Prometheus' own text format, which all scrapers read and Flagger writes.
    pub fn encode_plain(&self) -> Result<String, std::fmt::Error> {
        let open = self.encode()?;
        let counters: BTreeSet<&str> = open
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
            .collect();
        let mut plain = String::with_capacity(open.len());
        for line in open.lines().filter(|line| *line != "# EOF") {
            let mut words = line.split(' ');
            match (words.next(), words.nth(1)) {
                // There a counter has its whole name.
                (Some("#"), Some(name)) if counters.contains(name) => {
                    plain.push_str(&line.replacen(name, &format!("{name}_total"), 1));
                }
                (Some(_) | None, Some(_) | None) => plain.push_str(line),
            }
            plain.push('\n');
        }
        Ok(plain)
    }

    /// Counts the canaries of a namespace.
    pub fn set_total(&self, namespace: &str, count: usize) {
        let labels = NamespaceLabels {
            namespace: namespace.to_owned(),
        };
        self.canary_total
            .get_or_create(&labels)
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Sets the status gauge: 0 running, 1 successful, 2 failed.
    pub fn set_status(&self, namespace: &str, target: &str, value: i64) {
        self.canary_status
            .get_or_create(&target_labels(namespace, target))
            .set(value);
    }

    /// Sets both weights of a target, in percent.
    pub fn set_weights(&self, namespace: &str, target: &str, primary: i64, canary: i64) {
        for (workload, weight) in [
            (format!("{target}-primary"), primary),
            (target.to_owned(), canary),
        ] {
            let labels = WorkloadLabels {
                workload,
                namespace: namespace.to_owned(),
            };
            self.canary_weight.get_or_create(&labels).set(weight);
        }
    }

    /// Keeps the last value of a metric.
    pub fn set_analysis(&self, namespace: &str, target: &str, metric: &str, value: f64) {
        let labels = AnalysisLabels {
            name: target.to_owned(),
            namespace: namespace.to_owned(),
            metric: metric.to_owned(),
        };
        self.note(namespace, target, |told| {
            told.metrics.insert(metric.to_owned());
        });
        self.canary_metric_analysis
            .get_or_create(&labels)
            .set(value);
    }

    /// Observes the time one check took, in seconds.
    pub fn observe_duration(&self, namespace: &str, target: &str, seconds: f64) {
        self.canary_duration
            .get_or_create(&target_labels(namespace, target))
            .observe(seconds);
    }

    /// Counts one ended release.
    pub fn count_run(
        &self,
        namespace: &str,
        target: &str,
        strategy: &str,
        status: AnalysisStatus,
        is_success: bool,
    ) {
        let analysis_status = match status {
            AnalysisStatus::Completed => "completed",
            AnalysisStatus::Skipped => "skipped",
        };
        let labels = RunLabels {
            name: target.to_owned(),
            namespace: namespace.to_owned(),
            deployment_strategy: strategy.to_owned(),
            analysis_status: analysis_status.to_owned(),
        };
        self.note(namespace, target, |told| {
            told.runs
                .insert((strategy.to_owned(), analysis_status.to_owned()));
        });
        let family = if is_success {
            &self.canary_successes
        } else {
            &self.canary_failures
        };
        family.get_or_create(&labels).inc();
    }

    /// Counts one write to the API server.
    pub fn count_write(&self) {
        self.writes.inc();
    }

    /// Observes how late a round began.
    pub fn observe_lateness(&self, late: Duration) {
        self.lateness.observe(late.as_secs_f64());
    }

    /// Counts one round that ended with an error.
    pub fn count_round_error(&self, reason: &str) {
        self.round_errors
            .get_or_create(&ReasonLabels {
                reason: reason.to_owned(),
            })
            .inc();
    }

    /// Counts decisions that broke an invariant.
    pub fn count_audit(&self, broken: usize) {
        self.audit_broken
            .inc_by(u64::try_from(broken).unwrap_or(u64::MAX));
    }

    fn note(&self, namespace: &str, target: &str, note: impl FnOnce(&mut Told)) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        note(
            told.entry((namespace.to_owned(), target.to_owned()))
                .or_default(),
        );
    }

    /// Removes all series of a target whose Canary is gone.
    pub fn forget(&self, namespace: &str, target: &str) {
        self.canary_status.remove(&target_labels(namespace, target));
        self.canary_duration
            .remove(&target_labels(namespace, target));
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let Told { metrics, runs } = told
            .remove(&(namespace.to_owned(), target.to_owned()))
            .unwrap_or_default();
        for metric in metrics {
            self.canary_metric_analysis.remove(&AnalysisLabels {
                name: target.to_owned(),
                namespace: namespace.to_owned(),
                metric,
            });
        }
        for (deployment_strategy, analysis_status) in runs {
            let labels = RunLabels {
                name: target.to_owned(),
                namespace: namespace.to_owned(),
                deployment_strategy,
                analysis_status,
            };
            self.canary_successes.remove(&labels);
            self.canary_failures.remove(&labels);
        }
        for workload in [format!("{target}-primary"), target.to_owned()] {
            self.canary_weight.remove(&WorkloadLabels {
                workload,
                namespace: namespace.to_owned(),
            });
        }
    }
}

fn target_labels(namespace: &str, target: &str) -> TargetLabels {
    TargetLabels {
        name: target.to_owned(),
        namespace: namespace.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_are_those_of_flagger() {
        let metrics = Metrics::new("istio");
        metrics.set_total("test", 1);
        metrics.set_status("test", "podinfo", 1);
        metrics.set_weights("test", "podinfo", 90, 10);
        metrics.set_analysis("test", "podinfo", "request-success-rate", 99.5);
        metrics.observe_duration("test", "podinfo", 0.2);
        metrics.count_run("test", "podinfo", "canary", AnalysisStatus::Completed, true);
        metrics.count_run(
            "test",
            "podinfo",
            "blue-green",
            AnalysisStatus::Skipped,
            false,
        );
        let text = metrics.encode().unwrap();
        for line in [
            "flagger_info{version=\"0.1.0\",mesh_provider=\"istio\"} 1",
            "flagger_canary_total{namespace=\"test\"} 1",
            "flagger_canary_status{name=\"podinfo\",namespace=\"test\"} 1",
            "flagger_canary_weight{workload=\"podinfo-primary\",namespace=\"test\"} 90",
            "flagger_canary_weight{workload=\"podinfo\",namespace=\"test\"} 10",
            "flagger_canary_metric_analysis{name=\"podinfo\",namespace=\"test\",metric=\"request-success-rate\"} 99.5",
            "flagger_canary_duration_seconds_bucket{le=\"0.25\",name=\"podinfo\",namespace=\"test\"} 1",
            "flagger_canary_successes_total{name=\"podinfo\",namespace=\"test\",deployment_strategy=\"canary\",analysis_status=\"completed\"} 1",
            "flagger_canary_failures_total{name=\"podinfo\",namespace=\"test\",deployment_strategy=\"blue-green\",analysis_status=\"skipped\"} 1",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} not in\n{text}"
            );
        }
        metrics.forget("test", "podinfo");
        let text = metrics.encode().unwrap();
        assert!(!text.contains("podinfo"), "{text}");
        assert!(text.contains("process_cpu_seconds_total ") && text.contains("process_open_fds "));
    }
}
