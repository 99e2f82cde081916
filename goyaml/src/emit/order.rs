//! Orders mapping keys as go-yaml v2 does: letters after everything else,
//! runs of digits by their number, the rest by code point.

use std::cmp::Ordering;

/// Compares two keys.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let left: Vec<char> = a.chars().collect();
    let right: Vec<char> = b.chars().collect();
    let Some(at) = left.iter().zip(&right).position(|(l, r)| l != r) else {
        return left.len().cmp(&right.len());
    };
    let (Some(&l), Some(&r)) = (left.get(at), right.get(at)) else {
        return Ordering::Equal;
    };
    match (is_letter(l), is_letter(r)) {
        (true, true) => return l.cmp(&r),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // A difference that starts with 0 inside a number: the digits before it
    // count, so that 100 and 10 differ by length.
    let inside_number = (l == '0' || r == '0')
        && left
            .iter()
            .take(at)
            .rev()
            .take_while(|c| is_digit(**c))
            .any(|c| *c != '0');
    let (left_value, left_digits) = run(left.get(at..).unwrap_or_default(), inside_number);
    let (right_value, right_digits) = run(right.get(at..).unwrap_or_default(), inside_number);
    left_value
        .cmp(&right_value)
        .then(left_digits.cmp(&right_digits))
        .then(l.cmp(&r))
}

/// The number that a run of digits stands for, wrapping as Go's int64 does,
/// and how many digits it has.
fn run(text: &[char], inside_number: bool) -> (i64, usize) {
    let start = i64::from(inside_number);
    text.iter()
        .take_while(|c| is_digit(**c))
        .fold((start, 0), |(value, digits), c| {
            let digit = i64::from(u32::from(*c)).wrapping_sub(i64::from(u32::from('0')));
            (
                value.wrapping_mul(10).wrapping_add(digit),
                digits.saturating_add(1),
            )
        })
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic()
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}
