//! Prints integers and floats by verb, as Go's packages fmt and strconv

use super::verbs::Spec;
use crate::quote::{is_print, quote_with};

/// False if the verb does not fit integers.
pub(super) fn push_int(out: &mut String, value: i64, verb: char, spec: &Spec) -> bool {
    let magnitude = value.unsigned_abs();
    let (digits, prefix) = match verb {
        'v' | 'd' => (magnitude.to_string(), ""),
        'b' => (
            format!("{magnitude:b}"),
            if spec.has_sharp { "0b" } else { "" },
        ),
        'o' => (
            format!("{magnitude:o}"),
            if spec.has_sharp { "0" } else { "" },
        ),
        'O' => (format!("{magnitude:o}"), "0o"),
        'x' => (
            format!("{magnitude:x}"),
            if spec.has_sharp { "0x" } else { "" },
        ),
        'X' => (
            format!("{magnitude:X}"),
            if spec.has_sharp { "0X" } else { "" },
        ),
        'c' => {
            spec.pad(out, &character(value).to_string());
            return true;
        }
        'q' => {
            let quoted = quote_with(&character(value).to_string(), '\'', spec.has_plus);
            spec.pad(out, &quoted);
            return true;
        }
        'U' => {
            spec.pad(out, &code_point(value, spec));
            return true;
        }
        _ => return false,
    };
    if spec.precision == Some(0) && value == 0 {
        Spec {
            has_zero: false,
            ..spec.clone()
        }
        .pad(out, "");
        return true;
    }
    let sign = sign(value < 0, spec);
    let digits_min = match spec.precision {
        Some(precision) => precision,
        None if spec.has_zero && !spec.has_minus => {
            spec.width.unwrap_or(0).saturating_sub(sign.len())
        }
        None => 0,
    };
    let zeros = "0".repeat(digits_min.saturating_sub(digits.len()));
    let prefix = if verb == 'o' && (!zeros.is_empty() || digits.starts_with('0')) {
        ""
    } else {
        prefix
    };
    Spec {
        has_zero: false,
        ..spec.clone()
    }
    .pad(out, &format!("{sign}{prefix}{zeros}{digits}"));
    true
}

fn sign(is_negative: bool, spec: &Spec) -> &'static str {
    match (is_negative, spec.has_plus, spec.has_space) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    }
}

fn character(value: i64) -> char {
    u32::try_from(value)
        .ok()
        .and_then(char::from_u32)
        .unwrap_or('\u{fffd}')
}

fn code_point(value: i64, spec: &Spec) -> String {
    let digits = format!("{value:X}");
    let zeros = "0".repeat(
        spec.precision
            .unwrap_or(4)
            .max(4)
            .saturating_sub(digits.len()),
    );
    let shown = character(value);
    let is_shown = spec.has_sharp
        && u32::try_from(value).is_ok_and(|code| code == u32::from(shown))
        && is_print(shown);
    let tail = if is_shown {
        format!(" '{shown}'")
    } else {
        String::new()
    };
    format!("U+{zeros}{digits}{tail}")
}

/// False if the verb does not fit floats.
pub(super) fn push_float(out: &mut String, value: f64, verb: char, spec: &Spec) -> bool {
    let magnitude = value.abs();
    let precision = spec.precision;
    let mut digits = match verb {
        _ if !value.is_finite() && "vbgGxXfFeE".contains(verb) => {
            if value.is_nan() { "NaN" } else { "Inf" }.to_owned()
        }
        'v' | 'g' | 'G' => general(magnitude, precision),
        'f' | 'F' => format!("{magnitude:.*}", precision.unwrap_or(6)),
        'e' | 'E' => exponential(magnitude, Some(precision.unwrap_or(6))),
        'x' | 'X' => hexadecimal(magnitude, precision),
        'b' => binary(magnitude),
        _ => return false,
    };
    let sign = match value.is_nan() {
        true => sign(false, spec),
        false if !value.is_finite() && !value.is_sign_negative() => sign(false, spec),
        false => sign(value.is_sign_negative(), spec),
    };
    if spec.has_sharp && verb != 'b' && value.is_finite() {
        digits = with_point(&digits, verb, precision);
    }
    if verb.is_ascii_uppercase() && value.is_finite() {
        digits.make_ascii_uppercase();
    }
    let missing = spec
        .width
        .unwrap_or(0)
        .saturating_sub(sign.len() + digits.len());
    if spec.has_zero && !spec.has_minus && value.is_finite() {
        out.push_str(sign);
        out.push_str(&"0".repeat(missing));
        out.push_str(&digits);
    } else {
        Spec {
            has_zero: false,
            ..spec.clone()
        }
        .pad(out, &format!("{sign}{digits}"));
    }
    true
}

/// Digits and exponent of a finite float that is not negative; the digits are
/// the fewest that tell it from its neighbours, or as many as asked for.
fn scientific(value: f64, digits: Option<usize>) -> (String, i32) {
    let text = match digits {
        Some(count) => format!("{value:.*e}", count.saturating_sub(1)),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (mantissa.replace('.', ""), exponent.parse().unwrap_or(0))
}

/// `%e`; without precision the shortest.
fn exponential(value: f64, precision: Option<usize>) -> String {
    let (digits, exponent) = scientific(value, precision.map(|precision| precision + 1));
    with_exponent(&digits, exponent)
}

fn with_exponent(digits: &str, exponent: i32) -> String {
    let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}e{sign}{:02}", exponent.unsigned_abs())
}

/// `%g`: exponent form below 1e-4 and from 1e6 (shortest) or 10^precision on.
fn general(value: f64, precision: Option<usize>) -> String {
    let (digits, exponent) = scientific(value, precision.map(|precision| precision.max(1)));
    let digits = if precision.is_some() {
        digits.trim_end_matches('0')
    } else {
        digits.as_str()
    };
    let digits = if digits.is_empty() { "0" } else { digits };
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let mut limit = precision.map_or(6, |precision| {
        i32::try_from(precision.max(1)).unwrap_or(i32::MAX)
    });
    if precision.is_some() && limit > count && count > exponent {
        limit = count;
    }
    if exponent < -4 || exponent >= limit {
        return with_exponent(digits, exponent);
    }
    let decimals = usize::try_from(count - 1 - exponent).unwrap_or(0);
    match usize::try_from(exponent) {
        Err(_) => format!(
            "0.{}{digits}",
            "0".repeat(decimals.saturating_sub(digits.len()))
        ),
        Ok(whole) => {
            let zeros = "0".repeat((whole + 1).saturating_sub(digits.len()));
            let (before, after) = digits.split_at_checked(whole + 1).unwrap_or((digits, ""));
            let point = if after.is_empty() { "" } else { "." };
            format!("{before}{zeros}{point}{after}")
        }
    }
}

/// Mantissa bits and power of two of a finite float.
fn parts(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let mantissa = bits & ((1 << 52) - 1);
    let exponent = i32::try_from((bits >> 52) & 0x7ff).unwrap_or(0);
    if exponent == 0 {
        (mantissa, -1074)
    } else {
        (mantissa | (1 << 52), exponent - 1075)
    }
}

/// `%b`: mantissa in decimal, then the power of two.
fn binary(value: f64) -> String {
    let (mantissa, exponent) = parts(value);
    format!("{mantissa}p{exponent:+}")
}

/// `%x`: `0x1.8p+01`.
fn hexadecimal(value: f64, precision: Option<usize>) -> String {
    let (mut mantissa, mut exponent) = parts(value);
    if mantissa == 0 {
        exponent = -52;
    } else {
        let shift = mantissa.leading_zeros().saturating_sub(11);
        mantissa <<= shift;
        exponent -= i32::try_from(shift).unwrap_or(0);
    }
    let nibbles = precision.unwrap_or(13).min(13);
    let dropped = u32::try_from((13 - nibbles) * 4).unwrap_or(0);
    if dropped > 0 {
        // Round half to even.
        let half = 1u64 << (dropped - 1);
        let is_odd = (mantissa >> dropped) & 1;
        mantissa = (mantissa + half - 1 + is_odd) >> dropped << dropped;
        if mantissa >> 53 == 1 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let digits = format!("{:013x}", mantissa & ((1 << 52) - 1));
    let fraction = match precision {
        None => digits.trim_end_matches('0').to_owned(),
        Some(count) => format!(
            "{}{}",
            digits.get(..nibbles).unwrap_or_default(),
            "0".repeat(count - nibbles)
        ),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let power = exponent + 52;
    let sign = if power < 0 { '-' } else { '+' };
    format!(
        "0x{}{point}{fraction}p{sign}{:02}",
        mantissa >> 52,
        power.unsigned_abs()
    )
}

/// The `#` flag: a decimal point always, and the zeros that `%g` drops.
fn with_point(digits: &str, verb: char, precision: Option<usize>) -> String {
    let mut wanted = if matches!(verb, 'v' | 'g' | 'G' | 'x') {
        precision.unwrap_or(6)
    } else {
        0
    };
    let is_hex = matches!(verb, 'x' | 'X');
    let at = digits
        .find(if is_hex { 'p' } else { 'e' })
        .unwrap_or(digits.len());
    let (head, tail) = digits.split_at_checked(at).unwrap_or((digits, ""));
    // Go counts the x of 0x as a digit, too.
    let significant = head.trim_start_matches(['0', '.']).replace('.', "").len();
    wanted = wanted.saturating_sub(significant);
    let mut out = head.to_owned();
    if !head.contains('.') {
        if head == "0" {
            wanted = wanted.saturating_sub(1);
        }
        out.push('.');
    }
    format!("{out}{}{tail}", "0".repeat(wanted))
}
