//! Words a duration as kubectl does: `5s`, `3m20s`, `2d`.

use chrono::{DateTime, Utc};

/// The time since a timestamp, `<unknown>` when there is none.
pub(super) fn since(timestamp: Option<&str>, now: DateTime<Utc>) -> String {
    let Some(then) = timestamp.and_then(|text| DateTime::parse_from_rfc3339(text).ok()) else {
        return "<unknown>".to_owned();
    };
    words((now - then.with_timezone(&Utc)).num_seconds())
}

/// The steps of apimachinery's `HumanDuration`.
pub(super) fn words(seconds: i64) -> String {
    const DAY_H: i64 = 24;
    const YEAR_H: i64 = 365 * DAY_H;
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    let pair = |large: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 {
            format!("{large}{unit}")
        } else {
            format!("{large}{unit}{small}{small_unit}")
        }
    };
    match (seconds, minutes, hours) {
        (..-1, _, _) => "<invalid>".to_owned(),
        (-1..0, _, _) => "0s".to_owned(),
        (0..120, _, _) => format!("{seconds}s"),
        (_, ..10, _) => pair(minutes, "m", seconds % 60, "s"),
        (_, ..180, _) => format!("{minutes}m"),
        (_, _, ..8) => pair(hours, "h", minutes % 60, "m"),
        (_, _, ..48) => format!("{hours}h"),
        (_, _, h) if h < DAY_H * 8 => pair(hours / DAY_H, "d", hours % DAY_H, "h"),
        (_, _, h) if h < YEAR_H * 2 => format!("{}d", hours / DAY_H),
        (_, _, h) if h < YEAR_H * 8 => pair(hours / YEAR_H, "y", hours / DAY_H % 365, "d"),
        (_, _, _) => format!("{}y", hours / YEAR_H),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_durations() {
        for (seconds, wanted) in [
            (-5, "<invalid>"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (200, "3m20s"),
            (601, "10m"),
            (3 * 3_600, "3h"),
            (3 * 3_600 + 61, "3h1m"),
            (9 * 3_600 + 61, "9h"),
            (50 * 3_600, "2d2h"),
            (20 * 86_400, "20d"),
            (800 * 86_400, "2y70d"),
        ] {
            assert_eq!(words(seconds), wanted, "{seconds}");
        }
    }
}
