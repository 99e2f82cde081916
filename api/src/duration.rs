//! Reads and writes durations as Go does: `1m30s`, `500ms`, `1.5h`.
//!
//! Format: Go's `time.ParseDuration`; negative values are refused, because nothing in these
//! APIs means anything by one.

use std::time::Duration;

/// The longest duration Go can hold, about 292 years.
const DURATION_NS_MAX: u128 = i64::MAX as u128;

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The text is empty.
    #[error("a duration must not be empty; write for example \"30s\" or \"1m30s\"")]
    Empty,
    /// The text starts with a minus sign.
    #[error("{0:?} is negative; a duration must be positive, for example \"30s\"")]
    Negative(String),
    /// A number has no unit behind it, or the unit is none of Go's.
    #[error(
        "{0:?} has a number without a unit; units are h, m, s, ms, us and ns, for example \"1m30s\""
    )]
    Unit(String),
    /// A part does not start with a number.
    #[error("{0:?} is not a duration; write for example \"30s\" or \"1m30s\"")]
    Number(String),
    /// More than 292 years.
    #[error("{0:?} is longer than a duration can be")]
    TooLong(String),
}

/// Reads a Go duration.
///
/// # Errors
/// When the text is empty, negative, lacks a unit, or is longer than an `i64` of nanoseconds.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let body = text.strip_prefix('+').unwrap_or(text);
    match body {
        "" => return Err(DurationError::Empty),
        "0" => return Ok(Duration::ZERO),
        _ if body.starts_with('-') => return Err(DurationError::Negative(text.to_owned())),
        _ => {}
    }
    let mut rest = body;
    let mut total_ns: u128 = 0;
    while !rest.is_empty() {
        let number_len = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(number_len);
        let unit_len = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let unit_ns = unit_ns(unit).ok_or_else(|| DurationError::Unit(text.to_owned()))?;
        let part =
            part_ns(number, unit_ns).ok_or_else(|| DurationError::Number(text.to_owned()))?;
        total_ns = total_ns.saturating_add(part);
        rest = tail;
    }
    if total_ns > DURATION_NS_MAX {
        return Err(DurationError::TooLong(text.to_owned()));
    }
    u64::try_from(total_ns)
        .map(Duration::from_nanos)
        .map_err(|_| DurationError::TooLong(text.to_owned()))
}

fn unit_ns(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// `number` units of `unit_ns` nanoseconds; a fraction keeps nine digits.
fn part_ns(number: &str, unit_ns: u128) -> Option<u128> {
    const FRACTION_DIGITS_MAX: usize = 9;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: u128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let digits = fraction.get(..fraction.len().min(FRACTION_DIGITS_MAX))?;
    let numerator: u128 = if digits.is_empty() {
        0
    } else {
        digits.parse().ok()?
    };
    let scale = 10_u128.checked_pow(u32::try_from(digits.len()).ok()?)?;
    whole
        .checked_mul(unit_ns)?
        .checked_add(numerator.checked_mul(unit_ns)?.checked_div(scale)?)
}

/// Writes a duration as Go prints it: `1m30s`, `1.5s`, `300ms`, `0s`.
#[must_use]
pub fn format(duration: Duration) -> String {
    let ns = duration.as_nanos();
    if ns == 0 {
        return "0s".to_owned();
    }
    if ns < 1_000_000_000 {
        let (unit, name) = match ns {
            0..1_000 => (1_u128, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            _ => (1_000_000, "ms"),
        };
        return format!("{}{name}", decimal(ns, unit));
    }
    let minutes_all = ns / 60_000_000_000;
    let seconds = decimal(ns % 60_000_000_000, 1_000_000_000);
    let (hours, minutes) = (minutes_all / 60, minutes_all % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, m) => format!("{m}m{seconds}s"),
        (h, m) => format!("{h}h{m}m{seconds}s"),
    }
}

/// `value / unit` with as many decimals as it takes.
fn decimal(value: u128, unit: u128) -> String {
    let whole = value / unit;
    let rest = value % unit;
    if rest == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{rest:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: Result<&str, &str>) {
        let got = parse(text).map(format).map_err(|e| e.to_string());
        assert_eq!(got.as_deref().map_err(String::as_str), want, "{text:?}");
    }

    #[test]
    fn reads_what_go_reads() {
        for (text, want) in [
            ("0", "0s"),
            ("0s", "0s"),
            ("1ns", "1ns"),
            ("1500us", "1.5ms"),
            ("500ms", "500ms"),
            ("1.5s", "1.5s"),
            ("90s", "1m30s"),
            ("1m", "1m0s"),
            ("1.5h", "1h30m0s"),
            ("1h0m0.5s", "1h0m0.5s"),
            ("+3s", "3s"),
            (".5s", "500ms"),
        ] {
            check(text, Ok(want));
        }
    }

    #[test]
    fn refuses_the_rest() {
        check(
            "",
            Err("a duration must not be empty; write for example \"30s\" or \"1m30s\""),
        );
        check(
            "-1s",
            Err("\"-1s\" is negative; a duration must be positive, for example \"30s\""),
        );
        check(
            "1y",
            Err(
                "\"1y\" has a number without a unit; units are h, m, s, ms, us and ns, for example \"1m30s\"",
            ),
        );
        check(
            "1m0.5",
            Err(
                "\"1m0.5\" has a number without a unit; units are h, m, s, ms, us and ns, for example \"1m30s\"",
            ),
        );
        check(
            "s",
            Err("\"s\" is not a duration; write for example \"30s\" or \"1m30s\""),
        );
        check(
            "1.2.3s",
            Err("\"1.2.3s\" is not a duration; write for example \"30s\" or \"1m30s\""),
        );
        check(
            "9223372036855s",
            Err("\"9223372036855s\" is longer than a duration can be"),
        );
        check(
            "∞",
            Err(
                "\"∞\" has a number without a unit; units are h, m, s, ms, us and ns, for example \"1m30s\"",
            ),
        );
    }
}
