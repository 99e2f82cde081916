//! Measures a metric: one instant query, and what its answer is worth
//!
//! Only one series with one finite, current number is a value. All else is
//! `Nothing` (the server has no data) or `Error`, told in words (invariant I11).

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rollout::answers::{Measured, Sample};
use rollout::spec::{Check, CheckSource};

use crate::builtin::builtin;
use crate::context::{Context, Resolved, TemplateRef};
use crate::outbound::{Outbound, PrometheusServer, QueryFault, QueryResult};
use crate::query::{collapse, render};
use crate::wording;

/// Time for one query, as Flagger has it.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);

/// An answer may be older or newer than the question by the window it covers,
/// but never less than this: clocks differ, and a scrape takes its time.
const SKEW_S_MIN: i64 = 60;

/// Measures `check`; `key` goes into the sample.
pub async fn measure(
    check: &Check,
    key: &str,
    context: &Context,
    outbound: &dyn Outbound,
) -> Sample {
    let measured = match Question::new(check, context) {
        Ok(question) => question.ask(context, outbound).await,
        Err(why) => Measured::Error(why),
    };
    if let Measured::Nothing(why) | Measured::Error(why) = &measured {
        tracing::debug!(
            name = context.name,
            namespace = context.namespace,
            metric = check.name,
            why,
            "Not measured."
        );
    }
    Sample {
        key: key.to_owned(),
        at: context.now,
        measured,
    }
}

/// Asks whether the server of a metric can answer at all (spec 5.6): the query
/// `vector(1)` must give 1.
///
/// # Errors
/// Why it cannot, in words without secrets.
pub async fn available(
    check: &Check,
    context: &Context,
    outbound: &dyn Outbound,
) -> Result<(), String> {
    let server = match &check.source {
        CheckSource::SuccessRate | CheckSource::Duration | CheckSource::Query(_) => {
            &context.metrics_server
        }
        CheckSource::Template {
            name,
            namespace,
            variables: _,
        } => &resolved(context, namespace, name)?.server,
    };
    let question = Question {
        server,
        query: "vector(1)".to_owned(),
        factor: 1.0,
        nothing: format!("prometheus {} knows no vector(1)", server.shown()),
        window: TimeDelta::zero(),
    };
    match question.ask(context, outbound).await {
        Measured::Value(value) if (value - 1.0).abs() < f64::EPSILON => Ok(()),
        Measured::Value(value) => Err(format!(
            "prometheus {} says that vector(1) is {value}",
            server.shown()
        )),
        Measured::Nothing(why) | Measured::Error(why) => Err(why),
    }
}

fn resolved<'c>(context: &'c Context, namespace: &str, name: &str) -> Result<&'c Resolved, String> {
    let key = TemplateRef {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    match context.templates.get(&key) {
        Some(Ok(resolved)) => Ok(resolved),
        Some(Err(unusable)) => Err(format!(
            "Metric template {name}.{namespace} error: {unusable}"
        )),
        None => Err(format!(
            "Metric template {name}.{namespace} error: it was not found"
        )),
    }
}

/// What is asked, of whom, and how the answer is read.
struct Question<'c> {
    server: &'c PrometheusServer,
    query: String,
    factor: f64,
    /// What is said when there is no data.
    nothing: String,
    window: TimeDelta,
}

impl<'c> Question<'c> {
    fn new(check: &Check, context: &'c Context) -> Result<Self, String> {
        let interval = wording::interval(check.interval);
        let metric = &check.name;
        let ours = &context.metrics_server;
        let none = BTreeMap::new();
        let (server, query, factor, nothing) = match &check.source {
            CheckSource::SuccessRate | CheckSource::Duration => {
                let builtin = builtin(context.flavour, &check.source)
                    .ok_or_else(|| format!("metric {metric:?} is not a built-in check"))?;
                let snake = builtin.is_snake.then(|| snake(context));
                let names = snake.as_ref().unwrap_or(context);
                let query = render(&builtin.template, names, &interval, &none)
                    .map_err(|error| error.to_string())?;
                let nothing = format!(
                    "no values found for {} metric {metric} probably {}.{} is not receiving traffic",
                    context.flavour, context.target, context.namespace
                );
                (ours, collapse(&query), builtin.factor, nothing)
            }
            CheckSource::Query(text) => {
                let query = render(text, context, &interval, &none)
                    .map_err(|error| format!("Metric query failed for {metric}: {error}"))?;
                (
                    ours,
                    query,
                    1.0,
                    format!("no values found for metric: {metric}"),
                )
            }
            CheckSource::Template {
                name,
                namespace,
                variables,
            } => {
                let resolved = resolved(context, namespace, name)?;
                let query =
                    render(&resolved.query, context, &interval, variables).map_err(|error| {
                        format!("Metric template {name}.{namespace} query render error: {error}")
                    })?;
                (
                    &resolved.server,
                    query,
                    1.0,
                    format!("no values found for custom metric: {metric}"),
                )
            }
        };
        Ok(Self {
            server,
            query,
            factor,
            nothing,
            window: check.interval,
        })
    }

    async fn ask(&self, context: &Context, outbound: &dyn Outbound) -> Measured {
        let asked = outbound.instant(self.server, &self.query, context.now);
        let result = match tokio::time::timeout(QUERY_TIMEOUT, asked).await {
            Ok(result) => result,
            Err(_) => Err(QueryFault::Slow(QUERY_TIMEOUT)),
        };
        match result {
            Ok(result) => self.read(&result, context.now),
            Err(fault) => {
                let told = self.server.redact(&fault.to_string());
                Measured::Error(format!("prometheus {} {told}", self.server.shown()))
            }
        }
    }

    fn read(&self, result: &QueryResult, now: DateTime<Utc>) -> Measured {
        let server = format!("prometheus {}", self.server.shown());
        let error = |why: String| Measured::Error(format!("{server} {why}"));
        let series = match result {
            QueryResult::Other(kind) => {
                return error(format!(
                    "answered with a {kind}, not a vector of one series"
                ));
            }
            QueryResult::Vector(series) => series.as_slice(),
        };
        let one = match series {
            [] => return Measured::Nothing(self.nothing.clone()),
            [one] => one,
            [_, _, ..] => {
                return error(format!(
                    "answered with {} series instead of one; aggregate them in the query",
                    series.len()
                ));
            }
        };
        let Some(value) = one.value else {
            return error("answered with a native histogram, not a number".to_owned());
        };
        if let Some(why) = self.out_of_time(one.at, now) {
            return error(why);
        }
        if value.is_nan() {
            return Measured::Nothing(format!("{}: the query returned NaN", self.nothing));
        }
        if value.is_infinite() {
            return error(format!(
                "answered with {}Inf, which is not a finite number",
                if value < 0.0 { "-" } else { "+" }
            ));
        }
        Measured::Value(value * self.factor)
    }

    fn out_of_time(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> Option<String> {
        let bound = self.window.max(TimeDelta::seconds(SKEW_S_MIN));
        let age = now.signed_duration_since(at);
        let span = |length| rollout::waiting::span(length);
        if age > bound {
            return Some(format!("answered with a value from {} ago", span(age)));
        }
        if age < -bound {
            return Some(format!(
                "answered with a value from {} ahead; its clock differs from ours",
                span(-age)
            ));
        }
        None
    }
}

/// The canary's names with `_` in place of what is not a word character.
fn snake(context: &Context) -> Context {
    let word = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' {
            c
        } else {
            '_'
        }
    };
    let snake = |name: &str| name.chars().map(word).collect::<String>();
    Context {
        namespace: snake(&context.namespace),
        service: snake(&context.service),
        ingress: snake(&context.ingress),
        ..context.clone()
    }
}
