//! The way out of the operator, inside the process: queries go to the sandbox's Prometheus, webhooks approve.

use analysis::{
    Asked, HookFault, HookRequest, HookResponse, Outbound, PrometheusServer, QueryFault,
    QueryResult, Series,
};
use chrono::{DateTime, Utc};
use promql::Value;
use sandbox::Prometheus;

pub(super) struct InProcess(pub(super) Prometheus);

impl Outbound for InProcess {
    fn instant<'a>(
        &'a self,
        _: &'a PrometheusServer,
        query: &'a str,
        now: DateTime<Utc>,
    ) -> Asked<'a, Result<QueryResult, QueryFault>> {
        let answer = self.0.query(query, now);
        Box::pin(async move {
            let Value::Vector(samples) =
                answer.map_err(|error| QueryFault::Refused(error.to_string()))?
            else {
                return Ok(QueryResult::Other("no vector".to_owned()));
            };
            let series = samples.iter().map(|sample| Series {
                value: Some(sample.point.v),
                at: now,
            });
            Ok(QueryResult::Vector(series.collect()))
        })
    }

    fn post<'a>(&'a self, _: &'a HookRequest) -> Asked<'a, Result<HookResponse, HookFault>> {
        Box::pin(async {
            Ok(HookResponse {
                status: 200,
                body: "OK".to_owned(),
                retry_after: None,
            })
        })
    }
}
