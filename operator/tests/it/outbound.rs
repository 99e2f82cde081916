//! Metric servers and webhooks that answer as a test says.

use std::sync::Mutex;

use analysis::{
    Asked, HookFault, HookRequest, HookResponse, Outbound, PrometheusServer, QueryFault,
    QueryResult, Series,
};
use chrono::{DateTime, Utc};

/// Answers every query with one number, every webhook with one status.
pub(crate) struct Scripted {
    success_rate: Mutex<Option<f64>>,
    status: Mutex<u16>,
    pub(crate) posts: Mutex<Vec<String>>,
}

impl Default for Scripted {
    fn default() -> Self {
        Self {
            success_rate: Mutex::new(Some(100.0)),
            status: Mutex::new(200),
            posts: Mutex::default(),
        }
    }
}

impl Scripted {
    /// None: the server refuses connections.
    pub(crate) fn set_success_rate(&self, per_cent: Option<f64>) {
        *self.success_rate.lock().unwrap() = per_cent;
    }

    pub(crate) fn set_status(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }
}

impl Outbound for Scripted {
    fn instant<'a>(
        &'a self,
        _: &'a PrometheusServer,
        _: &'a str,
        now: DateTime<Utc>,
    ) -> Asked<'a, Result<QueryResult, QueryFault>> {
        let rate = *self.success_rate.lock().unwrap();
        Box::pin(async move {
            let value =
                rate.ok_or_else(|| QueryFault::Unreachable("refused the connection".to_owned()))?;
            Ok(QueryResult::Vector(vec![Series {
                value: Some(value),
                at: now,
            }]))
        })
    }

    fn post<'a>(&'a self, request: &'a HookRequest) -> Asked<'a, Result<HookResponse, HookFault>> {
        self.posts.lock().unwrap().push(request.body.clone());
        let status = *self.status.lock().unwrap();
        Box::pin(async move {
            Ok(HookResponse {
                status,
                body: String::new(),
                retry_after: None,
            })
        })
    }
}
