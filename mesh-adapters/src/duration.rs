//! Durations as meshes want them, from Go's form.

use std::time::Duration;

use crate::error::RenderError;

/// Gateway API's form (GEP-2257): up to four whole numbers of at most five digits with units h, m, s, ms.
pub(crate) fn gateway_duration(field: &str, text: &str) -> Result<String, RenderError> {
    let length = parse(field, text)?;
    let millis = length.as_millis();
    let parts = [
        (millis / 3_600_000, "h"),
        (millis / 60_000 % 60, "m"),
        (millis / 1000 % 60, "s"),
        (millis % 1000, "ms"),
    ];
    if millis / 3_600_000 > 99_999 {
        return Err(refused(field, text, "use at most 99999h"));
    }
    if is_gateway_form(text) {
        return Ok(text.to_owned());
    }
    let written: String = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if written.is_empty() {
        return Ok("0s".into());
    }
    Ok(written)
}

fn is_gateway_form(text: &str) -> bool {
    let mut rest = text;
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest
            .find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        // `ms` before `m`: the longer unit wins.
        let Some(tail) = ["ms", "h", "m", "s"]
            .into_iter()
            .find_map(|unit| tail.strip_prefix(unit))
        else {
            return false;
        };
        parts += 1;
        if number.is_empty() || number.len() > 5 || parts > 4 {
            return false;
        }
        rest = tail;
    }
    parts > 0
}

/// Whole milliseconds.
pub(crate) fn millis(field: &str, text: &str) -> Result<u64, RenderError> {
    let millis = parse(field, text)?.as_millis();
    u64::try_from(millis).map_err(|_| refused(field, text, "it is too long"))
}

fn parse(field: &str, text: &str) -> Result<Duration, RenderError> {
    api::duration::parse(text).map_err(|error| refused(field, text, &error.to_string()))
}

fn refused(field: &str, text: &str, cure: &str) -> RenderError {
    RenderError::Unsupported {
        field: field.to_owned(),
        value: text.to_owned(),
        cure: cure.to_owned(),
    }
}
