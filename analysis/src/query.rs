//! Renders query templates with the functions of a canary (spec 5.3)

use std::collections::BTreeMap;

use gotemplate::{Funcs, Function, Limits, MissingKey, Options, Template, Value};
use thiserror::Error;

use crate::context::Context;

/// Name that Go's error texts show for the template: Flagger's.
const TEMPLATE_NAME: &str = "tmpl";

/// Longest query template that is read.
const TEMPLATE_BYTES_MAX: usize = 64 * 1024;

/// What one query may cost to render, and how long it may become.
const LIMITS: Limits = Limits {
    steps_max: 100_000,
    output_bytes_max: 64 * 1024,
    depth_max: 100,
};

/// Why a query template gave no query; Go's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RenderError {
    /// Too long to be read.
    #[error("template is longer than {TEMPLATE_BYTES_MAX} bytes")]
    Long,
    /// Does not parse.
    #[error("template parsing failed: {0}")]
    Parse(#[from] gotemplate::ParseError),
    /// Does not run.
    #[error("template execution failed: {0}")]
    Execute(#[from] gotemplate::ExecError),
}

/// Renders `text`; `interval` is the window as PromQL writes it.
pub(crate) fn render(
    text: &str,
    context: &Context,
    interval: &str,
    variables: &BTreeMap<String, String>,
) -> Result<String, RenderError> {
    if text.len() > TEMPLATE_BYTES_MAX {
        return Err(RenderError::Long);
    }
    let mut funcs = Funcs::default();
    let words = [
        ("name", context.name.as_str()),
        ("namespace", &context.namespace),
        ("target", &context.target),
        ("service", &context.service),
        ("ingress", &context.ingress),
        ("route", &context.route),
        ("interval", interval),
    ];
    for (name, word) in words {
        funcs.insert(name, Function::constant(word));
    }
    funcs.insert(
        "variables",
        Function::constant(Value::string_map(variables)),
    );
    let template = Template::parse(TEMPLATE_NAME, text, funcs)?;
    let options = Options {
        missing_key: MissingKey::Error,
        limits: LIMITS,
    };
    Ok(template.execute(&Value::Nil, &options)?)
}

/// Runs of white space become one space, as Flagger sends built-in queries.
pub(crate) fn collapse(query: &str) -> String {
    query.split_whitespace().collect::<Vec<_>>().join(" ")
}
