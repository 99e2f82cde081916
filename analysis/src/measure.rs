//! Measures a metric: one query, and what its answer is worth
//!
//! Only one series with one finite, current number is a value. All else is
//! `Nothing` (the server has no data) or `Error`, told in words (invariant I11).

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rollout::answers::{Measured, Sample};
use rollout::spec::{Check, CheckSource};

use crate::builtin::builtin;
use crate::context::{Context, MetricServer, Resolved, TemplateRef};
use crate::outbound::{Outbound, PrometheusServer, QueryFault, QueryResult};
use crate::provider::{Provider, When};
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
        Ok(question) => question.ask(outbound).await,
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

/// Asks whether the server of a metric can answer at all (spec 5.6): of a
/// Prometheus the query `vector(1)` must give 1; others have probes of their own.
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
        CheckSource::Template { name, namespace } => {
            match &resolved(context, namespace, name)?.server {
                MetricServer::Prometheus(server) => server,
                MetricServer::Other(provider) => {
                    return provider.available(&when(check, context), outbound).await;
                }
            }
        }
    };
    let question = Question {
        server: Whom::Prometheus(server),
        query: "vector(1)".to_owned(),
        factor: 1.0,
        nothing: format!("prometheus {} knows no vector(1)", server.shown()),
        when: When {
            interval: TimeDelta::zero(),
            ..when(check, context)
        },
    };
    match question.ask(outbound).await {
        Measured::Value(value) if (value - 1.0).abs() < f64::EPSILON => Ok(()),
        Measured::Value(value) => Err(format!(
            "prometheus {} says that vector(1) is {value}",
            server.shown()
        )),
        Measured::Nothing(why) | Measured::Error(why) => Err(why),
    }
}

fn when(check: &Check, context: &Context) -> When {
    When {
        now: context.now,
        interval: check.interval,
        traffic_started: context.traffic_started,
        asker: format!("{}/{} {}", context.namespace, context.name, check.name),
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

/// Who is asked.
enum Whom<'c> {
    Prometheus(&'c PrometheusServer),
    Other(&'c Provider),
}

/// What is asked, of whom, and how the answer is read.
struct Question<'c> {
    server: Whom<'c>,
    query: String,
    factor: f64,
    /// What is said when there is no data.
    nothing: String,
    when: When,
}

impl<'c> Question<'c> {
    fn new(check: &Check, context: &'c Context) -> Result<Self, String> {
        let interval = wording::interval(check.interval);
        let metric = &check.name;
        let ours = || Whom::Prometheus(&context.metrics_server);
        let (server, query, factor, nothing) = match &check.source {
            CheckSource::SuccessRate | CheckSource::Duration => {
                let builtin = builtin(context.flavour, &check.source)
                    .ok_or_else(|| format!("metric {metric:?} is not a built-in check"))?;
                let snake = builtin.is_snake.then(|| snake(context));
                let names = snake.as_ref().unwrap_or(context);
                let query = render(&builtin.template, names, &interval, &check.variables)
                    .map_err(|error| error.to_string())?;
                let nothing = format!(
                    "no values found for {} metric {metric} probably {}.{} is not receiving traffic",
                    context.flavour, context.target, context.namespace
                );
                (ours(), collapse(&query), builtin.factor, nothing)
            }
            CheckSource::Query(text) => {
                let query = render(text, context, &interval, &check.variables)
                    .map_err(|error| format!("Metric query failed for {metric}: {error}"))?;
                (
                    ours(),
                    query,
                    1.0,
                    format!("no values found for metric: {metric}"),
                )
            }
            CheckSource::Template { name, namespace } => {
                let resolved = resolved(context, namespace, name)?;
                let interval = match &resolved.server {
                    MetricServer::Prometheus(_) => interval,
                    MetricServer::Other(provider) => provider.interval(check.interval),
                };
                let query = render(&resolved.query, context, &interval, &check.variables).map_err(
                    |error| {
                        format!("Metric template {name}.{namespace} query render error: {error}")
                    },
                )?;
                let server = match &resolved.server {
                    MetricServer::Prometheus(server) => Whom::Prometheus(server),
                    MetricServer::Other(provider) => Whom::Other(provider),
                };
                (
                    server,
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
            when: when(check, context),
        })
    }

    async fn ask(&self, outbound: &dyn Outbound) -> Measured {
        let server = match self.server {
            Whom::Prometheus(server) => server,
            Whom::Other(provider) => {
                return provider
                    .measure(&self.query, &self.when, &self.nothing, outbound)
                    .await;
            }
        };
        let asked = outbound.instant(server, &self.query, self.when.now);
        let result = match tokio::time::timeout(QUERY_TIMEOUT, asked).await {
            Ok(result) => result,
            Err(_) => Err(QueryFault::Slow(QUERY_TIMEOUT)),
        };
        match result {
            Ok(result) => self.read(server, &result),
            Err(fault) => {
                let told = server.redact(&fault.to_string());
                Measured::Error(format!("prometheus {} {told}", server.shown()))
            }
        }
    }

    fn read(&self, server: &PrometheusServer, result: &QueryResult) -> Measured {
        let server = format!("prometheus {}", server.shown());
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
        let bound = self.when.interval.max(TimeDelta::seconds(SKEW_S_MIN));
        if let Some(why) = out_of_time(one.at, self.when.now, bound, bound) {
            return error(why);
        }
        match finite(value, &self.nothing) {
            Ok(Measured::Value(value)) => Measured::Value(value * self.factor),
            Ok(other @ (Measured::Nothing(_) | Measured::Error(_))) => other,
            Err(why) => error(why),
        }
    }
}

/// A number as a value; NaN is no data, infinity an error.
pub(crate) fn finite(value: f64, nothing: &str) -> Result<Measured, String> {
    if value.is_nan() {
        return Ok(Measured::Nothing(format!(
            "{nothing}: the query returned NaN"
        )));
    }
    if value.is_infinite() {
        return Err(format!(
            "answered with {}Inf, which is not a finite number",
            if value < 0.0 { "-" } else { "+" }
        ));
    }
    Ok(Measured::Value(value))
}

/// Why a value of a time says nothing of `now`, if it does not: it may be
/// `past` older and `ahead` newer. The words stay the same as time goes on: they end up in the status.
pub(crate) fn out_of_time(
    at: DateTime<Utc>,
    now: DateTime<Utc>,
    past: TimeDelta,
    ahead: TimeDelta,
) -> Option<String> {
    let age = now.signed_duration_since(at);
    let span = |length| rollout::waiting::span(length);
    if age > past {
        return Some(format!(
            "answered with a value more than {} old",
            span(past)
        ));
    }
    if age < -ahead {
        return Some(format!(
            "answered with a value more than {} ahead; its clock differs from ours",
            span(ahead)
        ));
    }
    None
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
