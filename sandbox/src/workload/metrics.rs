//! Counts requests as podinfo does: `http_requests_total{status}` and the
//! histogram `http_request_duration_seconds{method,path,status}`, in the text
//! exposition format. The traffic of simulated pods is counted here too.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// The default buckets of the Go client library, in seconds.
pub(crate) const BUCKETS_S: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// A histogram with fixed upper bounds.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    bounds: &'static [f64],
    counts: Vec<u64>,
    pub(crate) sum: f64,
    pub(crate) count: u64,
}

impl Histogram {
    pub(crate) fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: vec![0; bounds.len()],
            sum: 0.0,
            count: 0,
        }
    }

    pub(crate) fn observe(&mut self, v: f64) {
        self.sum += v;
        self.count += 1;
        let first = self.bounds.partition_point(|bound| *bound < v);
        for count in self.counts.iter_mut().skip(first) {
            *count += 1;
        }
    }

    /// `le` and how many were at most that; `+Inf` last.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (String, u64)> {
        let finite = self
            .bounds
            .iter()
            .zip(&self.counts)
            .map(|(bound, count)| (bound.to_string(), *count));
        finite.chain([("+Inf".to_owned(), self.count)])
    }
}

/// The requests one workload answered.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    by_route: BTreeMap<(String, String, u16), Histogram>,
}

impl Requests {
    pub(crate) fn observe(&mut self, method: &str, path: &str, status: u16, took: Duration) {
        let key = (method.to_owned(), path.to_owned(), status);
        let histogram = self
            .by_route
            .entry(key)
            .or_insert_with(|| Histogram::new(&BUCKETS_S));
        histogram.observe(took.as_secs_f64());
    }

    /// The text of `/metrics`.
    pub(crate) fn render(&self) -> String {
        let mut totals: BTreeMap<u16, u64> = BTreeMap::new();
        let mut text = String::new();
        for ((_, _, status), histogram) in &self.by_route {
            *totals.entry(*status).or_default() += histogram.count;
        }
        let _fits = self.write(&mut text, &totals);
        text
    }

    fn write(&self, out: &mut String, totals: &BTreeMap<u16, u64>) -> std::fmt::Result {
        writeln!(out, "# TYPE http_requests_total counter")?;
        for (status, count) in totals {
            writeln!(out, "http_requests_total{{status=\"{status}\"}} {count}")?;
        }
        writeln!(out, "# TYPE http_request_duration_seconds histogram")?;
        for ((method, path, status), histogram) in &self.by_route {
            let labels = format!("method={method:?},path={path:?},status=\"{status}\"");
            for (le, count) in histogram.buckets() {
                writeln!(
                    out,
                    "http_request_duration_seconds_bucket{{{labels},le=\"{le}\"}} {count}"
                )?;
            }
            writeln!(
                out,
                "http_request_duration_seconds_sum{{{labels}}} {}",
                histogram.sum
            )?;
            writeln!(
                out,
                "http_request_duration_seconds_count{{{labels}}} {}",
                histogram.count
            )?;
        }
        Ok(())
    }
}
