//! The way out of the operator, inside the process: queries go to the sandbox's Prometheus.

use analysis::{
    Asked, HookFault, HookRequest, HookResponse, Outbound, PrometheusServer, QueryFault,
    QueryResult, Series,
};
use chrono::{DateTime, Utc};
use promql::Value;
use sandbox::Prometheus;

/// Asks the sandbox's Prometheus without a socket; every webhook approves.
pub(crate) struct InProcess(pub(crate) Prometheus);

impl Outbound for InProcess {
    fn instant<'a>(
        &'a self,
        _server: &'a PrometheusServer,
        query: &'a str,
        now: DateTime<Utc>,
    ) -> Asked<'a, Result<QueryResult, QueryFault>> {
        Box::pin(async move {
            let value = self
                .0
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
        Box::pin(async {
            Ok(HookResponse {
                status: 200,
                body: "OK".to_owned(),
                retry_after: None,
            })
        })
    }
}
