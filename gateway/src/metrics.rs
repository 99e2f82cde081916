//! Counts requests and their durations, and renders them for Prometheus.
//!
//! The names `sluice_gateway_requests_total` and `sluice_gateway_request_duration_seconds`
//! are a contract with the analysis queries. Plain atomics instead of a client library, so
//! that a request takes no lock; series are looked up only when a table is built.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;

/// Upper bounds of the duration histogram, with their text.
const BUCKETS: [(Duration, &str); 11] = [
    (Duration::from_millis(5), "0.005"),
    (Duration::from_millis(10), "0.01"),
    (Duration::from_millis(25), "0.025"),
    (Duration::from_millis(50), "0.05"),
    (Duration::from_millis(100), "0.1"),
    (Duration::from_millis(250), "0.25"),
    (Duration::from_millis(500), "0.5"),
    (Duration::from_secs(1), "1"),
    (Duration::from_millis(2500), "2.5"),
    (Duration::from_secs(5), "5"),
    (Duration::from_secs(10), "10"),
];
/// Codes 100 to 599.
const CODES: usize = 500;
/// Series kept; past it those that no table uses are dropped.
const SERIES_MAX: usize = 10_000;
/// The code counted when the client went away before its answer.
pub(crate) const CODE_CLIENT_GONE: u16 = 499;

/// Namespace and name of the route, and the backend Service.
type Labels = (String, String, String);

/// All series of one gateway.
#[derive(Debug, Default)]
pub struct Metrics {
    series: Mutex<BTreeMap<Labels, Arc<Series>>>,
    pub(crate) connections: AtomicI64,
}

/// The series of one route and Service.
#[derive(Debug)]
pub(crate) struct Series {
    codes: [AtomicU64; CODES],
    /// Not cumulative; the last one is above all bounds.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    sum_us: AtomicU64,
}

impl Series {
    fn new() -> Self {
        let zero = |_| AtomicU64::new(0);
        Self {
            codes: std::array::from_fn(zero),
            buckets: std::array::from_fn(zero),
            sum_us: AtomicU64::new(0),
        }
    }

    /// Counts one finished request.
    pub(crate) fn count(&self, code: u16, took: Duration) {
        if let Some(counter) = usize::from(code)
            .checked_sub(100)
            .and_then(|index| self.codes.get(index))
        {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let bucket = BUCKETS
            .iter()
            .position(|(bound, _)| took <= *bound)
            .unwrap_or(BUCKETS.len());
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(
            u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }
}

impl Metrics {
    /// The series of a route and Service; made at the first use.
    pub(crate) fn series(&self, namespace: &str, route: &str, service: &str) -> Arc<Series> {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        if series.len() >= SERIES_MAX {
            series.retain(|_, one| Arc::strong_count(one) > 1);
        }
        let labels = (namespace.to_owned(), route.to_owned(), service.to_owned());
        Arc::clone(
            series
                .entry(labels)
                .or_insert_with(|| Arc::new(Series::new())),
        )
    }

    /// The text exposition format, version 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        let series: Vec<(Labels, Arc<Series>)> = {
            let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
            series
                .iter()
                .map(|(labels, one)| (labels.clone(), Arc::clone(one)))
                .collect()
        };
        let mut text = String::from(
            "# HELP sluice_gateway_requests_total Requests answered, by route, backend Service and code.\n\
             # TYPE sluice_gateway_requests_total counter\n",
        );
        for (labels, one) in &series {
            render_codes(&mut text, &label_text(labels), one);
        }
        text.push_str(
            "# HELP sluice_gateway_request_duration_seconds Time from the request's head to the answer's end.\n\
             # TYPE sluice_gateway_request_duration_seconds histogram\n",
        );
        for (labels, one) in &series {
            render_durations(&mut text, &label_text(labels), one);
        }
        let connections = self.connections.load(Ordering::Relaxed);
        let _ = write!(
            text,
            "# HELP sluice_gateway_connections Open client connections.\n\
             # TYPE sluice_gateway_connections gauge\nsluice_gateway_connections {connections}\n"
        );
        text
    }
}

fn label_text((namespace, route, service): &Labels) -> String {
    let quote = |text: &str| {
        text.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    };
    format!(
        r#"namespace="{}",route="{}",service="{}""#,
        quote(namespace),
        quote(route),
        quote(service)
    )
}

fn render_codes(text: &mut String, labels: &str, series: &Series) {
    for (index, counter) in series.codes.iter().enumerate() {
        let count = counter.load(Ordering::Relaxed);
        let code = index + 100;
        // Zeros of the usual two codes let `increase()` see the first request.
        let is_usual = [StatusCode::OK, StatusCode::INTERNAL_SERVER_ERROR]
            .iter()
            .any(|usual| usize::from(usual.as_u16()) == code);
        if count > 0 || is_usual {
            let _ = writeln!(
                text,
                "sluice_gateway_requests_total{{{labels},code=\"{code}\"}} {count}"
            );
        }
    }
}

fn render_durations(text: &mut String, labels: &str, series: &Series) {
    const NAME: &str = "sluice_gateway_request_duration_seconds";
    let mut total = 0_u64;
    let bounds = BUCKETS
        .iter()
        .map(|(_, bound)| *bound)
        .chain(std::iter::once("+Inf"));
    for (bound, bucket) in bounds.zip(&series.buckets) {
        total += bucket.load(Ordering::Relaxed);
        let _ = writeln!(text, "{NAME}_bucket{{{labels},le=\"{bound}\"}} {total}");
    }
    let sum = Duration::from_micros(series.sum_us.load(Ordering::Relaxed)).as_secs_f64();
    let _ = writeln!(
        text,
        "{NAME}_sum{{{labels}}} {sum}\n{NAME}_count{{{labels}}} {total}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_labels_and_buckets_are_the_contract() {
        let metrics = Metrics::default();
        let series = metrics.series("test", "pod\"info", "podinfo-canary");
        series.count(200, Duration::from_millis(5));
        series.count(503, Duration::from_millis(700));
        series.count(200, Duration::from_secs(60));
        series.count(9999, Duration::ZERO);
        let text = metrics.render();
        let labels = r#"namespace="test",route="pod\"info",service="podinfo-canary""#;
        for line in [
            format!("sluice_gateway_requests_total{{{labels},code=\"200\"}} 2"),
            format!("sluice_gateway_requests_total{{{labels},code=\"500\"}} 0"),
            format!("sluice_gateway_requests_total{{{labels},code=\"503\"}} 1"),
            format!("sluice_gateway_request_duration_seconds_bucket{{{labels},le=\"0.005\"}} 2"),
            format!("sluice_gateway_request_duration_seconds_bucket{{{labels},le=\"1\"}} 3"),
            format!("sluice_gateway_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 4"),
            format!("sluice_gateway_request_duration_seconds_sum{{{labels}}} 60.705"),
            format!("sluice_gateway_request_duration_seconds_count{{{labels}}} 4"),
        ] {
            assert!(
                text.lines().any(|seen| seen == line),
                "{line} not in:\n{text}"
            );
        }
    }
}
