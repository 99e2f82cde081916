//! Carries out reads and writes on the objects as kube-apiserver's registries do, without any HTTP.
//!
//! Every method runs to its end under the server's lock: nothing here waits. `create`, `update` and `delete` hold the
//! verbs, `collect` what follows from a removal (owners, namespaces), `definitions` what follows from a CRD.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

mod addresses;
mod collect;
mod create;
mod decode;
mod definitions;
mod delete;
mod event_forms;
mod pod_verbs;
mod scale;
mod update;

pub(crate) use self::{delete::DeleteOptions, update::Change};

use crate::{
    object,
    resource::{Registry, ResourceType},
    status::ApiError,
    store::{ObjectKey, Store},
};

/// Bytes of one object as JSON, as etcd limits them.
const OBJECT_BYTES_MAX: usize = 1_536 * 1_024;

/// The time that the server believes it is.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// What is done with unknown and doubled fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validation {
    Strict,
    Warn,
    Ignore,
}

/// How a write is to be carried out.
#[derive(Debug, Clone)]
pub(crate) struct WriteOptions {
    pub(crate) manager: String,
    pub(crate) is_dry_run: bool,
    pub(crate) validation: Validation,
    /// Whether an apply takes fields from other managers.
    pub(crate) is_forced: bool,
    pub(crate) subresource: String,
}

/// The outcome of a write.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// In the version asked for.
    pub(crate) object: Value,
    pub(crate) is_new: bool,
    pub(crate) warnings: Vec<String>,
}

/// Everything that the server keeps.
pub(crate) struct Cluster {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    rng: StdRng,
    clock: Clock,
}

impl Cluster {
    /// A cluster with the namespaces and the Service that every cluster has.
    pub(crate) fn new(clock: Clock, seed: u64, history_changes_max: usize) -> Self {
        let mut cluster = Self {
            store: Store::new(history_changes_max),
            registry: Registry::builtin(),
            rng: StdRng::seed_from_u64(seed),
            clock,
        };
        cluster.seed_objects();
        cluster
    }

    fn seed_objects(&mut self) {
        let options = WriteOptions {
            manager: "kube-apiserver".to_owned(),
            is_dry_run: false,
            validation: Validation::Ignore,
            is_forced: false,
            subresource: String::new(),
        };
        if let Some(namespaces) = self.registry.find("", "v1", "namespaces") {
            for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
                let object = json!({ "metadata": { "name": name } });
                if let Err(error) = self.create(&namespaces, "", object, &options) {
                    tracing::error!(name, %error, "Namespace not made at start.");
                }
            }
        }
        if let Some(services) = self.registry.find("", "v1", "services") {
            let object = json!({
                "metadata": {
                    "name": "kubernetes",
                    "labels": { "component": "apiserver", "provider": "kubernetes" },
                },
                "spec": {
                    "clusterIP": "10.96.0.1",
                    "ports": [{ "name": "https", "port": 443, "targetPort": 6443 }],
                },
            });
            if let Err(error) = self.create(&services, "default", object, &options) {
                tracing::error!(%error, "Service kubernetes not made at start.");
            }
        }
    }

    /// The time now.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// The time now as Kubernetes writes it.
    fn timestamp(&self) -> String {
        self.now().to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// A uid from the seed.
    fn next_uid(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.rng.random())
            .into_uuid()
            .to_string()
    }

    /// The random end of a generated name: five letters and digits that make no words.
    fn next_suffix(&mut self) -> String {
        const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
        (0..5)
            .filter_map(|_| LETTERS.get(self.rng.random_range(0..LETTERS.len())))
            .map(|letter| char::from(*letter))
            .collect()
    }

    /// A number for choices that need not be the same everywhere, such as the length of a watch.
    pub(crate) fn next_between(&mut self, low: u64, high: u64) -> u64 {
        self.rng.random_range(low..high)
    }

    /// One object in the version asked for.
    pub(crate) fn get(
        &self,
        kind: &ResourceType,
        namespace: &str,
        name: &str,
    ) -> Result<Value, ApiError> {
        self.stored(kind, namespace, name)
            .map(|object| shown(kind, &object))
    }

    fn stored(
        &self,
        kind: &ResourceType,
        namespace: &str,
        name: &str,
    ) -> Result<Arc<Value>, ApiError> {
        self.store
            .get(&kind.store_key, &place_of(kind, namespace, name))
            .ok_or_else(|| ApiError::not_found(kind.subject(name)))
    }
}

/// Where an object of this kind is kept.
fn place_of(kind: &ResourceType, namespace: &str, name: &str) -> ObjectKey {
    let namespace = if kind.is_namespaced { namespace } else { "" };
    (namespace.to_owned(), name.to_owned())
}

/// A stored object in the version asked for.
pub(crate) fn shown(kind: &ResourceType, stored: &Value) -> Value {
    if kind.group == "events.k8s.io" {
        return event_forms::to_events(stored);
    }
    let mut object = stored.clone();
    object::put(
        &mut object,
        &["apiVersion"],
        Value::from(kind.api_version()),
    );
    object::put(&mut object, &["kind"], Value::from(kind.kind.as_str()));
    object
}

/// An object of some version in the form in which it is kept.
fn kept(kind: &ResourceType, mut object: Value) -> Value {
    if kind.group == "events.k8s.io" {
        return event_forms::to_core(&object);
    }
    object::put(
        &mut object,
        &["apiVersion"],
        Value::from(kind.stored_as.as_str()),
    );
    object
}

/// Refuses an object that is larger than etcd takes.
fn check_size(object: &Value) -> Result<(), ApiError> {
    let size = serde_json::to_vec(object).map_or(0, |bytes| bytes.len());
    if size > OBJECT_BYTES_MAX {
        return Err(ApiError::too_large(format!(
            "etcdserver: request is too large: the object has {size} bytes, at most {OBJECT_BYTES_MAX} are kept"
        )));
    }
    Ok(())
}
