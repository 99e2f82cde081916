//! Metrics: Flagger's names, and a few of our own.
//!
//! What is told of each canary's target is kept in `metrics/canaries.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

mod canaries;
mod usage;

use canaries::Canaries;

/// Buckets of the time that rounds begin late, in seconds.
const LATENESS_S: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

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

impl AnalysisStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Skipped => "skipped",
        }
    }
}

/// All metrics of the operator.
pub struct Metrics {
    registry: Registry,
    canary_total: Family<NamespaceLabels, Gauge>,
    canaries: Arc<Canaries>,
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
            canaries: Arc::default(),
            writes: Counter::default(),
            lateness: Histogram::new(LATENESS_S),
            round_errors: Family::default(),
            audit_broken: Counter::default(),
            registry: Registry::default(),
        };
        new.register(&mut registry);
        registry.register_collector(Box::new(Arc::clone(&new.canaries)));
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

    /// Everything in Prometheus' own text format, with the labels of buckets as Go writes them: what Flagger serves,
    /// whatever it is asked for.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut open = String::new();
        text::encode(&mut open, &self.registry)?;
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
                (Some(_) | None, Some(_) | None) => push_series(&mut plain, line),
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
        let set = |told: &mut canaries::Told| told.status = Some(value);
        self.canaries.change(namespace, target, set);
    }

    /// Sets both weights of a target, in percent.
    pub fn set_weights(&self, namespace: &str, target: &str, primary: u8, canary: u8) {
        let set = |told: &mut canaries::Told| told.weights = Some((primary, canary));
        self.canaries.change(namespace, target, set);
    }

    /// Keeps the last value of a metric.
    pub fn set_analysis(&self, namespace: &str, target: &str, metric: &str, value: f64) {
        self.canaries
            .change(namespace, target, |told| told.set_analysis(metric, value));
    }

    /// Observes the time one check took, in seconds.
    pub fn observe_duration(&self, namespace: &str, target: &str, seconds: f64) {
        self.canaries
            .change(namespace, target, |told| told.observe_duration(seconds));
    }

    /// Counts one ended release.
    pub fn count_run(
        &self,
        namespace: &str,
        target: &str,
        strategy: &'static str,
        status: AnalysisStatus,
        is_success: bool,
    ) {
        self.canaries.change(namespace, target, |told| {
            told.count_run(strategy, status, is_success);
        });
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

    /// Removes all series of a target whose Canary is gone.
    pub fn forget(&self, namespace: &str, target: &str) {
        self.canaries.forget(namespace, target);
    }
}

/// A line of OpenMetrics with the end of a bucket in Go's words: there 1 is `1.0`, in the text of Go's client `1`.
fn push_series(plain: &mut String, line: &str) {
    const BUCKET: &str = "_bucket{le=\"";
    let end = line.split_once(BUCKET).and_then(|(name, rest)| {
        let (end, rest) = rest.split_once(".0\"")?;
        let is_whole = end.bytes().all(|digit| digit.is_ascii_digit());
        is_whole.then_some((name, end, rest))
    });
    match end {
        Some((name, end, rest)) => {
            for part in [name, BUCKET, end, "\"", rest] {
                plain.push_str(part);
            }
        }
        None => plain.push_str(line),
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
            "flagger_canary_duration_seconds_bucket{le=\"10\",name=\"podinfo\",namespace=\"test\"} 1",
            "flagger_canary_duration_seconds_bucket{le=\"+Inf\",name=\"podinfo\",namespace=\"test\"} 1",
            "sluice_round_lateness_seconds_bucket{le=\"1\"} 0",
            "flagger_canary_successes_total{name=\"podinfo\",namespace=\"test\",deployment_strategy=\"canary\",analysis_status=\"completed\"} 1",
            "flagger_canary_failures_total{name=\"podinfo\",namespace=\"test\",deployment_strategy=\"blue-green\",analysis_status=\"skipped\"} 1",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} not in\n{text}"
            );
        }
        assert!(
            !text.contains(".0\",name") && !text.contains("# EOF"),
            "{text}"
        );
        metrics.forget("test", "podinfo");
        let text = metrics.encode().unwrap();
        assert!(!text.contains("podinfo"), "{text}");
        assert!(text.contains("process_cpu_seconds_total ") && text.contains("process_open_fds "));
    }
}
