//! Reads number and character constants as Go does (base prefixes, underscores)
//!
//! Complex constants are valid Go, but no value here can hold them: an error.

use crate::lex::{Kind, Token};
use crate::node::Number;
use crate::quote::{quote, unquote_char};

/// The constant that a token is; the error is Go's text.
pub(super) fn parse(token: &Token) -> Result<Number, String> {
    let text = token.text.clone();
    if token.kind == Kind::CharConstant {
        let code = u32::from(unquote_char(&text)?);
        return Ok(Number {
            text,
            int: Some(i64::from(code)),
            float: Some(f64::from(code)),
            is_float: false,
        });
    }
    if token.kind == Kind::Complex || text.ends_with('i') {
        return Err(format!(
            "complex constant {} is not supported",
            quote(&text)
        ));
    }
    if let Some((is_negative, magnitude)) = integer(&text) {
        let int = signed(is_negative, magnitude);
        // A sign makes a number too large for int illegal instead of unsigned.
        if int.is_some() || !text.starts_with(['+', '-']) {
            let float = int.map_or_else(|| to_float(magnitude), |int| Some(int_to_float(int)));
            return Ok(Number {
                text,
                int,
                float,
                is_float: false,
            });
        }
    }
    let Some(float) = float(&text) else {
        return Err(format!("illegal number syntax: {}", quote(&text)));
    };
    if !text.contains(['.', 'e', 'E', 'p', 'P']) {
        return Err(format!("integer overflow: {}", quote(&text)));
    }
    Ok(Number {
        text,
        int: whole(float),
        float: Some(float),
        is_float: true,
    })
}

fn signed(is_negative: bool, magnitude: u64) -> Option<i64> {
    let value = i128::from(magnitude);
    i64::try_from(if is_negative { -value } else { value }).ok()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Go converts the same way: to the nearest float"
)]
fn int_to_float(int: i64) -> f64 {
    int as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Go converts the same way: to the nearest float"
)]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the other arm of the caller has an option"
)]
fn to_float(magnitude: u64) -> Option<f64> {
    Some(magnitude as f64)
}

/// The float as an integer, if it is one.
fn whole(float: f64) -> Option<i64> {
    format!("{float}").parse().ok()
}

fn integer(text: &str) -> Option<(bool, u64)> {
    if !are_underscores_good(text) {
        return None;
    }
    let clean = text.replace('_', "");
    let (is_negative, digits) = match clean.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, clean.strip_prefix('+').unwrap_or(&clean)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, lower.get(2..)?),
        [b'0', b'b', ..] => (2, lower.get(2..)?),
        [b'0', b'o', ..] => (8, lower.get(2..)?),
        [b'0', _, ..] => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    Some((is_negative, u64::from_str_radix(digits, radix).ok()?))
}

/// Underscores stand between digits, or between a base prefix and a digit.
fn are_underscores_good(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = text.to_ascii_lowercase();
    let is_hex = lower.starts_with("0x");
    let has_prefix = is_hex || lower.starts_with("0b") || lower.starts_with("0o");
    let rest = if has_prefix {
        lower.get(2..).unwrap_or_default()
    } else {
        lower.as_str()
    };
    let mut last = if has_prefix { '0' } else { '^' };
    for c in rest.chars() {
        if c.is_ascii_digit() || (is_hex && c.is_ascii_hexdigit()) {
            last = '0';
        } else if c == '_' {
            if last != '0' {
                return false;
            }
            last = '_';
        } else {
            if last == '_' {
                return false;
            }
            last = '!';
        }
    }
    last != '_'
}

fn float(text: &str) -> Option<f64> {
    if !are_underscores_good(text) {
        return None;
    }
    let clean = text.replace('_', "").to_ascii_lowercase();
    let (sign, digits) = match clean.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, clean.strip_prefix('+').unwrap_or(&clean)),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hex) => hex_float(hex)?,
        None => digits.parse::<f64>().ok()?,
    };
    value.is_finite().then_some(sign * value)
}

/// `1.8p3`: hexadecimal digits, then a decimal power of two.
fn hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let power = exponent
        .parse::<i32>()
        .ok()?
        .checked_sub(i32::try_from(fraction.len()).ok()?.checked_mul(4)?)?;
    Some(value * 2f64.powi(power))
}
