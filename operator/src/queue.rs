//! Queues keys that want a look, each once, never one key twice at a time.
//!
//! A key is due at an instant; waking it makes it due at once. A key that is woken while it
//! runs becomes due again when its round ends. It does not run anything and has no clock of
//! its own but tokio's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// The queue; shared by the watches (which wake) and the one that takes.
pub struct Queue<K> {
    inner: Mutex<Inner<K>>,
    changed: Notify,
}

struct Inner<K> {
    due: BTreeMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
    running: BTreeMap<K, Running>,
}

/// A key that is due, as it is taken.
pub struct Taken<K> {
    /// The key; to be given back with [`Queue::finish`].
    pub key: K,
    /// Changes whenever the key is woken meanwhile.
    pub woken: watch::Receiver<u64>,
    /// How long it was due before it was taken.
    pub late: Duration,
}

struct Running {
    again: bool,
    woken: watch::Sender<u64>,
}

impl<K: Ord + Clone> Default for Queue<K> {
    fn default() -> Self {
        let inner = Inner {
            due: BTreeMap::new(),
            order: BTreeSet::new(),
            running: BTreeMap::new(),
        };
        Self {
            inner: Mutex::new(inner),
            changed: Notify::new(),
        }
    }
}

impl<K: Ord + Clone> Queue<K> {
    /// Makes `key` due at once.
    pub fn wake(&self, key: &K) {
        let mut inner = self.lock();
        if let Some(running) = inner.running.get_mut(key) {
            running.again = true;
            running
                .woken
                .send_modify(|count| *count = count.wrapping_add(1));
            return;
        }
        inner.schedule(key, Instant::now());
        drop(inner);
        self.changed.notify_one();
    }

    /// Waits for the next key that is due and takes it; the caller must give it back with
    /// [`Queue::finish`].
    pub async fn next(&self) -> Taken<K> {
        loop {
            let notified = self.changed.notified();
            let first = {
                let mut inner = self.lock();
                let now = Instant::now();
                match inner.order.first().cloned() {
                    Some((due, key)) if due <= now => {
                        let woken = inner.take(&key);
                        let late = now.saturating_duration_since(due);
                        return Taken { key, woken, late };
                    }
                    Some((due, _)) => Some(due),
                    None => None,
                }
            };
            match first {
                Some(due) => tokio::select! {
                    () = notified => {}
                    () = tokio::time::sleep_until(due) => {}
                },
                None => notified.await,
            }
        }
    }

    /// Ends the round of `key`: due again at `next`, or at once if it was woken meanwhile.
    pub fn finish(&self, key: &K, next: Option<Instant>) {
        let mut inner = self.lock();
        let again = inner
            .running
            .remove(key)
            .is_some_and(|running| running.again);
        let due = if again { Some(Instant::now()) } else { next };
        if let Some(due) = due {
            inner.schedule(key, due);
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Keys waiting or running.
    pub fn len(&self) -> usize {
        let inner = self.lock();
        inner.due.len().saturating_add(inner.running.len())
    }

    /// Whether no key waits or runs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Inner<K>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Ord + Clone> Inner<K> {
    /// Keeps the earlier of the old and the new time.
    fn schedule(&mut self, key: &K, due: Instant) {
        if let Some(old) = self.due.get(key).copied() {
            if old <= due {
                return;
            }
            self.order.remove(&(old, key.clone()));
        }
        self.due.insert(key.clone(), due);
        self.order.insert((due, key.clone()));
    }

    fn take(&mut self, key: &K) -> watch::Receiver<u64> {
        if let Some(due) = self.due.remove(key) {
            self.order.remove(&(due, key.clone()));
        }
        let (woken, receiver) = watch::channel(0);
        self.running.insert(
            key.clone(),
            Running {
                again: false,
                woken,
            },
        );
        receiver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn gives_each_key_once_in_order_of_time() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.wake(&"a");
        queue.wake(&"a");
        let Taken { key, mut woken, .. } = queue.next().await;
        assert_eq!((key, queue.len()), ("a", 1));
        queue.wake(&"b");
        assert_eq!(queue.next().await.key, "b");
        queue.finish(&"b", Some(start + Duration::from_secs(5)));
        queue.wake(&"a");
        woken.changed().await.unwrap();
        queue.finish(&"a", Some(start + Duration::from_secs(60)));
        assert_eq!(
            queue.next().await.key,
            "a",
            "woken while it ran: at once, not in 60 s"
        );
        queue.finish(&"a", None);
        assert_eq!(queue.next().await.key, "b");
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        queue.wake(&"late");
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(queue.next().await.late, Duration::from_secs(3));
        queue.finish(&"b", None);
        queue.finish(&"late", None);
        assert!(queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wake_ends_the_wait_for_the_next() {
        let queue = std::sync::Arc::new(Queue::default());
        queue.finish(&"far", Some(Instant::now() + Duration::from_secs(3600)));
        let waiting = tokio::spawn({
            let queue = std::sync::Arc::clone(&queue);
            async move { queue.next().await.key }
        });
        tokio::task::yield_now().await;
        queue.wake(&"far");
        let before = Instant::now();
        assert_eq!(waiting.await.unwrap(), "far");
        assert!(before.elapsed() < Duration::from_secs(1));
    }
}
