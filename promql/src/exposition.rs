//! Reads the Prometheus text exposition format 0.0.4: what `/metrics` answers.
//! Does not read OpenMetrics' exemplars or seconds, and judges no metric name
//! beyond its characters.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::labels::{Labels, METRIC_NAME};

/// Samples read from one text at most.
const SAMPLES_MAX: usize = 200_000;
/// Bytes of one text at most.
const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The type a `# TYPE` line gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricType {
    /// Only rises, but for restarts.
    Counter,
    /// Goes up and down.
    Gauge,
    /// `_bucket`, `_sum` and `_count` series.
    Histogram,
    /// Quantiles, `_sum` and `_count`.
    Summary,
    /// Not said.
    Untyped,
}

/// One sample of the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Scraped {
    /// The labels, the metric's name among them.
    pub labels: Labels,
    /// The value.
    pub v: f64,
    /// The sample's own time in Unix milliseconds, when the text has it.
    pub t_ms: Option<i64>,
}

/// Everything one text says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exposition {
    /// Type by metric family.
    pub types: BTreeMap<String, MetricType>,
    /// The samples in order of the text.
    pub samples: Vec<Scraped>,
}

/// Why a text was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpositionError {
    /// More bytes or samples than we read.
    #[error(
        "refused an exposition past its limit of {TEXT_BYTES_MAX} bytes or {SAMPLES_MAX} samples"
    )]
    TooLong,
    /// A line that does not follow the format.
    #[error("failed to read {expected} in line {line} of the exposition")]
    BadLine {
        /// Counted from 1.
        line: usize,
        /// What should have stood there.
        expected: &'static str,
    },
}

/// Reads a whole text.
///
/// # Errors
/// At the first line that does not follow the format, or past the limits.
pub fn parse_exposition(text: &str) -> Result<Exposition, ExpositionError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ExpositionError::TooLong);
    }
    let mut out = Exposition::default();
    for (at, line) in text.lines().enumerate() {
        let bad = |expected| ExpositionError::BadLine {
            line: at + 1,
            expected,
        };
        let line = line.trim_matches([' ', '\t', '\r']);
        if let Some(comment) = line.strip_prefix('#') {
            read_comment(comment, &mut out.types).map_err(bad)?;
        } else if !line.is_empty() {
            if out.samples.len() >= SAMPLES_MAX {
                return Err(ExpositionError::TooLong);
            }
            out.samples.push(read_sample(line).map_err(bad)?);
        }
    }
    Ok(out)
}

fn read_comment(
    comment: &str,
    types: &mut BTreeMap<String, MetricType>,
) -> Result<(), &'static str> {
    let mut words = comment.split_ascii_whitespace();
    if words.next() != Some("TYPE") {
        return Ok(());
    }
    let name = words.next().ok_or("a metric name after TYPE")?;
    let kind = match words.next() {
        Some("counter") => MetricType::Counter,
        Some("gauge") => MetricType::Gauge,
        Some("histogram") => MetricType::Histogram,
        Some("summary") => MetricType::Summary,
        Some("untyped") => MetricType::Untyped,
        Some(_) | None => return Err("a metric type"),
    };
    types.insert(name.to_owned(), kind);
    Ok(())
}

fn read_sample(line: &str) -> Result<Scraped, &'static str> {
    let name_end = line.find(|c: char| !is_name_char(c)).unwrap_or(line.len());
    let (name, mut rest) = line.split_at(name_end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("a metric name");
    }
    let mut labels = Labels::named(name);
    rest = rest.trim_start();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = read_labels(inside, &mut labels)?;
    }
    let mut words = rest.split_ascii_whitespace();
    let v = read_value(words.next().ok_or("a value")?)?;
    let t_ms = words
        .next()
        .map(i64::from_str)
        .transpose()
        .map_err(|_| "a timestamp in milliseconds")?;
    if words.next().is_some() {
        return Err("the end of the line");
    }
    Ok(Scraped { labels, v, t_ms })
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// Reads `a="b",c="d"}` and returns what follows the brace.
fn read_labels<'a>(mut rest: &'a str, labels: &mut Labels) -> Result<&'a str, &'static str> {
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return Ok(after);
        }
        let (name, after) = rest.split_once('=').ok_or("a label")?;
        let name = name.trim();
        let is_named = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_named || name.is_empty() || name == METRIC_NAME {
            return Err("a label name");
        }
        let quoted = after
            .trim_start()
            .strip_prefix('"')
            .ok_or("a quoted label value")?;
        let (value, after) = read_quoted(quoted)?;
        labels.set(name, &value);
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(next) => next,
            None if after.starts_with('}') => after,
            None => return Err("a comma or a closing brace"),
        };
    }
}

/// Reads up to the closing quote; `\\`, `\"` and `\n` are the escapes.
fn read_quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, text.get(at + 1..).unwrap_or_default())),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('\\' | '"'))) => value.push(escaped),
                Some((_, other)) => value.extend(['\\', other]),
                None => return Err("a closing quote"),
            },
            other => value.push(other),
        }
    }
    Err("a closing quote")
}

fn read_value(word: &str) -> Result<f64, &'static str> {
    match word {
        "NaN" | "nan" => Ok(f64::NAN),
        "+Inf" | "Inf" | "+inf" | "inf" => Ok(f64::INFINITY),
        "-Inf" | "-inf" => Ok(f64::NEG_INFINITY),
        number => number.parse().map_err(|_| "a number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_client_library_writes() {
        let text = "# HELP up Help \\n text\n# TYPE http_requests_total counter\n\n\
            http_requests_total{method=\"post\",code=\"200\",} 1027 1395066363000\n\
            up 1\n  spaced { path = \"C:\\\\DIR\\\"\\n\" } -Inf\nn NaN\n";
        let read = parse_exposition(text).unwrap();
        assert_eq!(
            read.types.get("http_requests_total"),
            Some(&MetricType::Counter)
        );
        assert_eq!(read.samples.len(), 4);
        assert_eq!(read.samples[0].t_ms, Some(1_395_066_363_000));
        assert_eq!(read.samples[0].labels.get("code"), "200");
        assert_eq!(read.samples[2].labels.get("path"), "C:\\DIR\"\n");
        assert!(read.samples[3].v.is_nan());
    }

    #[test]
    fn refuses_bad_lines_and_says_which() {
        for (text, expected) in [
            ("up", "a value"),
            ("up one", "a number"),
            ("up 1 now", "a timestamp in milliseconds"),
            ("up 1 1 1", "the end of the line"),
            ("1up 1", "a metric name"),
            ("up{a=1} 1", "a quoted label value"),
            ("up{a=\"1} 1", "a closing quote"),
            ("up{a=\"1\"b=\"2\"} 1", "a comma or a closing brace"),
            ("up{\"a\"=\"1\"} 1", "a label name"),
            ("# TYPE up speed", "a metric type"),
        ] {
            let want = ExpositionError::BadLine { line: 2, expected };
            assert_eq!(
                parse_exposition(&format!("ok 1\n{text}")),
                Err(want),
                "{text}"
            );
        }
    }
}
