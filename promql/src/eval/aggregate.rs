//! Aggregations: sum, avg, min, max, count, group, stddev, stdvar, quantile,
//! topk, bottomk, count_values, with by and without.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use promql_parser::parser::token::{
    T_AVG, T_BOTTOMK, T_COUNT, T_COUNT_VALUES, T_GROUP, T_LIMIT_RATIO, T_LIMITK, T_MAX, T_MIN,
    T_QUANTILE, T_STDDEV, T_STDVAR, T_SUM, T_TOPK, TokenId,
};
use promql_parser::parser::{AggregateExpr, Expr, LabelModifier};

use super::scalar_math::{as_f64, mean, quantile, variance, whole};
use super::{Evaluator, vector, wrong_type};
use crate::error::QueryError;
use crate::labels::{Labels, METRIC_NAME};
use crate::store::Point;
use crate::value::{Sample, Value, format_value};

impl Evaluator<'_> {
    pub(super) fn aggregate(
        &self,
        aggregate: &AggregateExpr,
        t_ms: i64,
    ) -> Result<Vec<Sample>, QueryError> {
        let op = aggregate.op.id();
        if op == T_LIMITK || op == T_LIMIT_RATIO {
            return Err(QueryError::Unsupported {
                what: "aggregation",
                name: aggregate.op.to_string(),
            });
        }
        let mut samples = vector(self.eval(&aggregate.expr, t_ms)?, "an aggregation")?;
        if op == T_COUNT_VALUES {
            let label = self.label_parameter(aggregate, t_ms)?;
            return Ok(count_values(&mut samples, &label, aggregate, t_ms));
        }
        let parameter = match aggregate.param.as_deref() {
            Some(expr) => self.number(expr, t_ms, "an aggregation's parameter")?,
            None => f64::NAN,
        };
        if (op == T_TOPK || op == T_BOTTOMK) && !is_int64(parameter) {
            return Err(QueryError::BadParameter {
                function: aggregate.op.to_string(),
                parameter: "k",
                value: format_value(parameter),
            });
        }
        let mut out = Vec::new();
        for (labels, members) in grouped(samples, aggregate.modifier.as_ref()) {
            match op {
                T_TOPK => out.extend(best(members, parameter, |a, b| b.total_cmp(&a))),
                T_BOTTOMK => out.extend(best(members, parameter, |a, b| a.total_cmp(&b))),
                _ => {
                    let values: Vec<f64> = members.iter().map(|s| s.point.v).collect();
                    let v =
                        reduced(op, parameter, values).ok_or_else(|| QueryError::Unsupported {
                            what: "aggregation",
                            name: aggregate.op.to_string(),
                        })?;
                    out.push(Sample {
                        labels,
                        point: Point { t_ms, v },
                    });
                }
            }
        }
        Ok(out)
    }

    fn label_parameter(&self, aggregate: &AggregateExpr, t_ms: i64) -> Result<String, QueryError> {
        let place = "count_values";
        let empty = Expr::from("");
        match self.eval(aggregate.param.as_deref().unwrap_or(&empty), t_ms)? {
            Value::Text { text, .. } if super::labelling::is_label_name(&text) => Ok(text),
            Value::Text { text, .. } => Err(QueryError::BadParameter {
                function: place.to_owned(),
                parameter: "a label name",
                value: text,
            }),
            other @ (Value::Scalar(_) | Value::Vector(_) | Value::Matrix(_)) => {
                Err(wrong_type("string", place, &other))
            }
        }
    }
}

fn reduced(op: TokenId, parameter: f64, values: Vec<f64>) -> Option<f64> {
    let each = || values.iter().copied();
    Some(match op {
        T_SUM => each().fold(0.0, |sum, v| sum + v),
        T_AVG => mean(each()),
        T_COUNT => as_f64(values.len()),
        T_GROUP => 1.0,
        T_MIN => each().reduce(|a, b| if a.is_nan() || b < a { b } else { a })?,
        T_MAX => each().reduce(|a, b| if a.is_nan() || b > a { b } else { a })?,
        T_STDDEV => variance(each()).sqrt(),
        T_STDVAR => variance(each()),
        T_QUANTILE => quantile(parameter, values),
        _ => return None,
    })
}

fn group_of(labels: &Labels, modifier: Option<&LabelModifier>) -> Labels {
    match modifier {
        None => Labels::new(),
        Some(LabelModifier::Include(by)) => {
            labels.filtered(|name| by.labels.iter().any(|l| l == name))
        }
        Some(LabelModifier::Exclude(without)) => {
            labels.filtered(|name| name != METRIC_NAME && without.labels.iter().all(|l| l != name))
        }
    }
}

fn grouped(
    samples: Vec<Sample>,
    modifier: Option<&LabelModifier>,
) -> BTreeMap<Labels, Vec<Sample>> {
    let mut groups: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
    for sample in samples {
        groups
            .entry(group_of(&sample.labels, modifier))
            .or_default()
            .push(sample);
    }
    groups
}

/// The first k in the given order; NaN always comes last.
fn best(mut members: Vec<Sample>, k: f64, order: impl Fn(f64, f64) -> Ordering) -> Vec<Sample> {
    members.sort_by(|a, b| {
        let (a, b) = (a.point.v, b.point.v);
        a.is_nan().cmp(&b.is_nan()).then_with(|| order(a, b))
    });
    members.truncate(whole(k));
    members
}

fn is_int64(v: f64) -> bool {
    (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&v)
}

fn count_values(
    samples: &mut [Sample],
    label: &str,
    aggregate: &AggregateExpr,
    t_ms: i64,
) -> Vec<Sample> {
    let mut counts: BTreeMap<Labels, f64> = BTreeMap::new();
    for sample in samples {
        sample.labels.set(label, &sample.point.v.to_string());
        let mut group = group_of(&sample.labels, aggregate.modifier.as_ref());
        group.set(label, &plain(sample.point.v));
        *counts.entry(group).or_default() += 1.0;
    }
    counts
        .into_iter()
        .map(|(labels, v)| Sample {
            labels,
            point: Point { t_ms, v },
        })
        .collect()
}

/// Digits without an exponent, as a label's value has them.
fn plain(v: f64) -> String {
    if v.is_finite() {
        v.to_string()
    } else {
        format_value(v)
    }
}
