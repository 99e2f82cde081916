//! Keeps one projection an object, and never goes back in time.
//!
//! Both watches and our own writes put objects in; the higher resourceVersion wins, so that
//! a late watch event does not undo what a write's answer already told. Versions are compared
//! as numbers, which they are on every API server in use; others are taken as they come.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::api::ObjectMeta;
use tokio::sync::watch;

use super::key::Key;

/// Projections of one kind.
pub struct Store<T> {
    inner: Mutex<Inner<T>>,
    ready: watch::Sender<bool>,
}

struct Inner<T> {
    objects: HashMap<Key, Entry<T>>,
    /// Keys of the list that is being read, while one is.
    listed: Option<HashSet<Key>>,
    fault: Option<String>,
}

/// Boxed: half of a table's places may be empty.
struct Entry<T> {
    version: Option<u64>,
    value: Box<T>,
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        let inner = Inner {
            objects: HashMap::new(),
            listed: None,
            fault: None,
        };
        Self {
            inner: Mutex::new(inner),
            ready: watch::Sender::new(false),
        }
    }
}

/// What a store knows of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known<T> {
    /// The list has not been read; why, if the API server refuses it.
    Unread(Option<String>),
    /// It is not there.
    Absent,
    /// It is there.
    Present(T),
}

impl<T: Clone + PartialEq> Store<T> {
    /// Looks an object up.
    pub fn get(&self, key: &Key) -> Known<T> {
        let inner = self.lock();
        match inner.objects.get(key) {
            Some(entry) => Known::Present((*entry.value).clone()),
            None if *self.ready.borrow() => Known::Absent,
            None => Known::Unread(inner.fault.clone()),
        }
    }

    /// Reads something of an object that is there.
    pub fn read<A>(&self, key: &Key, read: impl FnOnce(&T) -> A) -> Option<A> {
        self.lock().objects.get(key).map(|entry| read(&entry.value))
    }

    /// Takes in an object; true if that changed what is known.
    pub fn put(&self, key: Key, metadata: &ObjectMeta, value: T) -> bool {
        let version = version(metadata);
        let mut inner = self.lock();
        if let Some(listed) = &mut inner.listed {
            listed.insert(key.clone());
        }
        match inner.objects.get_mut(&key) {
            Some(entry) if is_older(version, entry.version) => false,
            Some(entry) => {
                entry.version = version;
                let is_changed = *entry.value != value;
                *entry.value = value;
                is_changed
            }
            None => {
                let value = Box::new(value);
                inner.objects.insert(key, Entry { version, value });
                true
            }
        }
    }

    /// Takes an object out; true if it was known.
    pub fn remove(&self, key: &Key, metadata: &ObjectMeta) -> bool {
        let mut inner = self.lock();
        let is_late = inner
            .objects
            .get(key)
            .is_some_and(|entry| is_older(version(metadata), entry.version));
        !is_late && inner.objects.remove(key).is_some()
    }

    /// The resourceVersion last seen of an object, for conditional writes.
    pub fn version(&self, key: &Key) -> Option<String> {
        self.lock()
            .objects
            .get(key)?
            .version
            .map(|version| version.to_string())
    }

    /// Forgets an object that a write found missing.
    pub fn forget(&self, key: &Key) {
        self.lock().objects.remove(key);
    }

    /// A new list begins.
    pub fn start_list(&self) {
        self.lock().listed = Some(HashSet::new());
    }

    /// The list is read: what was not on it is gone. Returns what went.
    pub fn finish_list(&self) -> Vec<Key> {
        let mut inner = self.lock();
        let listed = inner.listed.take().unwrap_or_default();
        let gone: Vec<Key> = inner
            .objects
            .keys()
            .filter(|key| !listed.contains(*key))
            .cloned()
            .collect();
        for key in &gone {
            inner.objects.remove(key);
        }
        inner.fault = None;
        drop(inner);
        self.ready.send_replace(true);
        gone
    }

    /// Notes why the watch fails; true if that was not known.
    pub fn set_fault(&self, fault: String) -> bool {
        let mut inner = self.lock();
        let is_news = inner.fault.as_ref() != Some(&fault);
        inner.fault = Some(fault);
        is_news
    }

    /// Waits for the first list.
    pub async fn ready(&self) {
        let mut ready = self.ready.subscribe();
        // The sender lives as long as the store.
        let _ = ready.wait_for(|ready| *ready).await;
    }

    /// All keys.
    pub fn keys(&self) -> Vec<Key> {
        self.lock().objects.keys().cloned().collect()
    }

    /// Folds over all values.
    pub fn fold<A>(&self, start: A, mut step: impl FnMut(A, &Key, &T) -> A) -> A {
        self.lock()
            .objects
            .iter()
            .fold(start, |sum, (key, entry)| step(sum, key, &entry.value))
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn version(metadata: &ObjectMeta) -> Option<u64> {
    metadata
        .resource_version
        .as_deref()
        .and_then(|version| version.parse().ok())
}

fn is_older(new: Option<u64>, old: Option<u64>) -> bool {
    matches!((new, old), (Some(new), Some(old)) if new < old)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(version: &str) -> ObjectMeta {
        ObjectMeta {
            resource_version: Some(version.to_owned()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn never_goes_back_in_time() {
        let store = Store::default();
        let key = Key::new("test", "a");
        assert_eq!(store.get(&key), Known::Unread(None));
        assert!(store.set_fault("forbidden".into()) && !store.set_fault("forbidden".into()));
        assert_eq!(store.get(&key), Known::Unread(Some("forbidden".into())));
        store.start_list();
        assert!(store.finish_list().is_empty());
        assert_eq!(store.get(&key), Known::Absent);
        assert!(store.put(key.clone(), &meta("10"), 'b'));
        assert!(!store.put(key.clone(), &meta("9"), 'a'), "a late event");
        assert!(
            !store.put(key.clone(), &meta("11"), 'b'),
            "no difference to us"
        );
        assert!(!store.remove(&key, &meta("9")), "a late deletion");
        assert_eq!(store.get(&key), Known::Present('b'));
        store.start_list();
        store.put(Key::new("test", "other"), &meta("12"), 'x');
        assert_eq!(store.finish_list(), std::slice::from_ref(&key));
        assert!(store.put(key.clone(), &meta("odd"), 'c') && store.remove(&key, &meta("13")));
    }
}
