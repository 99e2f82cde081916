//! Checksums of tracked ConfigMaps and Secrets, each read once a version.
//!
//! Contents are read, digested and dropped; only the checksum stays.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::api::ApiResource;
use serde_json::Value;

use super::Context;
use super::act::write::WriteError;
use super::build::config::{ConfigKind, ConfigRef, is_tracked};
use crate::digest;
use crate::json::str_at;
use crate::world::key::Key;
use crate::world::kind;
use crate::world::store::Known;

impl ConfigKind {
    /// The kind, as it is asked for.
    pub fn resource(self) -> ApiResource {
        match self {
            Self::ConfigMap => kind::config_map(),
            Self::Secret => kind::secret(),
        }
    }
}

/// Checksums kept before those of vanished objects are looked for.
const SWEEP_AT: usize = 1024;

/// Checksums by kind and object.
#[derive(Default)]
pub(super) struct Configs(Mutex<HashMap<(ConfigKind, Key), Checked>>);

#[derive(Clone)]
struct Checked {
    version: Box<str>,
    /// None: not tracked.
    checksum: Option<Box<str>>,
}

/// Why there is no checksum.
#[derive(Debug)]
pub(super) enum ConfigFault {
    /// The list of objects has not been read; why, if it cannot be.
    Unread(Option<String>),
    /// Pods need it and it is not there.
    Missing(String),
    /// It could not be read.
    Failed(WriteError),
}

impl Configs {
    /// The checksum of what `config` refers to; none if it is not tracked, or optional and missing.
    pub(super) async fn checksum(
        &self,
        ctx: &Context,
        canary: &Key,
        config: &ConfigRef,
    ) -> Result<Option<String>, ConfigFault> {
        let key = canary.sibling(&config.name);
        let version = match ctx.caches.configs(config.kind).get(&key) {
            Known::Present(seen) => seen.version,
            Known::Absent if config.is_optional => return Ok(None),
            Known::Absent => return Err(missing(canary, config)),
            Known::Unread(why) => {
                let why = why.map(|why| format!("failed to watch {}: {why}", config.kind.kind()));
                return Err(ConfigFault::Unread(why));
            }
        };
        let place = (config.kind, key.clone());
        if let Some(checked) = self
            .lock()
            .get(&place)
            .filter(|checked| checked.version == version)
        {
            return Ok(checked.checksum.as_deref().map(str::to_owned));
        }
        let read = ctx
            .writer
            .get(&config.kind.resource(), &key)
            .await
            .map_err(ConfigFault::Failed)?;
        let Some(object) = read else {
            return if config.is_optional {
                Ok(None)
            } else {
                Err(missing(canary, config))
            };
        };
        let checksum = checksum(config.kind, &object);
        let checked = Checked {
            version: str_at(&object, "/metadata/resourceVersion").into(),
            checksum: checksum.as_deref().map(Box::from),
        };
        self.keep(ctx, place, checked);
        Ok(checksum)
    }

    /// Keeps a checksum; those of objects that are gone go when the map has grown.
    fn keep(&self, ctx: &Context, place: (ConfigKind, Key), checked: Checked) {
        let mut all = self.lock();
        if all.len() >= SWEEP_AT && all.len().is_power_of_two() {
            all.retain(|(kind, key), _| ctx.caches.configs(*kind).read(key, |_| ()).is_some());
        }
        all.insert(place, checked);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(ConfigKind, Key), Checked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The checksum of an object; none if it is not tracked.
pub(super) fn checksum(kind: ConfigKind, object: &Value) -> Option<String> {
    is_tracked(kind, object).then(|| digest::config_checksum(object.get("data")))
}

fn missing(canary: &Key, config: &ConfigRef) -> ConfigFault {
    ConfigFault::Missing(format!(
        "{} {}/{} does not exist, and the target's pods need it: create it or mark the reference optional",
        config.kind.kind(),
        canary.namespace,
        config.name
    ))
}
