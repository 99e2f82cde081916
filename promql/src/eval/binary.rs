//! Binary operators: arithmetic, comparison and sets, between scalars and
//! vectors, with on, ignoring, group_left and group_right.

use std::collections::{BTreeMap, BTreeSet};

use promql_parser::parser::token::{
    T_ADD, T_ATAN2, T_DIV, T_EQLC, T_GTE, T_GTR, T_LAND, T_LOR, T_LSS, T_LTE, T_LUNLESS, T_MOD,
    T_MUL, T_NEQ, T_POW, T_SUB,
};
use promql_parser::parser::{BinModifier, BinaryExpr, LabelModifier, VectorMatchCardinality};

use super::{Evaluator, scalar, unique, vector};
use crate::error::QueryError;
use crate::labels::{Labels, METRIC_NAME};
use crate::store::Point;
use crate::value::{Sample, Value};

/// What an operator makes of two numbers: a value, and whether a filter keeps it.
struct Outcome {
    v: f64,
    is_kept: bool,
}

impl Evaluator<'_> {
    pub(super) fn binary(&self, binary: &BinaryExpr, t_ms: i64) -> Result<Value, QueryError> {
        let modifier = binary.modifier.clone().unwrap_or_default();
        if modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some() {
            return Err(QueryError::Unsupported {
                what: "modifier",
                name: "fill".to_owned(),
            });
        }
        let operator = Operator {
            id: binary.op.id(),
            is_bool: modifier.return_bool,
        };
        operator.check(&binary.op.to_string())?;
        let (left, right) = (self.eval(&binary.lhs, t_ms)?, self.eval(&binary.rhs, t_ms)?);
        match (left, right) {
            (Value::Scalar(a), Value::Scalar(b)) => Ok(scalar(t_ms, operator.scalars(a.v, b.v))),
            (Value::Scalar(a), right) => {
                let samples = vector(right, "a binary operator")?;
                operator
                    .with_scalar(samples, |v| operator.of(a.v, v))
                    .map(Value::Vector)
            }
            (left, Value::Scalar(b)) => {
                let samples = vector(left, "a binary operator")?;
                operator
                    .with_scalar(samples, |v| operator.of(v, b.v))
                    .map(Value::Vector)
            }
            (left, right) => {
                let left = vector(left, "a binary operator")?;
                let right = vector(right, "a binary operator")?;
                let matching = Matching {
                    modifier: &modifier,
                };
                match operator.id {
                    T_LAND | T_LOR | T_LUNLESS => {
                        Ok(Value::Vector(matching.sets(operator.id, left, right)))
                    }
                    _ => matching
                        .pairs(&operator, left, right, t_ms)
                        .map(Value::Vector),
                }
            }
        }
    }
}

struct Operator {
    id: u16,
    is_bool: bool,
}

impl Operator {
    fn check(&self, name: &str) -> Result<(), QueryError> {
        let is_known = self.is_arithmetic()
            || self.is_comparison()
            || matches!(self.id, T_LAND | T_LOR | T_LUNLESS);
        let error = || QueryError::Unsupported {
            what: "operator",
            name: name.to_owned(),
        };
        is_known.then_some(()).ok_or_else(error)
    }

    fn is_arithmetic(&self) -> bool {
        matches!(
            self.id,
            T_ADD | T_SUB | T_MUL | T_DIV | T_MOD | T_POW | T_ATAN2
        )
    }

    /// Whether the result is another metric; Prometheus 2.42 forgets atan2 here, and so do we.
    fn drops_name(&self) -> bool {
        self.is_bool || self.is_arithmetic() && self.id != T_ATAN2
    }

    fn is_comparison(&self) -> bool {
        matches!(self.id, T_EQLC | T_NEQ | T_GTR | T_LSS | T_GTE | T_LTE)
    }

    #[expect(clippy::float_cmp, reason = "PromQL compares bit-exact values")]
    fn of(&self, a: f64, b: f64) -> Outcome {
        let kept = |v| Outcome { v, is_kept: true };
        let filter = |is_kept| Outcome { v: a, is_kept };
        match self.id {
            T_ADD => kept(a + b),
            T_SUB => kept(a - b),
            T_MUL => kept(a * b),
            T_DIV => kept(a / b),
            T_MOD => kept(a % b),
            T_POW => kept(a.powf(b)),
            T_ATAN2 => kept(a.atan2(b)),
            T_EQLC => filter(a == b),
            T_NEQ => filter(a != b),
            T_GTR => filter(a > b),
            T_LSS => filter(a < b),
            T_GTE => filter(a >= b),
            T_LTE => filter(a <= b),
            _ => Outcome {
                v: f64::NAN,
                is_kept: false,
            },
        }
    }

    fn scalars(&self, a: f64, b: f64) -> f64 {
        let outcome = self.of(a, b);
        if self.is_comparison() {
            truth(outcome.is_kept)
        } else {
            outcome.v
        }
    }

    fn with_scalar(
        &self,
        samples: Vec<Sample>,
        of: impl Fn(f64) -> Outcome,
    ) -> Result<Vec<Sample>, QueryError> {
        let mut out = Vec::new();
        for mut sample in samples {
            let outcome = of(sample.point.v);
            if self.is_bool {
                sample.point.v = truth(outcome.is_kept);
            } else if !outcome.is_kept {
                continue;
            } else if self.is_arithmetic() {
                sample.point.v = outcome.v;
            }
            if self.drops_name() {
                sample.labels = sample.labels.unnamed();
            }
            out.push(sample);
        }
        unique(out)
    }
}

fn truth(is_true: bool) -> f64 {
    if is_true { 1.0 } else { 0.0 }
}

struct Matching<'a> {
    modifier: &'a BinModifier,
}

impl Matching<'_> {
    /// The labels by which both sides are matched.
    fn group(&self, labels: &Labels) -> Labels {
        match &self.modifier.matching {
            Some(LabelModifier::Include(on)) => {
                labels.filtered(|name| on.labels.iter().any(|l| l == name))
            }
            Some(LabelModifier::Exclude(ignoring)) => labels
                .filtered(|name| name != METRIC_NAME && ignoring.labels.iter().all(|l| l != name)),
            None => labels.filtered(|name| name != METRIC_NAME),
        }
    }

    fn sets(&self, id: u16, left: Vec<Sample>, right: Vec<Sample>) -> Vec<Sample> {
        let groups = |side: &[Sample]| -> BTreeSet<Labels> {
            side.iter().map(|s| self.group(&s.labels)).collect()
        };
        match id {
            T_LAND => {
                let right = groups(&right);
                left.into_iter()
                    .filter(|s| right.contains(&self.group(&s.labels)))
                    .collect()
            }
            T_LUNLESS => {
                let right = groups(&right);
                left.into_iter()
                    .filter(|s| !right.contains(&self.group(&s.labels)))
                    .collect()
            }
            _ => {
                let known = groups(&left);
                let more = right
                    .into_iter()
                    .filter(|s| !known.contains(&self.group(&s.labels)));
                left.into_iter().chain(more).collect()
            }
        }
    }

    fn pairs(
        &self,
        operator: &Operator,
        left: Vec<Sample>,
        right: Vec<Sample>,
        t_ms: i64,
    ) -> Result<Vec<Sample>, QueryError> {
        let is_swapped = matches!(self.modifier.card, VectorMatchCardinality::OneToMany(_));
        let (many, one) = if is_swapped {
            (right, left)
        } else {
            (left, right)
        };
        let mut by_group: BTreeMap<Labels, Sample> = BTreeMap::new();
        for sample in one {
            let group = self.group(&sample.labels);
            if by_group.insert(group.clone(), sample).is_some() {
                let side = if is_swapped { "left" } else { "right" };
                return Err(QueryError::ManyToMany {
                    group: group.to_string(),
                    side,
                });
            }
        }
        let mut seen: BTreeSet<(Labels, Labels)> = BTreeSet::new();
        let mut out = Vec::new();
        for sample in many {
            let group = self.group(&sample.labels);
            let Some(other) = by_group.get(&group) else {
                continue;
            };
            let (a, b) = if is_swapped {
                (other.point.v, sample.point.v)
            } else {
                (sample.point.v, other.point.v)
            };
            let outcome = operator.of(a, b);
            if !operator.is_bool && !outcome.is_kept {
                continue;
            }
            let labels = self.result_labels(operator, &sample.labels, &other.labels);
            self.claim(&mut seen, group, &labels)?;
            let v = if operator.is_bool {
                truth(outcome.is_kept)
            } else {
                outcome.v
            };
            out.push(Sample {
                labels,
                point: Point { t_ms, v },
            });
        }
        Ok(out)
    }

    fn claim(
        &self,
        seen: &mut BTreeSet<(Labels, Labels)>,
        group: Labels,
        labels: &Labels,
    ) -> Result<(), QueryError> {
        match self.modifier.card {
            VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => {
                let text = group.to_string();
                let is_new = seen.insert((group, Labels::new()));
                is_new
                    .then_some(())
                    .ok_or(QueryError::ManyToOne { group: text })
            }
            VectorMatchCardinality::ManyToOne(_) | VectorMatchCardinality::OneToMany(_) => {
                let is_new = seen.insert((group, labels.clone()));
                is_new.then_some(()).ok_or(QueryError::GroupNotUnique)
            }
        }
    }

    fn result_labels(&self, operator: &Operator, many: &Labels, one: &Labels) -> Labels {
        let mut labels = many.clone();
        if operator.drops_name() {
            labels.remove(METRIC_NAME);
        }
        match &self.modifier.card {
            VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => {
                match &self.modifier.matching {
                    Some(LabelModifier::Include(on)) => {
                        labels = labels.filtered(|name| on.labels.iter().any(|l| l == name));
                    }
                    Some(LabelModifier::Exclude(ignoring)) => {
                        ignoring.labels.iter().for_each(|name| labels.remove(name));
                    }
                    None => {}
                }
            }
            VectorMatchCardinality::ManyToOne(include)
            | VectorMatchCardinality::OneToMany(include) => {
                for name in &include.labels {
                    labels.set(name, one.get(name));
                }
            }
        }
        labels
    }
}
