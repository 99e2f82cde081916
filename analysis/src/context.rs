//! What is known of a canary when its metrics and webhooks are asked
//!
//! Reads MetricTemplates and the Secrets they name into what can be asked; does
//! not fetch either.

use std::collections::BTreeMap;

use api::metric_template::MetricTemplate;
use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::builtin::Flavour;
use crate::credentials::{Credentials, Secret};
use crate::outbound::PrometheusServer;

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
    pub server: PrometheusServer,
    /// Text of the query template.
    pub query: String,
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
    /// A provider that Sluice does not speak.
    #[error("spec.provider.type {0:?} is not supported; only \"prometheus\" is")]
    Provider(String),
    /// No address, or one that is not a URL.
    #[error(
        "spec.provider.address must be an http or https URL, for example \"http://prometheus:9090\""
    )]
    Address,
    /// The Secret does not exist.
    #[error("secret {0:?} of spec.provider.secretRef was not found in the template's namespace")]
    SecretMissing(String),
    /// The Secret lacks a key.
    #[error(
        "secret {secret:?} of spec.provider.secretRef has no key {key:?}; set token, or username and password"
    )]
    SecretKey {
        /// Name of the Secret.
        secret: String,
        /// The key that is missing.
        key: &'static str,
    },
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
    /// `spec.provider.secretRef` names (none if it does not exist); a token wins
    /// over username and password (spec 5.4).
    ///
    /// # Errors
    /// When the provider is another than Prometheus, or address or credentials
    /// are missing.
    pub fn read(
        template: &MetricTemplate,
        secret: Option<&BTreeMap<String, Vec<u8>>>,
    ) -> Result<Self, Unusable> {
        let provider = &template.spec.provider;
        if provider.type_ != "prometheus" {
            return Err(Unusable::Provider(provider.type_.clone()));
        }
        let credentials = match (&provider.secret_ref, secret) {
            (None, _) => None,
            (Some(named), None) => return Err(Unusable::SecretMissing(named.name.clone())),
            (Some(named), Some(secret)) => Some(read_credentials(&named.name, secret)?),
        };
        let address = provider.address.clone().unwrap_or_default();
        let mut server = PrometheusServer::at(&address).ok_or(Unusable::Address)?;
        server.credentials = credentials;
        server.is_tls_unchecked = provider.insecure_skip_verify;
        for (name, values) in &provider.headers {
            server.headers.extend(
                values
                    .iter()
                    .map(|value| (name.clone(), Secret::new(value))),
            );
        }
        Ok(Self {
            server,
            query: template.spec.query.clone(),
        })
    }
}

fn read_credentials(
    name: &str,
    secret: &BTreeMap<String, Vec<u8>>,
) -> Result<Credentials, Unusable> {
    let read = |key: &'static str| -> Result<Option<Secret>, Unusable> {
        let Some(bytes) = secret.get(key) else {
            return Ok(None);
        };
        let text = std::str::from_utf8(bytes).map_err(|_| Unusable::SecretValue {
            secret: name.to_owned(),
            key,
        })?;
        Ok(Some(Secret::new(text)))
    };
    if let Some(token) = read("token")? {
        return Ok(Credentials::Bearer(token));
    }
    let missing = |key| Unusable::SecretKey {
        secret: name.to_owned(),
        key,
    };
    let username = read("username")?.ok_or(missing("username"))?;
    let password = read("password")?.ok_or(missing("password"))?;
    Ok(Credentials::Basic { username, password })
}
