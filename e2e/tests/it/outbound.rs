//! The way out of the operator, inside the process: queries go to the sandbox's Prometheus.

use std::sync::atomic::{AtomicU32, Ordering};

use analysis::{
    Asked, HookFault, HookRequest, HookResponse, Outbound, PrometheusServer, QueryFault,
    QueryResult, Series,
};
use chrono::{DateTime, Utc};
use promql::Value;
use sandbox::Prometheus;

/// Asks the sandbox's Prometheus without a socket; webhooks approve.
pub(crate) struct InProcess {
    prometheus: Prometheus,
    refusals: AtomicU32,
}

impl InProcess {
    pub(crate) fn new(prometheus: Prometheus) -> Self {
        Self {
            prometheus,
            refusals: AtomicU32::new(0),
        }
    }

    /// Lets webhooks refuse so many times before they approve.
    pub(crate) fn refuse(&self, times: u32) {
        self.refusals.store(times, Ordering::Relaxed);
    }
}

impl Outbound for InProcess {
    fn instant<'a>(
        &'a self,
        _server: &'a PrometheusServer,
        query: &'a str,
        now: DateTime<Utc>,
    ) -> Asked<'a, Result<QueryResult, QueryFault>> {
        Box::pin(async move {
            let value = self
                .prometheus
                .query(query, now)
                .map_err(|error| QueryFault::Refused(error.to_string()))?;
            Ok(match value {
                Value::Vector(samples) => QueryResult::Vector(
                    samples
                        .iter()
                        .map(|sample| Series {
                            value: Some(sample.point.v),
                            at: now,
                        })
                        .collect(),
                ),
                Value::Scalar(_) | Value::Matrix(_) | Value::Text { .. } => {
                    QueryResult::Other(value.result_type().to_owned())
                }
            })
        })
    }

    fn post<'a>(&'a self, _request: &'a HookRequest) -> Asked<'a, Result<HookResponse, HookFault>> {
        let fewer = |left: u32| left.checked_sub(1);
        let refused = self
            .refusals
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
        let response = HookResponse {
            status: if refused.is_ok() { 403 } else { 200 },
            body: "OK".to_owned(),
            retry_after: None,
        };
        Box::pin(std::future::ready(Ok(response)))
    }
}
