//! Adds the cluster's own API to the ways out: Keptn and external metrics are read there.

use std::sync::Arc;

use analysis::{
    Asked, HookFault, HookRequest, HookResponse, HttpRequest, HttpResponse, Kept,
    KubernetesRequest, Method, Outbound, PrometheusServer, QueryFault, QueryResult, Secret,
};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// The given way out, and the operator's own client for what is asked of the cluster.
pub(crate) struct WithCluster {
    /// To everything outside.
    pub(crate) outside: Arc<dyn Outbound>,
    /// To the cluster.
    pub(crate) client: kube::Client,
}

impl Outbound for WithCluster {
    fn instant<'a>(
        &'a self,
        server: &'a PrometheusServer,
        query: &'a str,
        now: DateTime<Utc>,
    ) -> Asked<'a, Result<QueryResult, QueryFault>> {
        self.outside.instant(server, query, now)
    }

    fn post<'a>(&'a self, request: &'a HookRequest) -> Asked<'a, Result<HookResponse, HookFault>> {
        self.outside.post(request)
    }

    fn exchange<'a>(
        &'a self,
        request: &'a HttpRequest,
    ) -> Asked<'a, Result<HttpResponse, QueryFault>> {
        self.outside.exchange(request)
    }

    fn kubernetes<'a>(
        &'a self,
        request: &'a KubernetesRequest,
    ) -> Asked<'a, Result<Value, QueryFault>> {
        Box::pin(async move {
            let body = request
                .body
                .as_ref()
                .map(|body| body.to_string().into_bytes());
            let sent = http::Request::builder()
                .method(method(request.method))
                .uri(&request.path)
                .header(http::header::CONTENT_TYPE, "application/json")
                .body(body.unwrap_or_default())
                .map_err(|_| {
                    QueryFault::Unreachable("cannot be asked: its path is not valid".to_owned())
                })?;
            self.client.request(sent).await.map_err(fault)
        })
    }

    fn kept(&self) -> Option<&Kept> {
        self.outside.kept()
    }

    fn variable(&self, name: &str) -> Option<Secret> {
        self.outside.variable(name)
    }

    fn file<'a>(&'a self, path: &'a str) -> Asked<'a, Option<Secret>> {
        self.outside.file(path)
    }
}

fn method(method: Method) -> http::Method {
    match method {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Delete => http::Method::DELETE,
    }
}

fn fault(error: kube::Error) -> QueryFault {
    if let kube::Error::Api(status) = error {
        return QueryFault::Status {
            status: status.code,
            message: status.message,
        };
    }
    QueryFault::Unreachable("could not be reached".to_owned())
}
