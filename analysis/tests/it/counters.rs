//! Counters that begin again, and servers whose clock is not ours

use analysis::{
    Asked, Flavour, HookFault, HookRequest, HookResponse, Outbound, PrometheusServer, QueryFault,
    QueryResult, Series, measure,
};
use chrono::{DateTime, TimeDelta, Utc};
use promql::{Labels, Limits, Store, Value};
use rollout::spec::check::CheckSource;

use crate::fixture::{check_of, context, now, told};

const SCRAPE_S: i64 = 5;
/// Requests between two scrapes: one in twenty fails.
const GOOD: f64 = 19.0;
const BAD: f64 = 1.0;

/// A Prometheus that has scraped a workload for five minutes, by its own clock.
struct Counted {
    store: Store,
    ahead: TimeDelta,
}

impl Counted {
    /// The workload was restarted `restarted_s` seconds ago, if ever; all failed before `broken_s` seconds ago.
    fn new(ahead: TimeDelta, restarted_s: Option<i64>, broken_s: i64) -> Self {
        let mut store = Store::new(Limits::default());
        let end = now() + ahead;
        let mut counts = [0.0, 0.0];
        for age_s in (0..=300).rev().step_by(usize::try_from(SCRAPE_S).unwrap()) {
            if restarted_s == Some(age_s) {
                counts = [0.0, 0.0];
            }
            let step = if age_s > broken_s {
                [0.0, GOOD + BAD]
            } else {
                [GOOD, BAD]
            };
            counts = [counts[0] + step[0], counts[1] + step[1]];
            let at_ms = (end - TimeDelta::seconds(age_s)).timestamp_millis();
            for (code, count) in ["200", "500"].into_iter().zip(counts) {
                let labels = Labels::named("istio_requests_total")
                    .with("reporter", "destination")
                    .with("destination_workload_namespace", "test")
                    .with("destination_workload", "podinfo-app")
                    .with("response_code", code);
                store.append(&labels, at_ms, count).unwrap();
            }
        }
        Self { store, ahead }
    }
}

impl Outbound for Counted {
    fn instant<'a>(
        &'a self,
        _server: &'a PrometheusServer,
        query: &'a str,
        now: DateTime<Utc>,
    ) -> Asked<'a, Result<QueryResult, QueryFault>> {
        let at = now + self.ahead;
        let Value::Vector(samples) =
            promql::query(&self.store, query, at.timestamp_millis()).unwrap()
        else {
            panic!("{query} gives no vector");
        };
        let series = samples.iter().map(|sample| Series {
            value: Some(sample.point.v),
            at,
        });
        let result = QueryResult::Vector(series.collect());
        Box::pin(std::future::ready(Ok(result)))
    }

    fn post<'a>(&'a self, _: &'a HookRequest) -> Asked<'a, Result<HookResponse, HookFault>> {
        unreachable!("a metric calls no webhook")
    }
}

async fn check(ahead: TimeDelta, restarted_s: Option<i64>, expected: &str) {
    // Errors of before the window are no longer told of, whatever the server's clock shows.
    let server = Counted::new(ahead, restarted_s, 65);
    let check = check_of("request-success-rate", CheckSource::SuccessRate);
    let context = context(Flavour::Istio, "http://prom");
    let sample = measure(&check, "k", &context, &server).await;
    assert_eq!(
        told(&sample),
        expected,
        "{ahead}, restarted {restarted_s:?} s ago"
    );
}

#[tokio::test]
async fn a_counter_that_begins_again_counts_on() {
    for restarted_s in [None, Some(30), Some(5), Some(0), Some(60)] {
        check(TimeDelta::zero(), restarted_s, "value 95").await;
    }
}

#[tokio::test]
async fn windows_are_counted_by_the_servers_clock() {
    for ahead_s in [-55, -1, 1, 55] {
        check(TimeDelta::seconds(ahead_s), None, "value 95").await;
    }
    // The words stay the same while time goes on.
    let told = "error: prometheus http://prom answered with a value more than 1 min";
    for hour in [TimeDelta::hours(1), TimeDelta::hours(2)] {
        let ahead = format!("{told} ahead; its clock differs from ours");
        check(hour, None, &ahead).await;
        check(-hour, None, &format!("{told} old")).await;
    }
}
