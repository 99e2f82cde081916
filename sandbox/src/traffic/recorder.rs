//! Counts answers as a mesh's proxies do and writes the counters into the
//! sandbox's Prometheus. Names and labels are in `series.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use promql::Labels;

use super::Mesh;
use super::series::{self, Kind, LabelPatterns};
use crate::prometheus::Prometheus;
use crate::workload::metrics::{BUCKETS_S, Histogram};

/// Istio's own buckets, in milliseconds.
const BUCKETS_MS: [f64; 19] = [
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1_000.0,
    2_500.0,
    5_000.0,
    10_000.0,
    30_000.0,
    60_000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
];
/// What a gateway answers when no endpoint is ready.
const UNSERVED_CODE: u16 = 503;

/// One answered request.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) namespace: String,
    pub(super) service: String,
    pub(super) workload: String,
    pub(super) pod: String,
    pub(super) version: String,
    /// Name of the user's own routing object.
    pub(super) object: String,
    pub(super) code: u16,
    pub(super) took: Duration,
}

#[derive(Debug)]
pub(crate) struct Recorder {
    mesh: Mesh,
    counters: BTreeMap<Labels, f64>,
    /// By labels, the metric's name without its suffix among them.
    histograms: BTreeMap<Labels, Histogram>,
    /// The labels of answers that are the same but for how long they took, in the order of the mesh's series.
    known: BTreeMap<AnswerKey, Vec<Labels>>,
}

/// Namespace, Service, pod and code.
type AnswerKey = (String, String, String, u16);

impl Recorder {
    pub(super) fn new(mesh: Mesh) -> Self {
        Self {
            mesh,
            counters: BTreeMap::new(),
            histograms: BTreeMap::new(),
            known: BTreeMap::new(),
        }
    }

    pub(super) fn answered(&mut self, answer: &Answer) {
        let series = series::of(self.mesh);
        let key = (
            answer.namespace.clone(),
            answer.service.clone(),
            answer.pod.clone(),
            answer.code,
        );
        let known = self.known.entry(key).or_insert_with(|| {
            let each = series.iter();
            each.map(|(name, _, patterns)| labels(name, patterns, answer))
                .collect()
        });
        for ((_, kind, _), labels) in series.iter().zip(known) {
            let seconds = answer.took.as_secs_f64();
            match kind {
                Kind::Count => count(&mut self.counters, labels),
                Kind::Seconds => observe(&mut self.histograms, labels, &BUCKETS_S, seconds),
                Kind::Milliseconds => {
                    let took = seconds * 1000.0;
                    observe(&mut self.histograms, labels, &BUCKETS_MS, took);
                }
            }
        }
    }

    /// A request for which the Service had no ready pod; of the meshes whose metrics are written only our gateway
    /// counts those by Service.
    pub(super) fn unserved(&mut self, namespace: &str, service: &str) {
        if self.mesh == Mesh::Sluice {
            let labels = gateway(namespace, service, UNSERVED_CODE);
            count(&mut self.counters, &labels);
        }
    }

    /// Appends every counter as it stands now; those of pods that are not there end.
    pub(super) fn record(
        &mut self,
        prometheus: &Prometheus,
        is_there: impl Fn(&str, &str) -> bool,
    ) {
        let is_live = |labels: &Labels| {
            let pod = labels.get("kubernetes_pod_name");
            pod.is_empty() || is_there(labels.get("kubernetes_namespace"), pod)
        };
        let ended: Vec<Labels> = self
            .histograms
            .keys()
            .filter(|labels| !is_live(labels))
            .cloned()
            .collect();
        for labels in ended {
            if let Some(histogram) = self.histograms.remove(&labels) {
                each_series(&labels, &histogram, |labels, _| {
                    put(prometheus, labels, promql::stale_nan())
                });
            }
        }
        for (labels, v) in &self.counters {
            put(prometheus, labels, *v);
        }
        for (labels, histogram) in &self.histograms {
            each_series(labels, histogram, |labels, v| put(prometheus, labels, v));
        }
    }
}

fn count(counters: &mut BTreeMap<Labels, f64>, labels: &Labels) {
    match counters.get_mut(labels) {
        Some(count) => *count += 1.0,
        None => drop(counters.insert(labels.clone(), 1.0)),
    }
}

fn observe(
    histograms: &mut BTreeMap<Labels, Histogram>,
    labels: &Labels,
    bounds: &'static [f64],
    v: f64,
) {
    if let Some(histogram) = histograms.get_mut(labels) {
        return histogram.observe(v);
    }
    let mut histogram = Histogram::new(bounds);
    histogram.observe(v);
    histograms.insert(labels.clone(), histogram);
}

fn labels(name: &str, patterns: LabelPatterns, answer: &Answer) -> Labels {
    let is_canary = answer.service.ends_with("-canary");
    let code = answer.code.to_string();
    let values = [
        ("{namespace}", answer.namespace.as_str()),
        ("{service}", &answer.service),
        ("{service_}", &answer.service.replace('-', "_")),
        ("{workload}", &answer.workload),
        ("{pod}", &answer.pod),
        ("{code}", &code),
        (
            "{class}",
            if answer.code >= 500 {
                "failure"
            } else {
                "success"
            },
        ),
        ("{object}", &answer.object),
        ("{canary}", if is_canary { &answer.service } else { "" }),
    ];
    let mut labels = Labels::named(name);
    for (label, pattern) in patterns {
        let mut value = (*pattern).to_owned();
        for (key, given) in values {
            if value.contains(key) {
                value = value.replace(key, given);
            }
        }
        labels = labels.with(label, &value);
    }
    labels
}

fn put(prometheus: &Prometheus, labels: &Labels, v: f64) {
    // Two traffics that tick at the same instant write the same series; the second's counts are in its next tick.
    if let Err(error) = prometheus.append(labels, v) {
        tracing::debug!(%error, "Sample of simulated traffic refused.");
    }
}

fn each_series(labels: &Labels, histogram: &Histogram, mut of: impl FnMut(&Labels, f64)) {
    let named = |suffix: &str| {
        let name = format!("{}{suffix}", labels.name());
        labels.clone().with(promql::METRIC_NAME, &name)
    };
    for (le, count) in histogram.buckets() {
        of(&named("_bucket").with("le", &le), as_f64(count));
    }
    of(&named("_sum"), histogram.sum);
    of(&named("_count"), as_f64(histogram.count));
}

fn gateway(namespace: &str, service: &str, code: u16) -> Labels {
    Labels::named("sluice_gateway_requests_total")
        .with("namespace", namespace)
        .with("service", service)
        .with("code", &code.to_string())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of simulated requests stay far below 2^53"
)]
fn as_f64(count: u64) -> f64 {
    count as f64
}
