//! A canary, its checks and gates, and a way out that answers from a list

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use analysis::{
    Asked, Context, Egress, Flavour, HookFault, HookRequest, HookResponse, Network, Outbound,
    PrometheusServer, QueryFault, QueryResult, Series,
};
use chrono::{DateTime, TimeDelta, Utc};
use rollout::answers::{Measured, Sample};
use rollout::spec::check::{Check, CheckId, CheckSource, Limits};
use rollout::spec::gate::{Gate, GateId, GateKind};

pub(crate) const SECRET: &str = "hunter2-marker";

pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_750_000_000, 0).unwrap()
}

pub(crate) fn context(flavour: Flavour, metrics_server: &str) -> Context {
    Context {
        name: "podinfo".into(),
        namespace: "test".into(),
        target: "podinfo-app".into(),
        service: "podinfo-svc".into(),
        ingress: "podinfo-ing".into(),
        route: "podinfo-route".into(),
        flavour,
        metrics_server: PrometheusServer::at(metrics_server).unwrap(),
        templates: BTreeMap::new(),
        checksum: "758df7c9fc".into(),
        traffic_started: None,
        now: now(),
    }
}

pub(crate) fn check_of(name: &str, source: CheckSource) -> Check {
    Check {
        id: CheckId(0),
        name: name.into(),
        source,
        variables: BTreeMap::from([("region".to_owned(), "eu".to_owned())]),
        interval: TimeDelta::minutes(1),
        limits: Limits {
            min: None,
            max: None,
        },
    }
}

pub(crate) fn gate(url: &str) -> Gate {
    Gate {
        id: GateId(0),
        name: "qa".into(),
        kind: GateKind::ConfirmPromotion,
        url: url.into(),
        timeout: Duration::from_secs(10),
        retries: 0,
        deadline: None,
        is_tls_unchecked: false,
        is_alert_muted: false,
        metadata: BTreeMap::from([("team".into(), "blue".into())]),
    }
}

pub(crate) fn network() -> Network {
    Network::new(Egress {
        is_loopback_allowed: true,
        ..Egress::default()
    })
    .unwrap()
}

/// A sample in one line: `value 1.5`, `nothing: why`, `error: why`.
pub(crate) fn told(sample: &Sample) -> String {
    match &sample.measured {
        Measured::Value(value) => format!("value {value}"),
        Measured::Nothing(why) => format!("nothing: {why}"),
        Measured::Error(why) => format!("error: {why}"),
    }
}

/// Answers from lists, and keeps what was asked. With an empty list it hangs.
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) results: Mutex<VecDeque<Result<QueryResult, QueryFault>>>,
    pub(crate) responses: Mutex<VecDeque<Result<HookResponse, HookFault>>>,
    pub(crate) queries: Mutex<Vec<String>>,
    pub(crate) bodies: Mutex<Vec<String>>,
}

impl Fake {
    pub(crate) fn with_value(value: f64) -> Self {
        let series = Series {
            value: Some(value),
            at: now(),
        };
        let fake = Self::default();
        fake.results
            .lock()
            .unwrap()
            .push_back(Ok(QueryResult::Vector(vec![series])));
        fake
    }
}

impl Outbound for Fake {
    fn instant<'a>(
        &'a self,
        server: &'a PrometheusServer,
        query: &'a str,
        _now: DateTime<Utc>,
    ) -> Asked<'a, Result<QueryResult, QueryFault>> {
        self.queries
            .lock()
            .unwrap()
            .push(format!("{} {query}", server.shown()));
        let next = self.results.lock().unwrap().pop_front();
        Box::pin(async move {
            match next {
                Some(result) => result,
                None => std::future::pending().await,
            }
        })
    }

    fn post<'a>(&'a self, request: &'a HookRequest) -> Asked<'a, Result<HookResponse, HookFault>> {
        self.bodies.lock().unwrap().push(request.body.clone());
        let next = self.responses.lock().unwrap().pop_front();
        Box::pin(async move {
            match next {
                Some(result) => result,
                None => std::future::pending().await,
            }
        })
    }
}
