//! histogram_quantile over classic buckets: series that share all labels but
//! `le`. Native histograms are not known here.

use std::collections::BTreeMap;

use crate::labels::{Labels, METRIC_NAME};
use crate::store::Point;
use crate::value::Sample;

#[derive(Clone, Copy)]
struct Bucket {
    upper: f64,
    count: f64,
}

/// The quantile of each histogram among the samples.
pub(super) fn quantiles(q: f64, samples: &[Sample], t_ms: i64) -> Vec<Sample> {
    let mut histograms: BTreeMap<Labels, Vec<Bucket>> = BTreeMap::new();
    for sample in samples {
        let Some(upper) = bound(sample.labels.get("le")) else {
            continue;
        };
        let labels = sample
            .labels
            .filtered(|name| name != "le" && name != METRIC_NAME);
        histograms.entry(labels).or_default().push(Bucket {
            upper,
            count: sample.point.v,
        });
    }
    let found = histograms.into_iter().map(|(labels, buckets)| Sample {
        labels,
        point: Point {
            t_ms,
            v: quantile(q, buckets),
        },
    });
    found.collect()
}

fn bound(le: &str) -> Option<f64> {
    match le {
        "+Inf" | "Inf" => Some(f64::INFINITY),
        number => number.parse().ok(),
    }
}

fn quantile(q: f64, buckets: Vec<Bucket>) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let buckets = cumulative(buckets);
    let (Some(last), true) = (buckets.last(), buckets.len() >= 2) else {
        return f64::NAN;
    };
    if !(last.upper.is_infinite() && last.upper > 0.0)
        || last.count.abs() <= 0.0
        || last.count.is_nan()
    {
        return f64::NAN;
    }
    let rank = q * last.count;
    let finite = buckets.get(..buckets.len() - 1).unwrap_or_default();
    let found = finite.partition_point(|b| b.count < rank || b.count.is_nan());
    let Some(bucket) = finite.get(found) else {
        return finite.last().map_or(f64::NAN, |b| b.upper);
    };
    let Some(below) = found.checked_sub(1).and_then(|at| finite.get(at)) else {
        // The first bucket starts at zero unless it ends below it.
        return if bucket.upper <= 0.0 {
            bucket.upper
        } else {
            bucket.upper * (rank / bucket.count)
        };
    };
    below.upper
        + (bucket.upper - below.upper) * ((rank - below.count) / (bucket.count - below.count))
}

/// Sorted, buckets of one bound added up, and never falling.
fn cumulative(mut buckets: Vec<Bucket>) -> Vec<Bucket> {
    buckets.sort_by(|a, b| a.upper.total_cmp(&b.upper));
    let mut out: Vec<Bucket> = Vec::with_capacity(buckets.len());
    for bucket in buckets {
        match out.last_mut() {
            Some(last) if last.upper.total_cmp(&bucket.upper).is_eq() => last.count += bucket.count,
            Some(_) | None => out.push(bucket),
        }
    }
    let mut highest = f64::NEG_INFINITY;
    for bucket in &mut out {
        highest = highest.max(bucket.count);
        if bucket.count < highest {
            bucket.count = highest;
        }
    }
    out
}
