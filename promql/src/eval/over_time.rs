//! Functions of one series over a window: `*_over_time`, changes, resets and
//! the linear regressions.

use super::rate::{self, Window};
use super::scalar_math::{self, Sum, as_f64, quantile, seconds};
use crate::store::Point;

/// A function of a window by its PromQL name, if it takes nothing else.
pub(super) fn function(name: &str) -> Option<fn(&Window<'_>) -> Option<f64>> {
    Some(match name {
        "rate" => rate::rate,
        "increase" => rate::increase,
        "delta" => rate::delta,
        "irate" => rate::irate,
        "idelta" => rate::idelta,
        "avg_over_time" => |w: &Window<'_>| Some(average(w)),
        "sum_over_time" => |w: &Window<'_>| Some(Sum::of(values(w))),
        "count_over_time" => |w: &Window<'_>| Some(as_f64(w.points.len())),
        "min_over_time" => |w: &Window<'_>| extreme(w, |v, best| v < best),
        "max_over_time" => |w: &Window<'_>| extreme(w, |v, best| v > best),
        "last_over_time" => |w: &Window<'_>| w.points.last().map(|p| p.v),
        "present_over_time" => |_: &Window<'_>| Some(1.0),
        "stddev_over_time" => |w: &Window<'_>| Some(scalar_math::variance(values(w)).sqrt()),
        "stdvar_over_time" => |w: &Window<'_>| Some(scalar_math::variance(values(w))),
        "changes" => |w: &Window<'_>| Some(count_pairs(w, is_change)),
        "resets" => |w: &Window<'_>| Some(count_pairs(w, |before, after| after < before)),
        "deriv" => |w: &Window<'_>| match w.points {
            [first, _, ..] => Some(regression(w.points, first.t_ms).0),
            [] | [_] => None,
        },
        _ => return None,
    })
}

pub(super) fn predict_linear(window: &Window<'_>, ahead_s: f64) -> Option<f64> {
    if window.points.len() < 2 {
        return None;
    }
    let (slope, intercept) = regression(window.points, window.at_ms);
    Some(slope * ahead_s + intercept)
}

pub(super) fn quantile_over_time(window: &Window<'_>, q: f64) -> f64 {
    quantile(q, values(window).collect())
}

fn values<'w>(window: &'w Window<'_>) -> impl Iterator<Item = f64> + 'w {
    window.points.iter().map(|p| p.v)
}

fn average(window: &Window<'_>) -> f64 {
    let sum = Sum::of(values(window));
    if sum.is_finite() {
        sum / as_f64(window.points.len())
    } else {
        scalar_math::mean(values(window))
    }
}

/// The extreme value; NaN only if all are.
fn extreme(window: &Window<'_>, is_better: fn(f64, f64) -> bool) -> Option<f64> {
    values(window).reduce(|best, v| {
        if best.is_nan() || is_better(v, best) {
            v
        } else {
            best
        }
    })
}

fn is_change(before: f64, after: f64) -> bool {
    let is_same = before.is_nan() && after.is_nan()
        || before.partial_cmp(&after) == Some(std::cmp::Ordering::Equal);
    !is_same
}

fn count_pairs(window: &Window<'_>, counts: fn(f64, f64) -> bool) -> f64 {
    let pairs = window.points.windows(2);
    as_f64(
        pairs
            .filter(|pair| matches!(pair, [a, b] if counts(a.v, b.v)))
            .count(),
    )
}

/// Slope per second, and the value at `intercept_ms`, by least squares.
fn regression(points: &[Point], intercept_ms: i64) -> (f64, f64) {
    let first = points.first().map_or(f64::NAN, |p| p.v);
    if points.iter().all(|p| !is_change(first, p.v)) {
        return if first.is_infinite() {
            (f64::NAN, f64::NAN)
        } else {
            (0.0, first)
        };
    }
    let n = as_f64(points.len());
    let xs = || points.iter().map(|p| seconds(p.t_ms - intercept_ms));
    let ys = || points.iter().map(|p| p.v);
    let (sum_x, sum_y) = (Sum::of(xs()), Sum::of(ys()));
    let sum_xy = Sum::of(xs().zip(ys()).map(|(x, y)| x * y));
    let sum_xx = Sum::of(xs().map(|x| x * x));
    let covariance = sum_xy - sum_x * sum_y / n;
    let variance = sum_xx - sum_x * sum_x / n;
    let slope = covariance / variance;
    (slope, sum_y / n - slope * sum_x / n)
}
