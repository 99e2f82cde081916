//! What is told of each target: a row of plain numbers, made into series when somebody scrapes.
//!
//! `name` and `workload` are the name of the target, not of the Canary: dashboards depend on it (Flagger 1.44
//! `pkg/metrics/recorder.go` behaves so). The rows of deleted canaries are removed, which Flagger does not do.

use std::fmt::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::AnalysisStatus;
use crate::world::table::Table;

/// Upper ends of Go's default histogram buckets, in seconds, and of the one for all else.
const BUCKETS_S: [f64; 12] = [
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    f64::INFINITY,
];

/// Rows by namespace and target.
#[derive(Debug, Default)]
pub(super) struct Canaries(Mutex<Table<Told>>);

/// What was told of one target.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) status: Option<i64>,
    /// Of primary and canary, in percent.
    pub(super) weights: Option<(u8, u8)>,
    analysis: Vec<(Box<str>, f64)>,
    durations: Option<Box<Durations>>,
    runs: Vec<Run>,
}

/// The times that checks took.
#[derive(Debug, Default)]
struct Durations {
    sum_s: f64,
    counts: [u32; BUCKETS_S.len()],
}

/// How many releases ended alike.
#[derive(Debug)]
struct Run {
    strategy: &'static str,
    status: AnalysisStatus,
    is_success: bool,
    count: u64,
}

impl Told {
    /// Keeps the last value of a metric.
    pub(super) fn set_analysis(&mut self, metric: &str, value: f64) {
        match self.analysis.iter_mut().find(|(name, _)| **name == *metric) {
            Some((_, old)) => *old = value,
            None => self.analysis.push((metric.into(), value)),
        }
    }

    /// Observes the time one check took, in seconds.
    pub(super) fn observe_duration(&mut self, seconds: f64) {
        let durations = self.durations.get_or_insert_default();
        durations.sum_s += seconds;
        let ends = BUCKETS_S.iter().zip(&mut durations.counts);
        if let Some((_, count)) = ends.into_iter().find(|(end, _)| seconds <= **end) {
            *count = count.saturating_add(1);
        }
    }

    /// Counts one ended release.
    pub(super) fn count_run(
        &mut self,
        strategy: &'static str,
        status: AnalysisStatus,
        is_success: bool,
    ) {
        let is_like = |run: &&mut Run| {
            (run.strategy, run.status, run.is_success) == (strategy, status, is_success)
        };
        match self.runs.iter_mut().find(is_like) {
            Some(run) => run.count = run.count.saturating_add(1),
            None => self.runs.push(Run {
                strategy,
                status,
                is_success,
                count: 1,
            }),
        }
    }
}

impl Canaries {
    /// Changes the row of a target, which is new if there is none.
    pub(super) fn change(&self, namespace: &str, target: &str, change: impl FnOnce(&mut Told)) {
        let mut rows = self.lock();
        if rows.get(namespace, target).is_none() {
            rows.insert(namespace, target, Told::default());
        }
        if let Some(told) = rows.get_mut(namespace, target) {
            change(told);
        }
    }

    /// Takes the row of a target away.
    pub(super) fn forget(&self, namespace: &str, target: &str) {
        self.lock().remove(namespace, target);
    }

    fn lock(&self) -> MutexGuard<'_, Table<Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One label.
type Label<'a> = (&'static str, &'a str);

/// Writes the series of one family.
type Family = fn(&mut MetricEncoder<'_>, &str, &str, &Told) -> Result<(), Error>;

/// Every family: name, help, type, series. Counters go without `_total`: the encoder adds it.
const FAMILIES: [(&str, &str, MetricType, Family); 6] = [
    (
        "flagger_canary_status",
        "0 running, 1 successful, 2 failed",
        MetricType::Gauge,
        status,
    ),
    (
        "flagger_canary_weight",
        "Weight of a workload",
        MetricType::Gauge,
        weights,
    ),
    (
        "flagger_canary_metric_analysis",
        "Last value of a metric of the analysis",
        MetricType::Gauge,
        analysis,
    ),
    (
        "flagger_canary_duration_seconds",
        "Seconds spent on one check of the analysis",
        MetricType::Histogram,
        durations,
    ),
    (
        "flagger_canary_successes",
        "Promoted releases",
        MetricType::Counter,
        |to, namespace, target, told| runs(to, namespace, target, told, true),
    ),
    (
        "flagger_canary_failures",
        "Failed releases",
        MetricType::Counter,
        |to, namespace, target, told| runs(to, namespace, target, told, false),
    ),
];

impl Collector for Canaries {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let rows = self.lock();
        for (name, help, kind, family) in FAMILIES {
            let mut to = encoder.encode_descriptor(name, help, None, kind)?;
            for (namespace, target, told) in rows.iter() {
                family(&mut to, namespace, target, told)?;
            }
        }
        Ok(())
    }
}

fn labels<'a>(namespace: &'a str, target: &'a str) -> [Label<'a>; 2] {
    [("name", target), ("namespace", namespace)]
}

fn status(
    to: &mut MetricEncoder<'_>,
    namespace: &str,
    target: &str,
    told: &Told,
) -> Result<(), Error> {
    match &told.status {
        Some(value) => to
            .encode_family(&labels(namespace, target))?
            .encode_gauge(value),
        None => Ok(()),
    }
}

fn weights(
    to: &mut MetricEncoder<'_>,
    namespace: &str,
    target: &str,
    told: &Told,
) -> Result<(), Error> {
    let Some((primary, canary)) = told.weights else {
        return Ok(());
    };
    for (workload, weight) in [(&*format!("{target}-primary"), primary), (target, canary)] {
        to.encode_family(&[("workload", workload), ("namespace", namespace)])?
            .encode_gauge(&i64::from(weight))?;
    }
    Ok(())
}

fn analysis(
    to: &mut MetricEncoder<'_>,
    namespace: &str,
    target: &str,
    told: &Told,
) -> Result<(), Error> {
    for (metric, value) in &told.analysis {
        let [name, namespace] = labels(namespace, target);
        to.encode_family(&[name, namespace, ("metric", metric)])?
            .encode_gauge(value)?;
    }
    Ok(())
}

fn durations(
    to: &mut MetricEncoder<'_>,
    namespace: &str,
    target: &str,
    told: &Told,
) -> Result<(), Error> {
    let Some(durations) = &told.durations else {
        return Ok(());
    };
    let mut buckets = BUCKETS_S.map(|end| (end, 0));
    for ((_, count), found) in buckets.iter_mut().zip(durations.counts) {
        *count = u64::from(found);
    }
    let count = buckets.iter().map(|(_, count)| count).sum();
    to.encode_family(&labels(namespace, target))?
        .encode_histogram::<NoLabelSet>(durations.sum_s, count, &buckets, None)
}

fn runs(
    to: &mut MetricEncoder<'_>,
    namespace: &str,
    target: &str,
    told: &Told,
    is_success: bool,
) -> Result<(), Error> {
    for run in told.runs.iter().filter(|run| run.is_success == is_success) {
        let [name, namespace] = labels(namespace, target);
        let strategy = ("deployment_strategy", run.strategy);
        let status = ("analysis_status", run.status.as_str());
        to.encode_family(&[name, namespace, strategy, status])?
            .encode_counter::<NoLabelSet, _, u64>(&run.count, None)?;
    }
    Ok(())
}
