//! label_replace, label_join, and the labels absent() can tell from its
//! selector.

use std::collections::BTreeSet;

use promql_parser::label::{MatchOp, Matchers};
use promql_parser::parser::Expr;
use regex::Regex;

use super::unique;
use crate::error::QueryError;
use crate::labels::{Labels, METRIC_NAME};
use crate::value::Sample;

pub(super) fn replace(
    mut samples: Vec<Sample>,
    target: &str,
    replacement: &str,
    source: &str,
    pattern: &str,
) -> Result<Vec<Sample>, QueryError> {
    let bad = |parameter, value: &str| QueryError::BadParameter {
        function: "label_replace".to_owned(),
        parameter,
        value: value.to_owned(),
    };
    let regex = Regex::new(&format!("^(?:{pattern})$"))
        .map_err(|_| bad("a regular expression", pattern))?;
    if !is_label_name(target) {
        return Err(bad("a label name", target));
    }
    for sample in &mut samples {
        let value = sample.labels.get(source).to_owned();
        if let Some(found) = regex.captures(&value) {
            let mut text = String::new();
            found.expand(replacement, &mut text);
            sample.labels.set(target, &text);
        }
    }
    unique(samples)
}

pub(super) fn join(
    mut samples: Vec<Sample>,
    target: &str,
    separator: &str,
    sources: &[String],
) -> Result<Vec<Sample>, QueryError> {
    if let Some(name) = std::iter::once(target)
        .chain(sources.iter().map(String::as_str))
        .find(|n| !is_label_name(n))
    {
        return Err(QueryError::BadParameter {
            function: "label_join".to_owned(),
            parameter: "a label name",
            value: name.to_owned(),
        });
    }
    for sample in &mut samples {
        let values: Vec<&str> = sources.iter().map(|name| sample.labels.get(name)).collect();
        let joined = values.join(separator);
        sample.labels.set(target, &joined);
    }
    unique(samples)
}

/// The labels a selector fixes by equality; one named twice is not fixed.
pub(super) fn fixed_labels(selector: &Expr) -> Labels {
    match selector {
        Expr::VectorSelector(vs) => from_matchers(&vs.matchers),
        Expr::MatrixSelector(matrix) => from_matchers(&matrix.vs.matchers),
        Expr::Paren(_)
        | Expr::Aggregate(_)
        | Expr::Unary(_)
        | Expr::Binary(_)
        | Expr::Subquery(_)
        | Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::Call(_)
        | Expr::Extension(_) => Labels::new(),
    }
}

fn from_matchers(matchers: &Matchers) -> Labels {
    let mut labels = Labels::new();
    let mut seen = BTreeSet::new();
    for matcher in matchers.matchers.iter().filter(|m| m.name != METRIC_NAME) {
        let is_first = seen.insert(matcher.name.as_str());
        if is_first && matches!(matcher.op, MatchOp::Equal) {
            labels.set(&matcher.name, &matcher.value);
        } else {
            labels.remove(&matcher.name);
        }
    }
    labels
}

pub(super) fn is_label_name(name: &str) -> bool {
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_start) && name.chars().all(|c| is_start(c) || c.is_ascii_digit())
}
