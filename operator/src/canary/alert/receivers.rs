//! Finds receivers: AlertProviders with their Secrets, the one of the flags, and the way to
//! them through sockets.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use analysis::Egress;
use api::canary::CanaryAlert;
use notifier::{Border, Flags, Receiver, Secret, Sender, Transport, Unusable};

use super::super::ask::secret_data;
use super::Context;
use crate::error::chain;
use crate::settings::{self, Redacted, Settings};
use crate::world::key::Key;
use crate::world::kind;
use crate::world::store::Known;

/// Time the first list of AlertProviders may take.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// The receiver that the flags name.
pub(super) fn global(alerts: &settings::Alerts) -> Result<Option<Receiver>, Unusable> {
    let secret = |value: &Option<Redacted>| value.as_ref().map(|v| Secret::new(v.reveal()));
    let flags = Flags {
        slack_url: secret(&alerts.slack_url),
        slack_token: secret(&alerts.slack_token),
        slack_proxy_url: secret(&alerts.slack_proxy_url),
        slack_user: alerts.slack_user.clone(),
        slack_channel: alerts.slack_channel.clone(),
        msteams_url: secret(&alerts.msteams_url),
        msteams_proxy_url: secret(&alerts.msteams_proxy_url),
    };
    flags.receiver()
}

/// Reads the AlertProvider of an entry and the Secret that it names.
pub(super) async fn read(
    ctx: &Context,
    canary: &Key,
    entry: &CanaryAlert,
) -> Result<Receiver, String> {
    let reference = &entry.provider_ref;
    let namespace = reference
        .namespace
        .as_deref()
        .filter(|namespace| !namespace.is_empty())
        .unwrap_or(&canary.namespace);
    let key = Key::new(namespace, &reference.name);
    if ctx.settings.is_cross_namespace_refused && key.namespace != canary.namespace {
        return Err(format!(
            "canary {canary}: spec.analysis.alerts names alertprovider {key}: cross-namespace references are blocked; use one in {:?}",
            canary.namespace
        ));
    }
    let store = ctx.caches.raw(&kind::alert_provider());
    let _ = tokio::time::timeout(LIST_TIMEOUT, store.ready()).await;
    let seen = match store.get(&key) {
        Known::Present(seen) => seen,
        Known::Absent => {
            return Err(format!(
                "canary {canary}: spec.analysis.alerts names alertprovider {key}, which does not exist; create it or remove the entry"
            ));
        }
        Known::Unread(why) => {
            let why = why.unwrap_or_else(|| "the list did not come in time".to_owned());
            return Err(format!("failed to read alertprovider {key}: {why}"));
        }
    };
    // The decoder quotes values, and an address is a credential.
    let provider: api::AlertProvider = api::decode::decode(seen.value()).map_err(|error| {
        let field = error.field;
        format!("alertprovider {key}: {field} is not of the right form; correct it")
    })?;
    let content = match &provider.spec.secret_ref {
        None => None,
        Some(secret) => ctx
            .writer
            .get(&kind::secret(), &key.sibling(&secret.name))
            .await
            .map_err(|error| chain(&error))?
            .as_ref()
            .map(secret_data),
    };
    Receiver::read(&provider, content.as_ref()).map_err(|error| error.to_string())
}

/// The way through sockets, with the operator's egress rules; hosts of flags are exempt.
pub fn sockets(settings: &Settings) -> Arc<dyn Transport> {
    let alerts = &settings.alerts;
    let named = [
        &alerts.slack_url,
        &alerts.slack_proxy_url,
        &alerts.msteams_url,
        &alerts.msteams_proxy_url,
    ];
    let hosts = named.into_iter().flatten().filter_map(|url| {
        let uri: http::Uri = url.reveal().parse().ok()?;
        uri.host().map(str::to_owned)
    });
    let egress = Egress {
        is_loopback_allowed: settings.is_loopback_allowed,
        exempt_hosts: hosts.collect(),
    };
    Arc::new(Sender::new(Arc::new(Rules(egress))))
}

struct Rules(Egress);

impl Border for Rules {
    fn is_open(&self, host: &str, address: IpAddr) -> bool {
        self.0.allows(host, address)
    }
}
