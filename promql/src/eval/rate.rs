//! rate, increase, delta, irate and idelta: change over a window, with counter
//! resets and Prometheus' extrapolation to the window's ends.

use super::scalar_math::{as_f64, seconds};
use crate::store::Point;

/// The points of one series in a window.
pub(super) struct Window<'a> {
    pub(super) points: &'a [Point],
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    /// The instant of the query, which offset and `@` do not move.
    pub(super) at_ms: i64,
}

pub(super) fn rate(window: &Window<'_>) -> Option<f64> {
    let range_s = seconds(window.end_ms.saturating_sub(window.start_ms));
    extrapolated(window, true).map(|(change, factor)| change * (factor / range_s))
}

pub(super) fn increase(window: &Window<'_>) -> Option<f64> {
    extrapolated(window, true).map(|(change, factor)| change * factor)
}

pub(super) fn delta(window: &Window<'_>) -> Option<f64> {
    extrapolated(window, false).map(|(change, factor)| change * factor)
}

/// The change between first and last point, and by what to multiply it so that
/// it speaks of the whole window.
fn extrapolated(window: &Window<'_>, is_counter: bool) -> Option<(f64, f64)> {
    let (first, last) = (window.points.first()?, window.points.last()?);
    let gaps = window
        .points
        .len()
        .checked_sub(1)
        .filter(|gaps| *gaps > 0)?;
    let mut change = last.v - first.v;
    if is_counter {
        for pair in window.points.windows(2) {
            if let [before, after] = pair
                && after.v < before.v
            {
                change += before.v;
            }
        }
    }
    let mut to_start = seconds(first.t_ms - window.start_ms);
    let to_end = seconds(window.end_ms - last.t_ms);
    let sampled = seconds(last.t_ms - first.t_ms);
    let gap = sampled / as_f64(gaps);
    if is_counter && change > 0.0 && first.v >= 0.0 {
        // A counter is not extrapolated to before it was zero.
        let to_zero = sampled * (first.v / change);
        to_start = to_start.min(to_zero);
    }
    // An end further away than a little more than one gap means that the series began or ended inside the window.
    let threshold = gap * 1.1;
    let mut covered = sampled;
    covered += if to_start < threshold {
        to_start
    } else {
        gap / 2.0
    };
    covered += if to_end < threshold {
        to_end
    } else {
        gap / 2.0
    };
    Some((change, covered / sampled))
}

pub(super) fn irate(window: &Window<'_>) -> Option<f64> {
    let (before, after) = last_two(window)?;
    let change = if after.v < before.v {
        after.v
    } else {
        after.v - before.v
    };
    Some(change / seconds(after.t_ms - before.t_ms))
}

pub(super) fn idelta(window: &Window<'_>) -> Option<f64> {
    let (before, after) = last_two(window)?;
    Some(after.v - before.v)
}

fn last_two(window: &Window<'_>) -> Option<(Point, Point)> {
    match window.points {
        [.., before, after] if after.t_ms > before.t_ms => Some((*before, *after)),
        [] | [..] => None,
    }
}
