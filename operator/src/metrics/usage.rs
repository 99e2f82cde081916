//! What this program uses of its machine, under the names that every Prometheus client has.
//!
//! Read from /proc at each scrape; what cannot be read is left out. There are no `go_…` series: this is not Go.

use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Ticks of a second in /proc/self/stat: `USER_HZ`, which Linux keeps at 100 for programs (proc(5), times(2)).
const TICKS_S: f64 = 100.0;

/// Reads /proc.
#[derive(Debug)]
pub(super) struct Usage;

impl Collector for Usage {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for found in read(&|path| fs::read_to_string(path).ok(), open_files()) {
            // The encoder adds `_total` to counters.
            let (name, kind) = match found.name.strip_suffix("_total") {
                Some(name) => (name, MetricType::Counter),
                None => (found.name, MetricType::Gauge),
            };
            let metric = encoder.encode_descriptor(name, found.help, None, kind)?;
            if name == found.name {
                ConstGauge::new(found.value).encode(metric)?;
            } else {
                ConstCounter::new(found.value).encode(metric)?;
            }
        }
        Ok(())
    }
}

/// One value.
struct Found {
    name: &'static str,
    help: &'static str,
    value: f64,
}

/// Descriptors that are open, the one that counts them among them.
fn open_files() -> Option<f64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    u32::try_from(count).ok().map(f64::from)
}

/// Everything that `file` gives.
fn read(file: &dyn Fn(&str) -> Option<String>, open: Option<f64>) -> Vec<Found> {
    let stat = file("/proc/self/stat").unwrap_or_default();
    let status = file("/proc/self/status").unwrap_or_default();
    let limits = file("/proc/self/limits").unwrap_or_default();
    let started = file("/proc/stat").and_then(|text| {
        let boot = number(text.lines().find_map(|line| line.strip_prefix("btime "))?)?;
        Some(boot + field(&stat, 22)? / TICKS_S)
    });
    let spent = field(&stat, 14).zip(field(&stat, 15));
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(number(line)? * 1024.0)
    };
    let limit = |name: &str| number(limits.lines().find_map(|line| line.strip_prefix(name))?);
    let values = [
        (
            "process_cpu_seconds_total",
            "Total user and system CPU time spent in seconds.",
            spent.map(|(user, system)| (user + system) / TICKS_S),
        ),
        (
            "process_max_fds",
            "Maximum number of open file descriptors.",
            limit("Max open files"),
        ),
        ("process_open_fds", "Number of open file descriptors.", open),
        (
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            bytes("VmRSS:"),
        ),
        (
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            started,
        ),
        (
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            bytes("VmSize:"),
        ),
    ];
    let found = values
        .into_iter()
        .filter_map(|(name, help, value)| value.map(|value| Found { name, help, value }));
    found.collect()
}

/// A field of /proc/self/stat, counted from 1 as proc(5) does. The second may hold spaces, in parentheses.
fn field(stat: &str, place: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    number(rest.split_whitespace().nth(place.checked_sub(3)?)?)
}

/// The first word, as a number.
fn number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_there() {
        let file = |path: &str| {
            let text = match path {
                "/proc/self/stat" => {
                    "5355 (a ) b) R 1 1 1 0 -1 4194304 99 0 0 0 250 50 0 0 20 0 1 0 1000 3133440 384"
                }
                "/proc/self/status" => "VmSize:\t    3892 kB\nVmRSS:\t    1960 kB\n",
                "/proc/self/limits" => {
                    "Max open files            20000                20000                files\n"
                }
                "/proc/stat" => "cpu 1 2\nbtime 1795407474\n",
                _ => return None,
            };
            Some(text.to_owned())
        };
        let told = |found: Vec<Found>| -> Vec<(&str, f64)> {
            found.iter().map(|one| (one.name, one.value)).collect()
        };
        assert_eq!(
            told(read(&file, Some(7.0))),
            [
                ("process_cpu_seconds_total", 3.0),
                ("process_max_fds", 20000.0),
                ("process_open_fds", 7.0),
                ("process_resident_memory_bytes", 1960.0 * 1024.0),
                ("process_start_time_seconds", 1_795_407_484.0),
                ("process_virtual_memory_bytes", 3892.0 * 1024.0),
            ]
        );
        for text in [
            "",
            "1 (a",
            "x) R",
            "Max open files unlimited\nVmRSS: much\nbtime never",
        ] {
            let found = read(&|_| Some(text.to_owned()), None);
            assert!(found.is_empty(), "{text}: {:?}", told(found));
        }
    }
}
