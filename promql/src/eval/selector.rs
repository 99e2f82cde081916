//! Instant and range selectors, offset, `@` and subqueries. Windows are closed
//! at both ends, as in Prometheus 2.

use std::collections::BTreeMap;
use std::time::Duration;

use promql_parser::label::Matcher;
use promql_parser::parser::{AtModifier, Expr, Offset, SubqueryExpr, VectorSelector};

use super::{Evaluator, LOOKBACK_MS, wrong_type};
use crate::error::QueryError;
use crate::labels::Labels;
use crate::store::{Point, Store, Stored};
use crate::value::{Sample, Series};

/// Prometheus' default evaluation interval: the step of a subquery without one.
const SUBQUERY_STEP_MS: i64 = 60_000;

/// The samples of a range, and the window they were asked for.
pub(super) struct Range {
    pub(super) series: Vec<Series>,
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
}

impl Evaluator<'_> {
    /// The newest sample of each series, dated with the query's instant.
    pub(super) fn select(&self, vs: &VectorSelector, t_ms: i64) -> Result<Vec<Sample>, QueryError> {
        let mut samples = self.select_dated(vs, t_ms)?;
        for sample in &mut samples {
            sample.point.t_ms = t_ms;
        }
        Ok(samples)
    }

    /// The newest sample of each series with its own time.
    pub(super) fn select_dated(
        &self,
        vs: &VectorSelector,
        t_ms: i64,
    ) -> Result<Vec<Sample>, QueryError> {
        let t_ms = self.shifted(t_ms, vs.at.as_ref(), vs.offset.as_ref());
        let mut samples = Vec::new();
        for stored in matching(self.store, vs) {
            if let Some(point) = stored.newest(t_ms.saturating_sub(LOOKBACK_MS), t_ms) {
                samples.push(Sample {
                    labels: (*stored.labels).clone(),
                    point,
                });
            }
        }
        self.spend(samples.len())?;
        Ok(samples)
    }

    /// A range selector or a subquery.
    pub(super) fn range(&self, expr: &Expr, t_ms: i64) -> Result<Range, QueryError> {
        match expr {
            Expr::MatrixSelector(matrix) => {
                let vs = &matrix.vs;
                let end_ms = self.shifted(t_ms, vs.at.as_ref(), vs.offset.as_ref());
                let start_ms = end_ms.saturating_sub(millis(matrix.range));
                let mut series = Vec::new();
                for stored in matching(self.store, vs) {
                    let points = stored.window(start_ms, end_ms);
                    self.spend(points.len())?;
                    if !points.is_empty() {
                        series.push(Series {
                            labels: (*stored.labels).clone(),
                            points,
                        });
                    }
                }
                Ok(Range {
                    series,
                    start_ms,
                    end_ms,
                })
            }
            Expr::Subquery(subquery) => self.subquery(subquery, t_ms),
            Expr::Paren(paren) => self.range(&paren.expr, t_ms),
            Expr::Aggregate(_)
            | Expr::Unary(_)
            | Expr::Binary(_)
            | Expr::NumberLiteral(_)
            | Expr::StringLiteral(_)
            | Expr::VectorSelector(_)
            | Expr::Call(_)
            | Expr::Extension(_) => Err(wrong_type(
                "range vector",
                "a range function",
                &self.eval(expr, t_ms)?,
            )),
        }
    }

    fn subquery(&self, subquery: &SubqueryExpr, t_ms: i64) -> Result<Range, QueryError> {
        let end_ms = self.shifted(t_ms, subquery.at.as_ref(), subquery.offset.as_ref());
        let start_ms = end_ms.saturating_sub(millis(subquery.range));
        let step_ms = subquery.step.map_or(SUBQUERY_STEP_MS, millis).max(1);
        // Steps lie on multiples of the step, not on the query's instant.
        let mut at_ms = start_ms.div_euclid(step_ms).saturating_mul(step_ms);
        if at_ms < start_ms {
            at_ms = at_ms.saturating_add(step_ms);
        }
        let mut series: BTreeMap<Labels, Vec<Point>> = BTreeMap::new();
        while at_ms <= end_ms {
            self.spend(1)?;
            for sample in self.instant(&subquery.expr, at_ms)? {
                series.entry(sample.labels).or_default().push(sample.point);
            }
            at_ms = at_ms.saturating_add(step_ms);
        }
        let series = series
            .into_iter()
            .map(|(labels, points)| Series { labels, points });
        Ok(Range {
            series: series.collect(),
            start_ms,
            end_ms,
        })
    }

    fn shifted(&self, t_ms: i64, at: Option<&AtModifier>, offset: Option<&Offset>) -> i64 {
        let base_ms = match at {
            None => t_ms,
            Some(AtModifier::Start) => self.start_ms,
            Some(AtModifier::End) => self.end_ms,
            Some(AtModifier::At(time)) => match time.duration_since(std::time::UNIX_EPOCH) {
                Ok(after) => millis(after),
                Err(before) => -millis(before.duration()),
            },
        };
        match offset {
            None => base_ms,
            Some(Offset::Pos(back)) => base_ms.saturating_sub(millis(*back)),
            Some(Offset::Neg(ahead)) => base_ms.saturating_add(millis(*ahead)),
        }
    }
}

fn matching<'s>(store: &'s Store, vs: &VectorSelector) -> Vec<&'s Stored> {
    let name = vs.name.as_deref();
    if vs.matchers.or_matchers.is_empty() {
        return store.select(name, &vs.matchers.matchers);
    }
    let mut found: Vec<&Stored> = Vec::new();
    for group in &vs.matchers.or_matchers {
        let all: Vec<Matcher> = group.iter().chain(&vs.matchers.matchers).cloned().collect();
        found.extend(store.select(name, &all));
    }
    found.sort_by(|a, b| a.labels.cmp(&b.labels));
    found.dedup_by(|a, b| a.labels == b.labels);
    found
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
