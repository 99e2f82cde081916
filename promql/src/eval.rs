//! Evaluates a parsed query at one instant. Selectors, operators, aggregations
//! and functions have a file each; this one parses, walks and counts what a
//! query costs. A range query is the same at many instants.

mod aggregate;
mod binary;
mod functions;
mod histogram;
mod labelling;
mod over_time;
mod rate;
mod scalar_math;
mod selector;

use std::cell::Cell;
use std::collections::BTreeMap;

use promql_parser::parser::{self, Expr};

use crate::error::QueryError;
use crate::labels::Labels;
use crate::store::{Point, Store};
use crate::value::{Sample, Series, Value};

/// How far back an instant selector looks for a sample (Prometheus' default).
pub const LOOKBACK_MS: i64 = 5 * 60 * 1000;
const QUERY_BYTES_MAX: usize = 16 * 1024;
const NESTING_MAX: usize = 100;
const DEPTH_MAX: u32 = 250;
const SAMPLES_MAX: u64 = 20_000_000;
const STEPS_MAX: u64 = 11_000;

/// Answers a query at one instant, in Unix milliseconds.
///
/// # Errors
/// When the text is no PromQL, uses what is not supported here, or cannot be
/// evaluated (ambiguous matching, too many samples).
pub fn query(store: &Store, text: &str, at_ms: i64) -> Result<Value, QueryError> {
    let expr = parse(text)?;
    Evaluator::new(store, at_ms, at_ms).eval(&expr, at_ms)
}

/// Answers a query at each step from `start_ms` to `end_ms`, both included.
///
/// # Errors
/// As [`query`], and when the range has too many steps or is upside down.
pub fn query_range(
    store: &Store,
    text: &str,
    start_ms: i64,
    end_ms: i64,
    step_ms: i64,
) -> Result<Value, QueryError> {
    if step_ms <= 0 || end_ms < start_ms {
        return Err(QueryError::BadRange {
            step_ms,
            start_ms,
            end_ms,
        });
    }
    let steps = end_ms.abs_diff(start_ms) / step_ms.unsigned_abs() + 1;
    if steps > STEPS_MAX {
        return Err(QueryError::TooManySteps {
            steps,
            steps_max: STEPS_MAX,
        });
    }
    let expr = parse(text)?;
    let evaluator = Evaluator::new(store, start_ms, end_ms);
    let mut series: BTreeMap<Labels, Vec<Point>> = BTreeMap::new();
    let mut t_ms = start_ms;
    while t_ms <= end_ms {
        for sample in evaluator.instant(&expr, t_ms)? {
            series.entry(sample.labels).or_default().push(sample.point);
        }
        t_ms = t_ms.saturating_add(step_ms);
    }
    let series = series
        .into_iter()
        .map(|(labels, points)| Series { labels, points });
    Ok(Value::Matrix(series.collect()))
}

fn parse(text: &str) -> Result<Expr, QueryError> {
    if text.len() > QUERY_BYTES_MAX {
        return Err(QueryError::QueryTooLong {
            bytes: text.len(),
            bytes_max: QUERY_BYTES_MAX,
        });
    }
    // The tree of the parser is dropped and typed by recursion, so its depth is bounded before it is built.
    let unspaced = text.bytes().filter(|b| !b.is_ascii_whitespace());
    let (mut signs, mut signs_most) = (0, 0);
    for byte in unspaced {
        signs = if matches!(byte, b'-' | b'+') {
            signs + 1
        } else {
            0
        };
        signs_most = signs_most.max(signs);
    }
    let open = text.bytes().filter(|b| matches!(b, b'(' | b'[')).count();
    if open > NESTING_MAX || signs_most > NESTING_MAX {
        return Err(QueryError::QueryTooDeep {
            depth_max: DEPTH_MAX,
        });
    }
    parser::parse(text).map_err(|reason| QueryError::Parse { reason })
}

struct Evaluator<'a> {
    store: &'a Store,
    start_ms: i64,
    end_ms: i64,
    depth: Cell<u32>,
    samples: Cell<u64>,
}

impl<'a> Evaluator<'a> {
    fn new(store: &'a Store, start_ms: i64, end_ms: i64) -> Self {
        Self {
            store,
            start_ms,
            end_ms,
            depth: Cell::new(0),
            samples: Cell::new(0),
        }
    }

    fn eval(&self, expr: &Expr, t_ms: i64) -> Result<Value, QueryError> {
        let depth = self.depth.get() + 1;
        if depth > DEPTH_MAX {
            return Err(QueryError::QueryTooDeep {
                depth_max: DEPTH_MAX,
            });
        }
        self.depth.set(depth);
        let value = self.eval_node(expr, t_ms);
        self.depth.set(depth - 1);
        value
    }

    fn eval_node(&self, expr: &Expr, t_ms: i64) -> Result<Value, QueryError> {
        match expr {
            Expr::Aggregate(aggregate) => self.aggregate(aggregate, t_ms).map(Value::Vector),
            Expr::Unary(unary) => Ok(match self.eval(&unary.expr, t_ms)? {
                Value::Scalar(point) => scalar(t_ms, -point.v),
                other @ (Value::Vector(_) | Value::Matrix(_) | Value::Text { .. }) => {
                    Value::Vector(unique(mapped(vector(other, "a unary minus")?, |v| -v))?)
                }
            }),
            Expr::Binary(binary) => self.binary(binary, t_ms),
            Expr::Paren(paren) => self.eval(&paren.expr, t_ms),
            Expr::NumberLiteral(number) => Ok(scalar(t_ms, number.val)),
            Expr::StringLiteral(text) => Ok(Value::Text {
                t_ms,
                text: text.val.clone(),
            }),
            Expr::VectorSelector(selector) => self.select(selector, t_ms).map(Value::Vector),
            Expr::MatrixSelector(_) | Expr::Subquery(_) => {
                let range = self.range(expr, t_ms)?;
                Ok(Value::Matrix(range.series))
            }
            Expr::Call(call) => self.call(call, t_ms),
            Expr::Extension(extension) => Err(QueryError::Unsupported {
                what: "expression",
                name: extension.expr.name().to_owned(),
            }),
        }
    }

    /// A vector, or a scalar as a vector of one sample without labels.
    fn instant(&self, expr: &Expr, t_ms: i64) -> Result<Vec<Sample>, QueryError> {
        match self.eval(expr, t_ms)? {
            Value::Scalar(point) => Ok(vec![Sample {
                labels: Labels::new(),
                point,
            }]),
            other @ (Value::Vector(_) | Value::Matrix(_) | Value::Text { .. }) => {
                vector(other, "a range query")
            }
        }
    }

    fn number(&self, expr: &Expr, t_ms: i64, place: &str) -> Result<f64, QueryError> {
        match self.eval(expr, t_ms)? {
            Value::Scalar(point) => Ok(point.v),
            other @ (Value::Vector(_) | Value::Matrix(_) | Value::Text { .. }) => {
                Err(wrong_type("scalar", place, &other))
            }
        }
    }

    fn spend(&self, samples: usize) -> Result<(), QueryError> {
        let spent = self
            .samples
            .get()
            .saturating_add(u64::try_from(samples).unwrap_or(u64::MAX));
        self.samples.set(spent);
        if spent > SAMPLES_MAX {
            return Err(QueryError::TooManySamples {
                samples_max: SAMPLES_MAX,
            });
        }
        Ok(())
    }
}

fn scalar(t_ms: i64, v: f64) -> Value {
    Value::Scalar(Point { t_ms, v })
}

fn vector(value: Value, place: &str) -> Result<Vec<Sample>, QueryError> {
    match value {
        Value::Vector(samples) => Ok(samples),
        other @ (Value::Scalar(_) | Value::Matrix(_) | Value::Text { .. }) => {
            Err(wrong_type("instant vector", place, &other))
        }
    }
}

fn wrong_type(expected: &'static str, place: &str, got: &Value) -> QueryError {
    QueryError::WrongType {
        expected,
        place: place.to_owned(),
        got: got.result_type(),
    }
}

/// Changes each value and drops the metric's name, as functions do.
fn mapped(samples: Vec<Sample>, change: impl Fn(f64) -> f64) -> Vec<Sample> {
    let changed = samples.into_iter().map(|s| Sample {
        labels: s.labels.unnamed(),
        point: Point {
            t_ms: s.point.t_ms,
            v: change(s.point.v),
        },
    });
    changed.collect()
}

fn unique(samples: Vec<Sample>) -> Result<Vec<Sample>, QueryError> {
    let mut seen: Vec<&Labels> = samples.iter().map(|s| &s.labels).collect();
    seen.sort();
    if seen.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
        return Err(QueryError::SameLabels);
    }
    Ok(samples)
}
