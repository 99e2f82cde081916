//! The Secret of a MetricTemplate, read key by key

use std::collections::BTreeMap;

use crate::context::Unusable;
use crate::credentials::{Credentials, Secret};

/// What `spec.provider.secretRef` names.
pub(crate) struct Keys<'a> {
    named: Option<(&'a str, &'a BTreeMap<String, Vec<u8>>)>,
}

impl<'a> Keys<'a> {
    /// `name` is that of the Secret, none without a secretRef; `content` is what
    /// it holds, none if it does not exist.
    pub(crate) fn new(
        name: Option<&'a str>,
        content: Option<&'a BTreeMap<String, Vec<u8>>>,
    ) -> Result<Self, Unusable> {
        let named = match (name, content) {
            (None, _) => None,
            (Some(name), None) => return Err(Unusable::SecretMissing(name.to_owned())),
            (Some(name), Some(content)) => Some((name, content)),
        };
        Ok(Self { named })
    }

    /// Whether there is a secretRef.
    pub(crate) const fn is_named(&self) -> bool {
        self.named.is_some()
    }

    /// The value of a key, if the Secret has it.
    pub(crate) fn find(&self, key: &'static str) -> Result<Option<Secret>, Unusable> {
        let Some((name, content)) = self.named else {
            return Ok(None);
        };
        let Some(bytes) = content.get(key) else {
            return Ok(None);
        };
        let text = std::str::from_utf8(bytes).map_err(|_| Unusable::SecretValue {
            secret: name.to_owned(),
            key,
        })?;
        Ok(Some(Secret::new(text)))
    }

    /// The value of a key that must be there; `wanted` names all keys of the
    /// provider.
    pub(crate) fn need(&self, key: &'static str, wanted: &'static str) -> Result<Secret, Unusable> {
        let Some((name, _)) = self.named else {
            return Err(Unusable::SecretRef { wanted });
        };
        self.find(key)?.ok_or_else(|| Unusable::SecretKey {
            secret: name.to_owned(),
            key,
            wanted,
        })
    }

    /// Username and password; none without a secretRef.
    pub(crate) fn basic(&self, wanted: &'static str) -> Result<Option<Credentials>, Unusable> {
        if !self.is_named() {
            return Ok(None);
        }
        Ok(Some(Credentials::Basic {
            username: self.need("username", wanted)?,
            password: self.need("password", wanted)?,
        }))
    }
}
