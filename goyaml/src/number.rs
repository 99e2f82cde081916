//! Reads and writes numbers as Go's strconv does.

/// Reads an integer with Go's base 0: `0x`, `0o`, `0b` and a bare leading `0`
/// for octal. Underscores must be gone already.
pub(crate) fn parse_int(text: &str) -> Option<Int> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let (radix, digits) = radix_of(digits);
    // from_str_radix takes a sign of its own; Go does not.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if !negative {
        return Some(match i64::try_from(magnitude) {
            Ok(i) => Int::Signed(i),
            Err(_) => Int::Unsigned(magnitude),
        });
    }
    0i64.checked_sub_unsigned(magnitude).map(Int::Signed)
}

fn radix_of(digits: &str) -> (u32, &str) {
    let rest = |n: usize| digits.get(n..).unwrap_or_default();
    match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, rest(2)),
        [b'0', b'b' | b'B', ..] => (2, rest(2)),
        [b'0', b'o' | b'O', ..] => (8, rest(2)),
        [b'0', _, ..] => (8, rest(1)),
        _ => (10, digits),
    }
}

/// An integer that fits one of Go's 64-bit kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Int {
    Signed(i64),
    Unsigned(u64),
}

/// Reads a decimal float of go-yaml's form
/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`.
/// One that overflows is no float for go-yaml, it stays a string.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (unsigned.get(..at)?, unsigned.get(at.checked_add(1)?..)),
        None => (unsigned, None),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => digits(mantissa) && !mantissa.is_empty(),
    };
    let exponent_fits = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['-', '+']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    if !mantissa_fits || !exponent_fits {
        return None;
    }
    text.parse::<f64>().ok().filter(|f| f.is_finite())
}

/// Writes a float as go-yaml does: Go's shortest `%g`, `.inf` and `.nan`.
#[must_use]
pub fn format_float(f: f64) -> String {
    if f.is_nan() {
        return ".nan".to_owned();
    }
    if f.is_infinite() {
        return if f > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    shortest_g(&format!("{f:e}"))
}

/// As [`format_float`] with the digits that tell `f32` values apart: what
/// sigs.k8s.io/yaml does to a float that is a mapping key.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the loss of digits is what Go does to such a key"
)]
pub(crate) fn format_float_key(f: f64) -> String {
    if !f.is_finite() {
        return format_float(f);
    }
    shortest_g(&format!("{:e}", f as f32))
}

/// Turns Rust's `d.ddde±x` into Go's `%g` with the shortest digits.
fn shortest_g(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if GO_G_PLAIN.contains(&exponent) {
        return plain_digits(mantissa, exponent);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// The decimal exponents that Go's shortest `%g` writes without an exponent.
const GO_G_PLAIN: std::ops::Range<i32> = -4..6;

fn plain_digits(mantissa: &str, exponent: i32) -> String {
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let Ok(point) = usize::try_from(exponent) else {
        let zeros = usize::try_from(exponent.unsigned_abs())
            .unwrap_or(1)
            .saturating_sub(1);
        return format!("{sign}0.{}{digits}", "0".repeat(zeros));
    };
    let whole = point.saturating_add(1);
    if digits.len() <= whole {
        return format!(
            "{sign}{digits}{}",
            "0".repeat(whole.saturating_sub(digits.len()))
        );
    }
    let (left, right) = digits.split_at(whole);
    format!("{sign}{left}.{right}")
}

/// A float without fraction as a JSON integer, when a 64-bit kind holds it.
///
/// Go writes such a float as its shortest digits filled up with zeros, so the
/// integer is read from those digits and not converted.
pub(crate) fn whole(f: f64) -> Option<serde_json::Value> {
    if !f.is_finite() || f.fract() != 0.0 {
        return None;
    }
    let digits = f.to_string();
    let signed = digits.parse::<i64>().map(serde_json::Value::from);
    signed
        .or_else(|_| digits.parse::<u64>().map(serde_json::Value::from))
        .ok()
}
