//! Calls a function by its name. Functions of one number and of one window
//! stand in tables of their own; this file has those that need more.

use promql_parser::parser::{Call, Expr};

use super::rate::Window;
use super::{
    Evaluator, histogram, labelling, mapped, over_time, scalar, scalar_math, unique, vector,
    wrong_type,
};
use crate::error::QueryError;
use crate::labels::Labels;
use crate::store::Point;
use crate::value::{Sample, Value};

/// One call: its arguments are evaluated when asked for.
struct Args<'a> {
    evaluator: &'a Evaluator<'a>,
    name: &'static str,
    exprs: &'a [Box<Expr>],
    t_ms: i64,
}

impl Args<'_> {
    fn expr(&self, at: usize) -> Result<&Expr, QueryError> {
        self.exprs
            .get(at)
            .map(AsRef::as_ref)
            .ok_or_else(|| QueryError::Parse {
                reason: format!(
                    "expected at least {} argument(s) in call to '{}'",
                    at + 1,
                    self.name
                ),
            })
    }

    fn vector(&self, at: usize) -> Result<Vec<Sample>, QueryError> {
        vector(self.evaluator.eval(self.expr(at)?, self.t_ms)?, self.name)
    }

    fn number(&self, at: usize) -> Result<f64, QueryError> {
        self.evaluator.number(self.expr(at)?, self.t_ms, self.name)
    }

    fn text(&self, at: usize) -> Result<String, QueryError> {
        match self.evaluator.eval(self.expr(at)?, self.t_ms)? {
            Value::Text { text, .. } => Ok(text),
            other @ (Value::Scalar(_) | Value::Vector(_) | Value::Matrix(_)) => {
                Err(wrong_type("string", self.name, &other))
            }
        }
    }

    /// Each series of the range at `at`, made one sample by `of`.
    fn over_time(
        &self,
        at: usize,
        of: impl Fn(&Window<'_>) -> Option<f64>,
    ) -> Result<Vec<Sample>, QueryError> {
        let range = self.evaluator.range(self.expr(at)?, self.t_ms)?;
        let mut out = Vec::new();
        for series in range.series {
            let window = Window {
                points: &series.points,
                start_ms: range.start_ms,
                end_ms: range.end_ms,
                at_ms: self.t_ms,
            };
            if let Some(v) = of(&window) {
                // The last value is still the metric's own.
                let labels = if self.name == "last_over_time" {
                    series.labels
                } else {
                    series.labels.unnamed()
                };
                out.push(Sample {
                    labels,
                    point: Point { t_ms: self.t_ms, v },
                });
            }
        }
        unique(out)
    }

    fn one(&self, labels: Labels, v: f64) -> Vec<Sample> {
        vec![Sample {
            labels,
            point: Point { t_ms: self.t_ms, v },
        }]
    }
}

impl Evaluator<'_> {
    pub(super) fn call(&self, call: &Call, t_ms: i64) -> Result<Value, QueryError> {
        let args = Args {
            evaluator: self,
            name: call.func.name,
            exprs: &call.args.args,
            t_ms,
        };
        match args.name {
            "time" => return Ok(scalar(t_ms, scalar_math::seconds(t_ms))),
            "pi" => return Ok(scalar(t_ms, std::f64::consts::PI)),
            "scalar" => {
                let v = Value::Vector(args.vector(0)?).single().unwrap_or(f64::NAN);
                return Ok(scalar(t_ms, v));
            }
            _ => {}
        }
        if let Some(of) = over_time::function(args.name) {
            return args.over_time(0, of).map(Value::Vector);
        }
        if let Some(of) = scalar_math::function(args.name) {
            return unique(mapped(args.vector(0)?, of)).map(Value::Vector);
        }
        of_vectors(&args).map(Value::Vector)
    }
}

fn of_vectors(args: &Args<'_>) -> Result<Vec<Sample>, QueryError> {
    match args.name {
        "vector" => Ok(args.one(Labels::new(), args.number(0)?)),
        "absent" => {
            let is_absent = args.vector(0)?.is_empty();
            Ok(if is_absent {
                args.one(labelling::fixed_labels(args.expr(0)?), 1.0)
            } else {
                Vec::new()
            })
        }
        "absent_over_time" => {
            let is_absent = args
                .evaluator
                .range(args.expr(0)?, args.t_ms)?
                .series
                .is_empty();
            Ok(if is_absent {
                args.one(labelling::fixed_labels(args.expr(0)?), 1.0)
            } else {
                Vec::new()
            })
        }
        "round" => {
            let to = if args.exprs.len() > 1 {
                args.number(1)?
            } else {
                1.0
            };
            unique(mapped(args.vector(0)?, |v| scalar_math::round(v, to)))
        }
        "clamp" | "clamp_min" | "clamp_max" => clamp(args),
        "sort" => Ok(sorted(args.vector(0)?, false)),
        "sort_desc" => Ok(sorted(args.vector(0)?, true)),
        "timestamp" => timestamps(args),
        "histogram_quantile" => {
            let q = args.number(0)?;
            Ok(histogram::quantiles(q, &args.vector(1)?, args.t_ms))
        }
        "quantile_over_time" => {
            let q = args.number(0)?;
            args.over_time(1, |w| Some(over_time::quantile_over_time(w, q)))
        }
        "predict_linear" => {
            let ahead_s = args.number(1)?;
            args.over_time(0, |w| over_time::predict_linear(w, ahead_s))
        }
        "label_replace" => labelling::replace(
            args.vector(0)?,
            &args.text(1)?,
            &args.text(2)?,
            &args.text(3)?,
            &args.text(4)?,
        ),
        "label_join" => {
            let sources: Result<Vec<String>, _> =
                (3..args.exprs.len()).map(|at| args.text(at)).collect();
            labelling::join(args.vector(0)?, &args.text(1)?, &args.text(2)?, &sources?)
        }
        name => Err(QueryError::Unsupported {
            what: "function",
            name: name.to_owned(),
        }),
    }
}

fn clamp(args: &Args<'_>) -> Result<Vec<Sample>, QueryError> {
    let samples = args.vector(0)?;
    let (low, high) = match args.name {
        "clamp_min" => (args.number(1)?, f64::INFINITY),
        "clamp_max" => (f64::NEG_INFINITY, args.number(1)?),
        _ => (args.number(1)?, args.number(2)?),
    };
    if high < low {
        return Ok(Vec::new());
    }
    unique(mapped(samples, |v| {
        scalar_math::max(low, scalar_math::min(high, v))
    }))
}

/// Sorted by value; NaN last either way.
fn sorted(mut samples: Vec<Sample>, is_descending: bool) -> Vec<Sample> {
    samples.sort_by(|a, b| {
        let (a, b) = if is_descending {
            (b.point.v, a.point.v)
        } else {
            (a.point.v, b.point.v)
        };
        let nan_last = if is_descending {
            b.is_nan().cmp(&a.is_nan())
        } else {
            a.is_nan().cmp(&b.is_nan())
        };
        nan_last.then_with(|| a.total_cmp(&b))
    });
    samples
}

/// When each sample was taken: its own time for a plain selector, else the query's.
fn timestamps(args: &Args<'_>) -> Result<Vec<Sample>, QueryError> {
    let mut expr = args.expr(0)?;
    while let Expr::Paren(paren) = expr {
        expr = &paren.expr;
    }
    let samples = if let Expr::VectorSelector(selector) = expr {
        args.evaluator.select_dated(selector, args.t_ms)?
    } else {
        args.vector(0)?
    };
    let dated = samples.into_iter().map(|s| Sample {
        labels: s.labels.unnamed(),
        point: Point {
            t_ms: args.t_ms,
            v: scalar_math::seconds(s.point.t_ms),
        },
    });
    unique(dated.collect())
}
