//! The External Metrics API: of the operator's own cluster, or at an address
//!
//! A query is `<namespace>/<metric>?labelSelector=<escaped>`; the namespace is
//! `default` unless given. The operator's own token goes to its own API server
//! only: an address gets the token of the Secret, or none.

use api::metric_template::MetricProvider;
use chrono::{DateTime, Utc};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use super::answer::{Answer, Point, unreadable};
use super::{Keys, Plain, When, address, below, quantity, several, shown};
use crate::context::Unusable;
use crate::credentials::Secret;
use crate::outbound::{HttpRequest, KubernetesRequest, Method, Outbound};
use crate::wording;

const API: &str = "/apis/external.metrics.k8s.io/v1beta1/namespaces";

/// What Flagger looks for to see whether the API answers.
const PROBE: &str = "kube-system/dummy-metric";

/// An API server at an address.
pub(super) struct Remote {
    address: Url,
    token: Option<Secret>,
    is_tls_unchecked: bool,
}

impl Remote {
    /// None if the operator's own API server is meant.
    pub(super) fn read(spec: &MetricProvider, keys: &Keys<'_>) -> Result<Option<Self>, Unusable> {
        let token = keys.find("token")?;
        if spec.address.as_deref().unwrap_or_default().is_empty() {
            return match token {
                Some(_) => Err(Unusable::TokenWithoutAddress),
                None => Ok(None),
            };
        }
        Ok(Some(Self {
            address: address(spec, None)?,
            token,
            is_tls_unchecked: spec.insecure_skip_verify,
        }))
    }

    fn get(&self, query: &str) -> Result<HttpRequest, String> {
        let path = path(query)?;
        let (path, parameters) = path.split_once('?').unwrap_or((&path, ""));
        let mut url = below(&self.address, path);
        url.set_query(Some(parameters).filter(|text| !text.is_empty()));
        let mut request = HttpRequest::new(Method::Get, url).header("accept", "application/json");
        request.is_tls_unchecked = self.is_tls_unchecked;
        Ok(match &self.token {
            Some(token) => request.secret_header("authorization", "Bearer ", token),
            None => request,
        })
    }
}

impl Plain for Remote {
    fn shown(&self) -> String {
        shown("externalmetrics", &self.address)
    }

    fn query(&self, query: &str, _when: &When) -> Result<HttpRequest, String> {
        self.get(query)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Option<Point>, String> {
        point(answer.json()?).map_err(|why| answer.quote(&why))
    }

    fn probe(&self, _when: &When) -> Result<HttpRequest, String> {
        self.get(PROBE)
    }
}

/// Asks the operator's own API server.
pub(super) async fn ask(query: &str, outbound: &dyn Outbound) -> Result<Option<Point>, String> {
    point(get(query, outbound).await?).map_err(|why| wording::first_line(&why))
}

pub(super) async fn probe(outbound: &dyn Outbound) -> Result<(), String> {
    get(PROBE, outbound).await.map(drop)
}

async fn get(query: &str, outbound: &dyn Outbound) -> Result<Value, String> {
    let request = KubernetesRequest {
        method: Method::Get,
        path: path(query)?,
        body: None,
    };
    super::keptn::send(&request, outbound)
        .await
        .map_err(|fault| fault.to_string())
}

/// Path and query string for a query.
fn path(query: &str) -> Result<String, String> {
    let malformed = || {
        "cannot be asked: the query must be <namespace>/<metric>?labelSelector=<escaped>".to_owned()
    };
    let query = query.trim();
    let (names, parameters) = query.split_once('?').unwrap_or((query, ""));
    let (namespace, metric) = names.split_once('/').unwrap_or(("", names));
    let namespace = if namespace.is_empty() {
        "default"
    } else {
        namespace
    };
    if metric.is_empty() || metric.contains('/') {
        return Err(malformed());
    }
    // Through a URL, which escapes what must be; dots would be walked away.
    let mut url =
        Url::parse(&format!("http://api{API}/{namespace}/{metric}")).map_err(|_| malformed())?;
    let depth = |path: &str| path.matches('/').count();
    if depth(url.path()) != depth(API).saturating_add(2) {
        return Err(malformed());
    }
    url.set_fragment(None);
    url.set_query(Some(parameters));
    let selector = url
        .query_pairs()
        .find(|(name, value)| name == "labelSelector" && !value.is_empty())
        .map(|(_, value)| value.into_owned());
    url.set_query(None);
    if let Some(selector) = selector {
        url.query_pairs_mut()
            .append_pair("labelSelector", &selector);
    }
    let parameters = url.query().map(|query| format!("?{query}"));
    Ok(format!("{}{}", url.path(), parameters.unwrap_or_default()))
}

/// An ExternalMetricValueList.
#[derive(Deserialize)]
struct List {
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    timestamp: Option<DateTime<Utc>>,
    value: String,
}

fn point(list: Value) -> Result<Option<Point>, String> {
    let list: List =
        serde_json::from_value(list).map_err(|error| unreadable(&error.to_string()))?;
    match list.items.as_slice() {
        [] => Ok(None),
        [one] => match quantity::number(&one.value) {
            Some(value) => Ok(Some(Point::new(value, one.timestamp))),
            None => Err(unreadable(&format!("{:?} is not a quantity", one.value))),
        },
        [_, _, ..] => Err(several(list.items.len(), "values")),
    }
}
