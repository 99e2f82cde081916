//! Chooses as whom objects are written.
//!
//! Without `spec.serviceAccountName` that is Sluice itself; with it, every
//! request carries the ServiceAccount's name, and none can go out without.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::failure::Failure;
use http::{HeaderName, HeaderValue};
use kube::Client;
use kube::client::Body;

const IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");
/// ServiceAccounts whose clients are kept.
const CLIENTS_MAX: usize = 1024;

/// A user name that is never empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ServiceAccount {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl ServiceAccount {
    /// Reads `spec.serviceAccountName`; empty is refused, for it would mean Sluice itself.
    pub(super) fn parse(namespace: &str, name: &str) -> Result<Self, Failure> {
        let is_name = |text: &str| {
            !text.is_empty()
                && text.len() <= 253
                && text
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
        };
        if is_name(namespace) && is_name(name) {
            return Ok(Self {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            });
        }
        Err(Failure::stalled(
            "ReconciliationFailed",
            format!(
                "spec.serviceAccountName {name:?} is no name of a ServiceAccount; correct it, or remove the field"
            ),
        ))
    }

    fn user(&self) -> Result<HeaderValue, Failure> {
        HeaderValue::from_str(&format!(
            "system:serviceaccount:{}:{}",
            self.namespace, self.name
        ))
        .map_err(|error| {
            Failure::stalled(
                "ReconciliationFailed",
                format!("spec.serviceAccountName: {error}"),
            )
        })
    }
}

/// The clients of impersonated ServiceAccounts.
#[derive(Default)]
pub(crate) struct Identities(Mutex<BTreeMap<ServiceAccount, apply::Kinds>>);

impl Identities {
    /// The kinds of the cluster, asked and written as this account.
    pub(super) fn kinds(
        &self,
        client: &Client,
        account: &ServiceAccount,
    ) -> Result<apply::Kinds, Failure> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kinds) = all.get(account) {
            return Ok(kinds.clone());
        }
        let kinds = apply::Kinds::new(impersonate(client, account.user()?));
        if all.len() >= CLIENTS_MAX {
            all.clear();
        }
        all.insert(account.clone(), kinds.clone());
        Ok(kinds)
    }
}

fn impersonate(client: &Client, user: HeaderValue) -> Client {
    let namespace = client.default_namespace().to_owned();
    let inner = client.clone();
    let service = tower::service_fn(move |mut request: http::Request<Body>| {
        request.headers_mut().insert(IMPERSONATE_USER, user.clone());
        let inner = inner.clone();
        async move { inner.send(request).await }
    });
    Client::new(service, namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_name_is_never_sluice_itself() {
        for name in ["", " ", "a b", "A", "a\nb", "system:masters"] {
            assert!(ServiceAccount::parse("ns", name).is_err(), "{name:?}");
        }
        let account = ServiceAccount::parse("apps", "deployer").unwrap();
        assert_eq!(
            account.user().unwrap(),
            "system:serviceaccount:apps:deployer"
        );
    }

    #[tokio::test]
    async fn every_request_carries_the_user() {
        let seen = std::sync::Arc::new(Mutex::new(Vec::new()));
        let log = std::sync::Arc::clone(&seen);
        let service = tower::service_fn(move |request: http::Request<Body>| {
            log.lock()
                .unwrap()
                .push(request.headers().get(IMPERSONATE_USER).cloned());
            async { Ok::<_, std::convert::Infallible>(http::Response::new(Body::empty())) }
        });
        let account = ServiceAccount::parse("apps", "deployer").unwrap();
        let client = impersonate(&Client::new(service, "apps"), account.user().unwrap());
        // The empty answer is an error to the caller; what was sent is the point.
        let _ = client.list_core_api_versions().await;
        let users: Vec<_> = seen
            .lock()
            .unwrap()
            .iter()
            .map(|user| user.as_ref().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(users, ["system:serviceaccount:apps:deployer"]);
    }
}
