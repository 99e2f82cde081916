//! Keeps samples in memory, bounded per series, in all and by age. Takes
//! samples of a series only in order of time; does not merge, compact or
//! write anything down.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use promql_parser::label::{MatchOp, Matcher};

use crate::labels::{Labels, METRIC_NAME};

/// The NaN that says "this series ends here" (Prometheus' staleness marker).
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The staleness marker as a value to append.
#[must_use]
pub fn stale_nan() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// Whether a value is the staleness marker; other NaNs are values.
#[must_use]
pub fn is_stale(v: f64) -> bool {
    v.to_bits() == STALE_NAN_BITS
}

/// One value at one instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Unix time in milliseconds.
    pub t_ms: i64,
    /// The value.
    pub v: f64,
}

/// What a store holds at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Series in all.
    pub series_max: usize,
    /// Samples of one series; the oldest make room.
    pub samples_per_series_max: usize,
    /// Samples in all; further ones are refused once none has expired.
    pub samples_max: usize,
    /// Labels of one series.
    pub labels_max: usize,
    /// Age in milliseconds after which a sample is dropped.
    pub retention_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            series_max: 100_000,
            samples_per_series_max: 20_000,
            samples_max: 8_000_000,
            labels_max: 64,
            retention_ms: 2 * 60 * 60 * 1000,
        }
    }
}

/// Why a sample was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// A sample older than, or at the time of, the newest of its series.
    #[error("refused a sample at {t_ms} ms, the newest of its series is at {newest_ms} ms")]
    OutOfOrder {
        /// Time of the refused sample.
        t_ms: i64,
        /// Time of the newest sample.
        newest_ms: i64,
    },
    /// The series would be one too many.
    #[error("refused a new series, the limit is {series_max}")]
    TooManySeries {
        /// The limit.
        series_max: usize,
    },
    /// The sample would be one too many.
    #[error("refused a sample, the store holds its limit of {samples_max}")]
    TooManySamples {
        /// The limit.
        samples_max: usize,
    },
    /// The series has more labels than the limit.
    #[error("refused a series of {labels} labels, the limit is {labels_max}")]
    TooManyLabels {
        /// Labels given.
        labels: usize,
        /// The limit.
        labels_max: usize,
    },
    /// The series was dropped with its last sample, or never was.
    #[error("refused a sample of an unknown series")]
    UnknownSeries,
}

/// Names a series of one store for as long as it has samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesId(u64);

#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) labels: Arc<Labels>,
    pub(crate) points: VecDeque<Point>,
}

/// Samples by series.
#[derive(Debug, Default)]
pub struct Store {
    limits: Limits,
    series: BTreeMap<SeriesId, Stored>,
    by_labels: BTreeMap<Arc<Labels>, SeriesId>,
    by_name: BTreeMap<String, BTreeSet<SeriesId>>,
    next_id: u64,
    samples: usize,
}

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Series held.
    #[must_use]
    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    /// Samples held.
    #[must_use]
    pub fn sample_count(&self) -> usize {
        self.samples
    }

    /// The id of the series with these labels, made when new.
    ///
    /// # Errors
    /// When the store or the series would pass its limit.
    pub fn series(&mut self, labels: &Labels) -> Result<SeriesId, AppendError> {
        if let Some(id) = self.by_labels.get(labels) {
            return Ok(*id);
        }
        let Limits {
            series_max,
            labels_max,
            ..
        } = self.limits;
        if labels.len() > labels_max {
            return Err(AppendError::TooManyLabels {
                labels: labels.len(),
                labels_max,
            });
        }
        if self.series.len() >= series_max {
            return Err(AppendError::TooManySeries { series_max });
        }
        let id = SeriesId(self.next_id);
        self.next_id += 1;
        let labels = Arc::new(labels.clone());
        self.by_labels.insert(Arc::clone(&labels), id);
        self.by_name
            .entry(labels.name().to_owned())
            .or_default()
            .insert(id);
        self.series.insert(
            id,
            Stored {
                labels,
                points: VecDeque::new(),
            },
        );
        Ok(id)
    }

    /// Appends one sample to the series with these labels.
    ///
    /// # Errors
    /// When it is out of order or a limit is reached.
    pub fn append(&mut self, labels: &Labels, t_ms: i64, v: f64) -> Result<(), AppendError> {
        let id = self.series(labels)?;
        self.append_to(id, t_ms, v)
    }

    /// Appends one sample to a known series.
    ///
    /// # Errors
    /// When it is out of order, a limit is reached, or the series is gone.
    pub fn append_to(&mut self, id: SeriesId, t_ms: i64, v: f64) -> Result<(), AppendError> {
        if self.samples >= self.limits.samples_max {
            self.expire_but(t_ms, Some(id));
        }
        let Limits {
            samples_max,
            samples_per_series_max,
            retention_ms,
            ..
        } = self.limits;
        if self.samples >= samples_max {
            return Err(AppendError::TooManySamples { samples_max });
        }
        let stored = self.series.get_mut(&id).ok_or(AppendError::UnknownSeries)?;
        if let Some(newest) = stored.points.back()
            && newest.t_ms >= t_ms
        {
            return Err(AppendError::OutOfOrder {
                t_ms,
                newest_ms: newest.t_ms,
            });
        }
        stored.points.push_back(Point { t_ms, v });
        self.samples += 1;
        let oldest_ms = t_ms.saturating_sub(retention_ms);
        while stored.points.len() > samples_per_series_max
            || stored.points.front().is_some_and(|p| p.t_ms < oldest_ms)
        {
            stored.points.pop_front();
            self.samples -= 1;
        }
        Ok(())
    }

    /// Drops samples older than the retention at `now_ms`, and empty series.
    pub fn expire(&mut self, now_ms: i64) {
        self.expire_but(now_ms, None);
    }

    /// As `expire`, but keeps one series, the one that is about to get a sample.
    fn expire_but(&mut self, now_ms: i64, kept: Option<SeriesId>) {
        let oldest_ms = now_ms.saturating_sub(self.limits.retention_ms);
        let mut gone = Vec::new();
        for (id, stored) in &mut self.series {
            while stored.points.front().is_some_and(|p| p.t_ms < oldest_ms) {
                stored.points.pop_front();
                self.samples -= 1;
            }
            if stored.points.is_empty() && kept != Some(*id) {
                gone.push(*id);
            }
        }
        for id in gone {
            if let Some(stored) = self.series.remove(&id) {
                self.by_labels.remove(&stored.labels);
                if let Some(ids) = self.by_name.get_mut(stored.labels.name()) {
                    ids.remove(&id);
                }
            }
        }
    }

    /// Series that all matchers accept, sorted by labels.
    pub(crate) fn select(&self, name: Option<&str>, matchers: &[Matcher]) -> Vec<&Stored> {
        let exact = |m: &&Matcher| m.name == METRIC_NAME && matches!(m.op, MatchOp::Equal);
        let name = name.or_else(|| matchers.iter().find(exact).map(|m| m.value.as_str()));
        let accepted = |stored: &&Stored| {
            matchers
                .iter()
                .all(|m| m.is_match(stored.labels.get(&m.name)))
        };
        let mut found: Vec<&Stored> = match name {
            Some(name) => {
                let ids = self.by_name.get(name).into_iter().flatten();
                ids.filter_map(|id| self.series.get(id))
                    .filter(accepted)
                    .collect()
            }
            None => self.series.values().filter(accepted).collect(),
        };
        found.sort_by(|a, b| a.labels.cmp(&b.labels));
        found
    }
}

impl Stored {
    /// The newest point at or before `t_ms` and not before `oldest_ms`, unless it is stale.
    pub(crate) fn newest(&self, oldest_ms: i64, t_ms: i64) -> Option<Point> {
        let end = self.points.partition_point(|p| p.t_ms <= t_ms);
        let point = *self.points.get(end.checked_sub(1)?)?;
        (point.t_ms >= oldest_ms && !is_stale(point.v)).then_some(point)
    }

    /// The points from `start_ms` to `end_ms`, both included, without stale ones.
    pub(crate) fn window(&self, start_ms: i64, end_ms: i64) -> Vec<Point> {
        let from = self.points.partition_point(|p| p.t_ms < start_ms);
        let until = self.points.partition_point(|p| p.t_ms <= end_ms);
        let inside = self.points.range(from..until.max(from));
        inside.filter(|p| !is_stale(p.v)).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Store {
        Store::new(Limits {
            series_max: 2,
            samples_per_series_max: 3,
            samples_max: 5,
            labels_max: 2,
            retention_ms: 100,
        })
    }

    #[test]
    fn limits_hold() {
        let mut s = store();
        let (a, b) = (Labels::named("a"), Labels::named("b"));
        for t in 0..4 {
            s.append(&a, t, 1.0).unwrap();
        }
        assert_eq!(s.sample_count(), 3, "the oldest made room");
        assert_eq!(
            s.append(&a, 3, 1.0),
            Err(AppendError::OutOfOrder {
                t_ms: 3,
                newest_ms: 3
            })
        );
        s.append(&b, 1, 1.0).unwrap();
        s.append(&b, 2, 1.0).unwrap();
        assert_eq!(
            s.append(&b, 3, 1.0),
            Err(AppendError::TooManySamples { samples_max: 5 })
        );
        assert_eq!(
            s.append(&Labels::named("c"), 3, 1.0),
            Err(AppendError::TooManySeries { series_max: 2 })
        );
        s.append(&b, 200, 1.0).unwrap();
        assert_eq!(
            (s.series_count(), s.sample_count()),
            (1, 1),
            "all older samples expired"
        );
        let wide = Labels::named("w").with("x", "1").with("y", "1");
        assert_eq!(
            s.series(&wide),
            Err(AppendError::TooManyLabels {
                labels: 3,
                labels_max: 2
            })
        );
    }

    #[test]
    fn stale_marker_ends_a_series_but_nan_does_not() {
        let mut s = Store::default();
        let a = Labels::named("a");
        for (t, v) in [(1, 1.0), (2, f64::NAN), (3, stale_nan())] {
            s.append(&a, t, v).unwrap();
        }
        let stored = s.select(Some("a"), &[])[0];
        assert!(stored.newest(0, 2).unwrap().v.is_nan());
        assert_eq!(stored.newest(0, 3), None);
        assert_eq!(stored.window(1, 3).len(), 2);
    }
}
