//! Metric servers, webhooks and chat services that answer as a script says, and remember what they were asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use analysis::{
    Asked, HookFault, HookRequest, HookResponse, Outbound, PrometheusServer, QueryFault,
    QueryResult, Series,
};
use chrono::{DateTime, Utc};
use notifier::{Request, Sent, Transport};
use serde_json::Value;

/// Where gates are; their name follows.
const GATES: &str = "http://gates.test/";
/// Where events go.
pub(super) const EVENTS: &str = "http://events.test/";

#[derive(Default)]
pub(super) struct Answers(Mutex<Held>);

#[derive(Default)]
struct Held {
    metrics: BTreeMap<String, Answer>,
    closed: BTreeSet<String>,
    asked: Vec<String>,
    events: Vec<String>,
}

#[derive(Clone, Copy)]
pub(super) enum Answer {
    Value(f64),
    Nothing,
    Away,
}

impl Answers {
    pub(super) fn measure(&self, metric: &str, answer: Answer) {
        self.held().metrics.insert(metric.to_owned(), answer);
    }

    pub(super) fn close(&self, gate: &str) {
        self.held().closed.insert(gate.to_owned());
    }

    pub(super) fn open(&self, gate: &str) {
        self.held().closed.remove(gate);
    }

    /// What was asked, and the events told, since the last time.
    pub(super) fn take(&self) -> (Vec<String>, Vec<String>) {
        let mut held = self.held();
        (
            std::mem::take(&mut held.asked),
            std::mem::take(&mut held.events),
        )
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap()
    }
}

/// The metric that a built-in query is for.
fn metric(query: &str) -> &'static str {
    if query.contains("histogram_quantile") {
        "request-duration"
    } else {
        "request-success-rate"
    }
}

impl Outbound for Answers {
    fn instant<'a>(
        &'a self,
        _: &'a PrometheusServer,
        query: &'a str,
        now: DateTime<Utc>,
    ) -> Asked<'a, Result<QueryResult, QueryFault>> {
        let metric = metric(query);
        let fallback = if metric == "request-duration" {
            0.0
        } else {
            100.0
        };
        let mut held = self.held();
        if query == "vector(1)" {
            return Box::pin(std::future::ready(Ok(QueryResult::Vector(vec![Series {
                value: Some(1.0),
                at: now,
            }]))));
        }
        if query.contains("rate(") {
            held.asked.push(metric.to_owned());
        }
        let answer = held.metrics.get(metric).copied();
        let series = |value| Series {
            value: Some(value),
            at: now,
        };
        let result = match answer.unwrap_or(Answer::Value(fallback)) {
            Answer::Value(value) => Ok(QueryResult::Vector(vec![series(value)])),
            Answer::Nothing => Ok(QueryResult::Vector(Vec::new())),
            Answer::Away => Err(QueryFault::Unreachable("refused the connection".to_owned())),
        };
        Box::pin(std::future::ready(result))
    }

    fn post<'a>(&'a self, request: &'a HookRequest) -> Asked<'a, Result<HookResponse, HookFault>> {
        let mut held = self.held();
        let url = request.url.expose();
        let mut status = 200;
        if let Some(gate) = url.strip_prefix(GATES) {
            held.asked.push(gate.to_owned());
            if held.closed.contains(gate) {
                status = 403;
            }
        } else {
            assert_eq!(url, EVENTS);
            let body: Value = serde_json::from_str(&request.body).unwrap();
            let text = body["metadata"]["eventMessage"].as_str().unwrap();
            // The core knows nothing of servers, nor of who writes what.
            let is_cores = text != "all the metrics providers are available!"
                && !text.contains(" was changed by ");
            if is_cores {
                held.events.push(text.to_owned());
            }
        }
        let response = HookResponse {
            status,
            body: String::new(),
            retry_after: None,
        };
        Box::pin(std::future::ready(Ok(response)))
    }
}

impl Transport for Answers {
    fn send<'a>(&'a self, _: &'a Request) -> Sent<'a> {
        Box::pin(std::future::ready(Ok(())))
    }
}
