//! What is known of a canary when its metrics and webhooks are asked
//!
//! Reads MetricTemplates and the Secrets they name into what can be asked; does
//! not fetch either.

use std::collections::BTreeMap;

use api::metric_template::{MetricProvider, MetricTemplate};
use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::builtin::Flavour;
use crate::credentials::{Credentials, Secret};
use crate::outbound::PrometheusServer;
use crate::provider::{Keys, Provider};

/// The canary, and where its metrics are.
#[derive(Clone)]
pub struct Context {
    /// Name of the Canary.
    pub name: String,
    /// Namespace of the Canary.
    pub namespace: String,
    /// `targetRef.name`.
    pub target: String,
    /// Name of the apex service.
    pub service: String,
    /// `ingressRef.name`, or the target.
    pub ingress: String,
    /// `routeRef.name`, or the target; for Knative the latest created revision.
    pub route: String,
    /// Whose metrics the built-in checks read.
    pub flavour: Flavour,
    /// `spec.metricsServer` or the flag's value: where built-in checks and
    /// inline queries go.
    pub metrics_server: PrometheusServer,
    /// The MetricTemplates that the canary refers to, or why one cannot be used.
    pub templates: BTreeMap<TemplateRef, Result<Resolved, Unusable>>,
    /// Checksum of the payload of webhooks, as `checksum` makes it.
    pub checksum: String,
    /// `status.analysis.trafficStarted`: no metric server is asked about the time
    /// before, when the same series told of another version.
    pub traffic_started: Option<DateTime<Utc>>,
    /// The time at which is asked.
    pub now: DateTime<Utc>,
}

/// Names a MetricTemplate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A MetricTemplate with its Secret read: a query, and whom to ask.
#[derive(Clone)]
pub struct Resolved {
    /// The server.
    pub server: MetricServer,
    /// Text of the query template.
    pub query: String,
}

/// Whom a MetricTemplate asks.
#[derive(Clone)]
pub enum MetricServer {
    /// `spec.provider.type: prometheus`.
    Prometheus(PrometheusServer),
    /// Any other type.
    Other(Provider),
}

/// Why a MetricTemplate cannot be asked. Names the field and the cure.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unusable {
    /// There is no such MetricTemplate.
    #[error("metric template {name:?} was not found in namespace {namespace:?}")]
    Missing {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// It could not be read, or not understood.
    #[error("metric template {name:?} of namespace {namespace:?}: {why}")]
    Unread {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What happened; may hold no value of the template.
        why: String,
    },
    /// A provider that Sluice does not speak.
    #[error(
        "spec.provider.type {0:?} is not known; use prometheus, influxdb, datadog, externalmetrics, stackdriver, cloudwatch, newrelic, graphite, dynatrace, keptn or splunk"
    )]
    Provider(String),
    /// No address, or one that is not a URL.
    #[error(
        "spec.provider.address must be an http or https URL, for example \"http://prometheus:9090\""
    )]
    Address,
    /// The Secret does not exist.
    #[error("secret {0:?} of spec.provider.secretRef was not found in the template's namespace")]
    SecretMissing(String),
    /// The Secret could not be read.
    #[error("secret {secret:?} of spec.provider.secretRef error: {why}")]
    SecretUnread {
        /// Name of the Secret.
        secret: String,
        /// What happened.
        why: String,
    },
    /// The Secret lacks a key.
    #[error("secret {secret:?} of spec.provider.secretRef has no key {key:?}; set {wanted}")]
    SecretKey {
        /// Name of the Secret.
        secret: String,
        /// The key that is missing.
        key: &'static str,
        /// All keys that the provider wants.
        wanted: &'static str,
    },
    /// The provider wants a Secret.
    #[error("spec.provider.secretRef must name a Secret with {wanted}")]
    SecretRef {
        /// The keys that the provider wants.
        wanted: &'static str,
    },
    /// No region, or one that is no name.
    #[error("spec.provider.region must be an AWS region, for example \"eu-west-1\"")]
    Region,
    /// A token for the operator's own API server.
    #[error(
        "spec.provider.address is needed with the key \"token\" of spec.provider.secretRef; without both, the operator's own access is used"
    )]
    TokenWithoutAddress,
    /// A value that is not text.
    #[error("secret {secret:?} of spec.provider.secretRef: the value of {key:?} is not UTF-8 text")]
    SecretValue {
        /// Name of the Secret.
        secret: String,
        /// The key of the value.
        key: &'static str,
    },
}

impl Resolved {
    /// Reads a template. `secret` is the content of the Secret that
    /// `spec.provider.secretRef` names (none if it does not exist). For Prometheus
    /// a token wins over username and password (spec 5.4).
    ///
    /// # Errors
    /// When the provider's type is unknown, or address, region or a key of the
    /// Secret is missing; says which.
    pub fn read(
        template: &MetricTemplate,
        secret: Option<&BTreeMap<String, Vec<u8>>>,
    ) -> Result<Self, Unusable> {
        let spec = &template.spec.provider;
        let named = spec.secret_ref.as_ref().map(|named| named.name.as_str());
        let keys = Keys::new(named, secret)?;
        let server = if spec.type_ == "prometheus" {
            MetricServer::Prometheus(prometheus(spec, &keys)?)
        } else {
            let unknown = || Unusable::Provider(spec.type_.clone());
            MetricServer::Other(Provider::read(spec, &keys)?.ok_or_else(unknown)?)
        };
        Ok(Self {
            server,
            query: template.spec.query.clone(),
        })
    }
}

fn prometheus(spec: &MetricProvider, keys: &Keys<'_>) -> Result<PrometheusServer, Unusable> {
    let credentials = match keys.find("token")? {
        Some(token) => Some(Credentials::Bearer(token)),
        None => keys.basic("token, or username and password")?,
    };
    let address = spec.address.as_deref().unwrap_or_default();
    let mut server = PrometheusServer::at(address).ok_or(Unusable::Address)?;
    server.credentials = credentials;
    server.is_tls_unchecked = spec.insecure_skip_verify;
    for (name, values) in &spec.headers {
        let values = values
            .iter()
            .map(|value| (name.clone(), Secret::new(value)));
        server.headers.extend(values);
    }
    Ok(server)
}
