//! Receivers: one chat service each, from an AlertProvider and its Secret to a request.
//!
//! The words of each service are in the files below. Source of addresses, keys and defaults:
//! Flagger 1.44 `pkg/notifier`. It sends nothing.

use std::collections::BTreeMap;

use api::AlertProvider;
use reqwest::Url;
use serde_json::Value;
use thiserror::Error;

use crate::message::Message;
use crate::secret::Secret;

mod discord;
mod gchat;
mod msteams;
mod rocket;
mod slack;

/// Sender, when none is given.
const USERNAME: &str = "flagger";
/// Channel, when none is given.
const CHANNEL: &str = "general";

/// A chat service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Slack.
    Slack,
    /// Microsoft Teams.
    MsTeams,
    /// Discord, through its Slack-compatible hook.
    Discord,
    /// Rocket.Chat.
    Rocket,
    /// Google Chat.
    GChat,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Slack,
        Self::MsTeams,
        Self::Discord,
        Self::Rocket,
        Self::GChat,
    ];

    /// Reads `spec.type`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The word in `spec.type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::MsTeams => "msteams",
            Self::Discord => "discord",
            Self::Rocket => "rocket",
            Self::GChat => "gchat",
        }
    }
}

/// Why nothing can be sent to a receiver. Holds no secrets.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unusable {
    /// Another type.
    #[error("{object}: spec.type is {value:?}; give slack, msteams, discord, rocket or gchat")]
    Type {
        /// The AlertProvider.
        object: String,
        /// Its type.
        value: String,
    },
    /// No address.
    #[error("{object}: neither spec.address nor spec.secretRef is given; give one of them")]
    NoAddress {
        /// The AlertProvider.
        object: String,
    },
    /// The Secret is not there.
    #[error(
        "{object}: spec.secretRef.name is {secret:?}: there is no such Secret in its namespace; create it"
    )]
    NoSecret {
        /// The AlertProvider.
        object: String,
        /// The Secret.
        secret: String,
    },
    /// The Secret lacks the address.
    #[error("{object}: Secret {secret:?} has no key \"address\" with a text; add it")]
    NoKey {
        /// The AlertProvider.
        object: String,
        /// The Secret.
        secret: String,
    },
    /// An address that is none; it is not shown, for it may hold credentials.
    #[error("{field} is not an http or https URL (its value is not shown); correct it")]
    Url {
        /// Object and field.
        field: String,
    },
    /// Slack flags that are not complete.
    #[error("flags -slack-user and -slack-channel must both be given with -slack-url")]
    SlackNames,
}

/// Where alerts go. Has no Debug: addresses of hooks are credentials.
#[derive(Clone)]
pub struct Receiver {
    pub(crate) kind: Kind,
    pub(crate) address: Secret,
    pub(crate) token: Option<Secret>,
    pub(crate) proxy: Option<Secret>,
    pub(crate) channel: String,
    pub(crate) username: String,
}

/// One POST of a JSON body.
pub struct Request {
    /// Where.
    pub url: Secret,
    /// Value of `Authorization: Bearer`.
    pub token: Option<Secret>,
    /// Proxy to go through.
    pub proxy: Option<Secret>,
    /// The body.
    pub body: Value,
}

impl Receiver {
    /// Reads an AlertProvider; `secret` is the content of the Secret that it names, none if
    /// that is missing.
    ///
    /// # Errors
    /// When type, address or Secret will not do.
    pub fn read(
        provider: &AlertProvider,
        secret: Option<&BTreeMap<String, Vec<u8>>>,
    ) -> Result<Self, Unusable> {
        let spec = &provider.spec;
        let object = format!(
            "alertprovider {}/{}",
            provider.metadata.namespace.as_deref().unwrap_or_default(),
            provider.metadata.name.as_deref().unwrap_or_default()
        );
        let Some(kind) = Kind::parse(&spec.type_) else {
            let value = spec.type_.clone();
            return Err(Unusable::Type { object, value });
        };
        let mut token = None;
        let (address, field) = match &spec.secret_ref {
            Some(reference) => {
                let name = reference.name.clone();
                let Some(content) = secret else {
                    return Err(Unusable::NoSecret {
                        object,
                        secret: name,
                    });
                };
                token = text(content, "token");
                let Some(address) = text(content, "address") else {
                    return Err(Unusable::NoKey {
                        object,
                        secret: name,
                    });
                };
                (address, format!("key \"address\" of Secret {name:?}"))
            }
            None => match given(spec.address.as_ref()) {
                Some(address) => (Secret::new(address.trim()), "spec.address".to_owned()),
                None => return Err(Unusable::NoAddress { object }),
            },
        };
        let or = |text: Option<&String>, default: &str| {
            given(text).map_or_else(|| default.to_owned(), Clone::clone)
        };
        let receiver = Self {
            kind,
            address,
            token: token.filter(|_| kind == Kind::Slack),
            proxy: given(spec.proxy.as_ref()).map(Secret::new),
            channel: or(spec.channel.as_ref(), CHANNEL),
            username: or(spec.username.as_ref(), USERNAME),
        };
        receiver.checked(
            &format!("{object}: {field}"),
            &format!("{object}: spec.proxy"),
        )
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The request that tells this receiver of an alert.
    #[must_use]
    pub fn request(&self, message: &Message) -> Request {
        let (url, body) = match self.kind {
            Kind::Slack => (self.address.clone(), slack::body(self, message)),
            Kind::MsTeams => (self.address.clone(), msteams::body(message)),
            Kind::Discord => (discord::url(&self.address), slack::body(self, message)),
            Kind::Rocket => (self.address.clone(), rocket::body(self, message)),
            Kind::GChat => (self.address.clone(), gchat::body(message)),
        };
        Request {
            url,
            token: self.token.clone(),
            proxy: self.proxy.clone(),
            body,
        }
    }

    /// Refuses addresses that are no URLs; the words say which field that is.
    pub(crate) fn checked(self, address: &str, proxy: &str) -> Result<Self, Unusable> {
        let refused = |field: &str| Unusable::Url {
            field: field.to_owned(),
        };
        if !is_http(&self.address) {
            return Err(refused(address));
        }
        match &self.proxy {
            Some(through) if !is_http(through) => Err(refused(proxy)),
            Some(_) | None => Ok(self),
        }
    }
}

fn is_http(address: &Secret) -> bool {
    Url::parse(address.expose())
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
}

fn given(text: Option<&String>) -> Option<&String> {
    text.filter(|text| !text.trim().is_empty())
}

/// A text of a Secret; line ends around it are from editors.
fn text(content: &BTreeMap<String, Vec<u8>>, key: &str) -> Option<Secret> {
    let text = std::str::from_utf8(content.get(key)?).ok()?.trim();
    (!text.is_empty()).then(|| Secret::new(text))
}

#[cfg(test)]
mod tests;
