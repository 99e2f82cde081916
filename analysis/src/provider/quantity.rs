//! Kubernetes quantities as numbers: `1500m`, `2Ki`, `1.5`, `3e6`

/// Reads a quantity as its nearest number; none if it is not one.
pub(super) fn number(text: &str) -> Option<f64> {
    let end = text
        .char_indices()
        .find(|(_, c)| !c.is_ascii_digit() && !matches!(c, '+' | '-' | '.'))
        .map_or(text.len(), |(place, _)| place);
    let (digits, suffix) = text.split_at_checked(end)?;
    let factor = match suffix {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024_f64,
        "Mi" => 1024_f64.powi(2),
        "Gi" => 1024_f64.powi(3),
        "Ti" => 1024_f64.powi(4),
        "Pi" => 1024_f64.powi(5),
        "Ei" => 1024_f64.powi(6),
        // What is left is an exponent, `e3` or `E3`.
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            return format!("{digits}e{exponent}").parse().ok();
        }
    };
    let number: f64 = digits.parse().ok()?;
    Some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn reads_quantities() {
        let check = |text: &str, expected: Option<f64>| {
            let same = match (number(text), expected) {
                (Some(one), Some(other)) => (one - other).abs() <= 1e-9 * other.abs(),
                (one, other) => one == other,
            };
            assert!(same, "{text}: {:?}", number(text));
        };
        check("0", Some(0.0));
        check("1.5", Some(1.5));
        check("-12", Some(-12.0));
        check("1500m", Some(1.5));
        check("100n", Some(1e-7));
        check("2Ki", Some(2048.0));
        check("1Ei", Some(1_152_921_504_606_846_976.0));
        check("3k", Some(3000.0));
        check("3E", Some(3e18));
        check("3e2", Some(300.0));
        check("3E-2", Some(0.03));
        for bad in [
            "", "m", "x", "1x", "1 ", "1.2.3", "1e", "NaN", "inf", "1mm", "é",
        ] {
            check(bad, None);
        }
    }
}
