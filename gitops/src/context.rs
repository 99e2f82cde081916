//! What the passes of a controller share: clients, caches, storage, clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use kube::Client;
use kube::api::DynamicObject;
use kube::core::ApiResource;
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store as Cache};
use sources::network::Network;
use sources::store::Store;
use tokio::sync::{Notify, Semaphore};

use crate::events::{Events, Note};
use crate::failure::{Failure, Next};
use crate::kustomization::Identities;
use crate::recent::Recent;
use crate::schedule::{self, Attempts};
use crate::subject::Key;
use crate::{Clock, Settings};

/// What both controllers use.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) network: Arc<dyn Network>,
    pub(crate) kinds: apply::Kinds,
    pub(crate) identities: Identities,
    pub(crate) repositories: Cache<DynamicObject>,
    pub(crate) kustomizations: Cache<DynamicObject>,
    pub(crate) interrupts: Interrupts,
}

/// Ends waits that a newer revision or spec has made pointless.
#[derive(Default)]
pub(crate) struct Interrupts(Mutex<BTreeMap<Key, Arc<Notify>>>);

impl Interrupts {
    /// What a wait of this object listens to; the wait holds the only other copy.
    pub(crate) fn listen(&self, key: &Key) -> Arc<Notify> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, notify| Arc::strong_count(notify) > 1);
        Arc::clone(all.entry(key.clone()).or_default())
    }

    /// Ends the wait of this object, if there is one.
    pub(crate) fn interrupt(&self, key: &Key) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notify) = all.get(key) {
            notify.notify_waiters();
        }
    }
}

/// One controller: its kind and what it remembers.
pub(crate) struct Controller {
    pub(crate) shared: Arc<Shared>,
    pub(crate) client: Client,
    pub(crate) kind: ApiResource,
    /// Field manager of the status.
    pub(crate) manager: &'static str,
    pub(crate) recent: Recent,
    pub(crate) attempts: Attempts,
    pub(crate) events: Events,
    /// Passes that may work at a time; waiting passes hold none.
    pub(crate) slots: Semaphore,
}

impl Controller {
    pub(crate) fn new(
        shared: Arc<Shared>,
        client: Client,
        kind: ApiResource,
        component: &'static str,
        manager: &'static str,
    ) -> Self {
        let slots = Semaphore::new(shared.settings.concurrency.max(1));
        let events = Events::new(client.clone(), component);
        Self {
            shared,
            client,
            kind,
            manager,
            recent: Recent::default(),
            attempts: Attempts::default(),
            events,
            slots,
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.shared.clock)()
    }

    pub(crate) async fn tell(&self, object: &DynamicObject, notes: &[Note]) {
        self.events
            .tell(object, &self.kind, notes, self.now())
            .await;
    }

    /// The next pass after a good one.
    pub(crate) fn after_success(&self, key: &Key, interval: Duration) -> Action {
        self.attempts.succeeded(key);
        let percent = self.shared.settings.jitter_percent;
        Action::requeue(schedule::jitter(interval, percent, key, self.now()))
    }

    /// The next pass after a failed one.
    pub(crate) fn after_failure(
        &self,
        key: &Key,
        failure: &Failure,
        retry_interval: Duration,
    ) -> Action {
        let settings = &self.shared.settings;
        match failure.next {
            Next::Backoff => Action::requeue(self.attempts.failed(
                key,
                settings.retry_delay_min,
                settings.retry_delay_max,
            )),
            Next::RetryInterval => Action::requeue(retry_interval),
            Next::After(delay) => Action::requeue(delay),
            Next::NotUntilSpecChanges => {
                self.attempts.succeeded(key);
                Action::await_change()
            }
        }
    }
}

/// A cached object by its key.
pub(crate) fn cached(
    cache: &Cache<DynamicObject>,
    kind: &ApiResource,
    key: &Key,
) -> Option<Arc<DynamicObject>> {
    cache.get(&ObjectRef::new_with(&key.name, kind.clone()).within(&key.namespace))
}
