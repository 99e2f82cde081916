//! Reads resource quantities and writes them in the canonical form of `resource.Quantity`.
//!
//! `1000m` becomes `1`, `0.5` becomes `500m`, `1024Mi` becomes `1Gi`. Amounts beyond an i128 of nano units stay as given.

use serde_json::Value;

const NANOS: i128 = 1_000_000_000;
const DECIMAL: [(&str, i128); 10] = [
    ("n", 1),
    ("u", 1_000),
    ("m", 1_000_000),
    ("", NANOS),
    ("k", 1_000 * NANOS),
    ("M", 1_000_000 * NANOS),
    ("G", NANOS * NANOS),
    ("T", 1_000 * NANOS * NANOS),
    ("P", 1_000_000 * NANOS * NANOS),
    ("E", NANOS * NANOS * NANOS),
];
const BINARY: [(&str, u32); 6] = [
    ("Ki", 10),
    ("Mi", 20),
    ("Gi", 30),
    ("Ti", 40),
    ("Pi", 50),
    ("Ei", 60),
];

/// Digits before the suffix; more cannot fit.
const DIGITS_MAX: usize = 18;

/// Whether text is a quantity.
pub(crate) fn is_quantity(text: &str) -> bool {
    parse(text).is_some()
}

/// Rewrites a quantity in its canonical form; leaves what it cannot read.
pub(crate) fn canonicalise(value: &mut Value) {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return,
    };
    let canonical = parse(&text).and_then(|(nanos, is_binary)| print(nanos, is_binary));
    *value = Value::String(canonical.unwrap_or(text));
}

/// The amount in nano units, and whether it was written with a binary suffix.
pub(crate) fn parse(text: &str) -> Option<(i128, bool)> {
    let digits_end = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-')))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(digits_end)?;
    let (is_negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    if number.contains(['+', '-']) {
        return None;
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty())
        || whole.len() > DIGITS_MAX
        || fraction.len() > DIGITS_MAX
    {
        return None;
    }
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (scale, is_binary) = scale_of(suffix)?;
    let divisor = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let scaled = mantissa.checked_mul(scale)?;
    // Precision below a nano unit is rounded up, away from zero.
    let nanos = scaled.checked_add(divisor - 1)? / divisor;
    Some((if is_negative { -nanos } else { nanos }, is_binary))
}

fn scale_of(suffix: &str) -> Option<(i128, bool)> {
    if let Some((_, bits)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Some((NANOS.checked_mul(1_i128 << bits)?, true));
    }
    if let Some((_, scale)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((*scale, false));
    }
    let exponent: u32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some((NANOS.checked_mul(10_i128.checked_pow(exponent)?)?, false))
}

fn print(nanos: i128, is_binary: bool) -> Option<String> {
    if nanos == 0 {
        return Some("0".to_owned());
    }
    if is_binary && nanos % NANOS == 0 {
        let whole = nanos / NANOS;
        for (name, bits) in BINARY.iter().rev() {
            if whole % (1_i128 << bits) == 0 {
                return Some(format!("{}{name}", whole >> bits));
            }
        }
        return Some(whole.to_string());
    }
    DECIMAL
        .iter()
        .rev()
        .find(|(_, scale)| nanos % scale == 0)
        .map(|(name, scale)| format!("{}{name}", nanos / scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms() {
        for (given, wanted) in [
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("100m", "100m"),
            ("1.5Gi", "1536Mi"),
            ("2000", "2k"),
            ("0", "0"),
            ("1e3", "1k"),
            ("-1500m", "-1500m"),
        ] {
            let mut value = Value::from(given);
            canonicalise(&mut value);
            assert_eq!(value, Value::from(wanted), "{given}");
        }
        for bad in ["", "abc", "1Q", "1.2.3", "--1", "99999999999999999999"] {
            assert!(!is_quantity(bad), "{bad}");
        }
    }
}
