//! Tells people what happened, as core/v1 Events on the object.
//!
//! An event that fails to be written is logged and dropped: telling must not
//! stop doing. Nothing here decides what is worth telling.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use api::Time;
use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, PostParams};
use kube::{Client, core::ApiResource};
use serde_json::json;

/// client-go cuts the messages of events here too.
const MESSAGE_CHARS_MAX: usize = 1024;
/// The same words about the same object are told again only after this long.
const REPEAT_AFTER_S: i64 = 300;
const REMEMBERED_MAX: usize = 4096;

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) is_warning: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
    /// Annotations of the event, such as the revision.
    pub(crate) metadata: BTreeMap<String, String>,
}

impl Note {
    pub(crate) fn normal(reason: &str, message: impl Into<String>) -> Self {
        Self {
            is_warning: false,
            reason: reason.to_owned(),
            message: message.into(),
            metadata: BTreeMap::new(),
        }
    }

    pub(crate) fn warning(reason: &str, message: impl Into<String>) -> Self {
        Self {
            is_warning: true,
            ..Self::normal(reason, message)
        }
    }

    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        self.metadata.insert(key.to_owned(), value.to_owned());
        self
    }
}

/// Writes the events of one controller.
pub(crate) struct Events {
    client: Client,
    component: &'static str,
    /// When a warning was last told, by its hash.
    told: Mutex<BTreeMap<u64, DateTime<Utc>>>,
}

impl Events {
    pub(crate) fn new(client: Client, component: &'static str) -> Self {
        Self {
            client,
            component,
            told: Mutex::default(),
        }
    }

    /// Writes `notes` about `object`, in order.
    pub(crate) async fn tell(
        &self,
        object: &DynamicObject,
        kind: &ApiResource,
        notes: &[Note],
        now: DateTime<Utc>,
    ) {
        for (index, note) in notes.iter().enumerate() {
            if self.is_repeated(object, note, now) {
                continue;
            }
            if let Err(error) = self.write(object, kind, note, index, now).await {
                tracing::warn!(kind = kind.kind, namespace = object.namespace(), name = object.name_any(), %error, "Event not written.");
            }
        }
    }

    /// A failure that goes on is one piece of news, not one each retry.
    fn is_repeated(&self, object: &DynamicObject, note: &Note, now: DateTime<Utc>) -> bool {
        if !note.is_warning {
            return false;
        }
        let mut hasher = DefaultHasher::new();
        (object.uid(), &note.reason, &note.message).hash(&mut hasher);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= REMEMBERED_MAX {
            told.retain(|_, at| (now - *at).num_seconds() < REPEAT_AFTER_S);
        }
        let is_recent = |at: &DateTime<Utc>| (now - *at).num_seconds() < REPEAT_AFTER_S;
        if told.get(&hasher.finish()).is_some_and(is_recent) {
            return true;
        }
        told.insert(hasher.finish(), now);
        false
    }

    async fn write(
        &self,
        object: &DynamicObject,
        kind: &ApiResource,
        note: &Note,
        index: usize,
        now: DateTime<Utc>,
    ) -> Result<(), kube::Error> {
        let namespace = object.namespace().unwrap_or_default();
        let name = object.name_any();
        let mut hasher = DefaultHasher::new();
        (
            object.uid(),
            object.resource_version(),
            &note.message,
            index,
            now.timestamp_micros(),
        )
            .hash(&mut hasher);
        let at = Time::whole(now);
        let short: String = name.chars().take(200).collect();
        let event = json!({
            "metadata": {
                "name": format!("{short}.{:016x}", hasher.finish()),
                "namespace": namespace,
                "annotations": note.metadata,
            },
            "involvedObject": {
                "apiVersion": kind.api_version, "kind": kind.kind,
                "namespace": namespace, "name": name,
                "uid": object.uid(), "resourceVersion": object.resource_version(),
            },
            "type": if note.is_warning { "Warning" } else { "Normal" },
            "reason": note.reason,
            "message": note.message.chars().take(MESSAGE_CHARS_MAX).collect::<String>(),
            "source": {"component": self.component},
            "reportingComponent": self.component,
            "reportingInstance": self.component,
            "firstTimestamp": at, "lastTimestamp": at, "count": 1,
        });
        let event: Event = serde_json::from_value(event).map_err(kube::Error::SerdeError)?;
        let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        api.create(&PostParams::default(), &event).await.map(drop)
    }
}
