//! What came of a load: counts, failures, latencies; printed as hey prints them.
//!
//! Latencies are kept in an HDR histogram of microseconds with three digits.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::Answer;
use super::rpc::Code;

/// Longest latency told apart.
const LATENCY_MAX_US: u64 = 3_600_000_000;
/// Bars of the printed histogram, as hey has them.
const BARS: u64 = 10;
/// Width of the longest bar.
const BAR_WIDTH: u64 = 40;

/// Why a request got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// No connection.
    Connect,
    /// No answer in time.
    Timeout,
    /// The connection or the answer broke off.
    Broken,
    /// Too many redirects, or one to another host.
    Redirect,
    /// A call's template gave no message or no metadata.
    Unfilled,
    /// A gRPC call ended with another status than OK.
    Rpc(Code),
}

impl From<hyper_util::client::legacy::Error> for Fault {
    fn from(error: hyper_util::client::legacy::Error) -> Self {
        if error.is_connect() {
            Self::Connect
        } else {
            Self::Broken
        }
    }
}

impl Fault {
    /// A word for metrics.
    #[must_use]
    pub fn word(self) -> String {
        match self {
            Self::Connect => "connect".to_owned(),
            Self::Timeout => "timeout".to_owned(),
            Self::Broken => "broken".to_owned(),
            Self::Redirect => "redirect".to_owned(),
            Self::Unfilled => "template".to_owned(),
            Self::Rpc(code) => code.name().to_owned(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("connection refused or not made"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Broken => f.write_str("connection broke off"),
            Self::Redirect => f.write_str("redirect not followed"),
            Self::Unfilled => f.write_str("template gave no message or metadata"),
            Self::Rpc(code) => write!(f, "rpc ended with {code}"),
        }
    }
}

/// The result of a load.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Answers by status code.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without answer.
    pub faults: BTreeMap<Fault, u64>,
    /// Bytes of the answers' bodies.
    pub bytes: u64,
    /// Time the load took.
    pub took: Duration,
    /// Requests that were due but found no free worker before the end.
    pub missed: u64,
    latencies: Histogram<u64>,
    is_rpc: bool,
}

impl Summary {
    pub(super) fn new(is_rpc: bool) -> Self {
        // Three digits up to an hour are within the library's bounds; the default grows.
        let latencies = Histogram::new_with_max(LATENCY_MAX_US, 3);
        Self {
            statuses: BTreeMap::new(),
            faults: BTreeMap::new(),
            bytes: 0,
            took: Duration::ZERO,
            missed: 0,
            latencies: latencies.unwrap_or_else(|_| unreachable!("bounds are constants")),
            is_rpc,
        }
    }

    pub(super) fn add(&mut self, answer: &Answer<'_>) {
        match answer.outcome {
            Ok(status) => {
                *self.statuses.entry(status.as_u16()).or_default() += 1;
                self.bytes = self.bytes.saturating_add(answer.bytes);
                let us = u64::try_from(answer.latency.as_micros()).unwrap_or(LATENCY_MAX_US);
                self.latencies.saturating_record(us);
            }
            Err(fault) => *self.faults.entry(fault).or_default() += 1,
        }
    }

    /// Requests sent.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.statuses.values().chain(self.faults.values()).sum()
    }

    /// Requests without answer, and answers of 500 and above.
    #[must_use]
    pub fn failed(&self) -> u64 {
        let bad = self.statuses.range(500..).map(|(_, count)| count);
        bad.chain(self.faults.values()).sum()
    }

    /// The latency that a share (0 to 1) of the answers did not exceed.
    #[must_use]
    pub fn latency(&self, share: f64) -> Duration {
        Duration::from_micros(self.latencies.value_at_quantile(share))
    }

    /// The longest latency.
    #[must_use]
    pub fn latency_max(&self) -> Duration {
        Duration::from_micros(self.latencies.max())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answers: u64 = self.statuses.values().sum();
        let rate = super::to_f64(self.requests()) / self.took.as_secs_f64().max(f64::EPSILON);
        writeln!(
            f,
            "\nSummary:\n  Total:\t{:.4} secs",
            self.took.as_secs_f64()
        )?;
        writeln!(f, "  Slowest:\t{} secs", seconds(self.latencies.max()))?;
        writeln!(
            f,
            "  Fastest:\t{} secs",
            seconds(if answers == 0 {
                0
            } else {
                self.latencies.min()
            })
        )?;
        writeln!(f, "  Average:\t{:.4} secs", self.latencies.mean() / 1e6)?;
        writeln!(f, "  Requests/sec:\t{rate:.4}")?;
        if self.missed > 0 {
            writeln!(f, "  Not sent:\t{} for want of a free worker", self.missed)?;
        }
        if let Some(size) = self.bytes.checked_div(answers) {
            writeln!(
                f,
                "\n  Total data:\t{} bytes\n  Size/request:\t{size} bytes",
                self.bytes
            )?;
            self.write_histogram(f)?;
            writeln!(f, "\nLatency distribution:")?;
            for percent in [10_u8, 25, 50, 75, 90, 95, 99] {
                let us = self.latencies.value_at_quantile(f64::from(percent) / 100.0);
                writeln!(f, "  {percent}% in {} secs", seconds(us))?;
            }
        }
        writeln!(f, "\nStatus code distribution:")?;
        for (status, count) in &self.statuses {
            if self.is_rpc {
                writeln!(f, "  [{}]\t{count} responses", Code::OK)?;
            } else {
                writeln!(f, "  [{status}]\t{count} responses")?;
            }
        }
        if !self.faults.is_empty() {
            writeln!(f, "\nError distribution:")?;
            for (fault, count) in &self.faults {
                writeln!(f, "  [{count}]\t{fault}")?;
            }
        }
        Ok(())
    }
}

impl Summary {
    fn write_histogram(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (fastest, slowest) = (self.latencies.min(), self.latencies.max());
        let bounds: Vec<u64> = (0..=BARS)
            .map(|bar| fastest + slowest.saturating_sub(fastest).saturating_mul(bar) / BARS)
            .collect();
        let mut below = None;
        let mut counts = Vec::new();
        for bound in &bounds {
            let from = below.map_or(0, |below: u64| below.saturating_add(1));
            counts.push(if from > *bound {
                0
            } else {
                self.latencies.count_between(from, *bound)
            });
            below = Some(*bound);
        }
        let most = counts.iter().copied().max().unwrap_or(0);
        writeln!(f, "\nResponse time histogram:")?;
        for (bound, count) in bounds.iter().zip(counts) {
            let width = count
                .saturating_mul(BAR_WIDTH)
                .checked_div(most)
                .unwrap_or(0);
            let bar: String = (0..width).map(|_| '■').collect();
            writeln!(f, "  {} [{count}]\t|{bar}", seconds(*bound))?;
        }
        Ok(())
    }
}

fn seconds(us: u64) -> String {
    format!("{:.4}", Duration::from_micros(us).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, StatusCode};

    #[test]
    fn a_summary_reads_like_heys() {
        let headers = HeaderMap::new();
        let mut summary = Summary::new(false);
        for ms in 1..=100 {
            let latency = Duration::from_millis(ms);
            let outcome = if ms == 100 {
                Err(Fault::Timeout)
            } else {
                Ok(StatusCode::OK)
            };
            summary.add(&Answer {
                outcome,
                headers: &headers,
                latency,
                bytes: 10,
            });
        }
        summary.add(&Answer {
            outcome: Ok(StatusCode::BAD_GATEWAY),
            headers: &headers,
            latency: Duration::from_millis(1),
            bytes: 0,
        });
        summary.took = Duration::from_secs(2);
        assert_eq!((summary.requests(), summary.failed()), (101, 2));
        assert_eq!(summary.latency(0.5).as_millis(), 49);
        let text = summary.to_string();
        for part in [
            "Total:\t2.0000 secs",
            "Requests/sec:\t50.5000",
            "[200]\t99 responses",
            "[502]\t1 responses",
            "99% in 0.0",
            "Total data:\t990 bytes",
            "[1]\tno answer in time",
            "|■",
        ] {
            assert!(text.contains(part), "{part:?} not in {text}");
        }
        assert!(
            Summary::new(false)
                .to_string()
                .contains("Status code distribution")
        );
    }
}
