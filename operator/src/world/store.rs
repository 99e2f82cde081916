//! Keeps one projection an object, and never goes back in time.
//!
//! Both watches and our own writes put objects in; the higher resourceVersion wins, so that
//! a late watch event does not undo what a write's answer already told. Versions are compared
//! as numbers, which they are on every API server in use; others are taken as they come.

use std::num::NonZeroU64;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::api::ObjectMeta;
use tokio::sync::watch;

use super::key::Key;
use super::table::Table;

/// Projections of one kind.
pub struct Store<T> {
    inner: Mutex<Inner<T>>,
    ready: watch::Sender<bool>,
}

struct Inner<T> {
    objects: Table<Entry<T>>,
    fault: Option<String>,
}

struct Entry<T> {
    version: Option<NonZeroU64>,
    /// Whether it was seen since the list that is being read began.
    is_listed: bool,
    value: T,
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        let inner = Inner {
            objects: Table::default(),
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

impl<T> Known<T> {
    /// The same, of what is made of it.
    pub fn map<U>(self, of: impl FnOnce(T) -> U) -> Known<U> {
        match self {
            Self::Unread(why) => Known::Unread(why),
            Self::Absent => Known::Absent,
            Self::Present(found) => Known::Present(of(found)),
        }
    }
}

impl<T: Clone + PartialEq> Store<T> {
    /// Looks an object up.
    pub fn get(&self, key: &Key) -> Known<T> {
        let inner = self.lock();
        match inner.objects.get(&key.namespace, &key.name) {
            Some(entry) => Known::Present(entry.value.clone()),
            None if *self.ready.borrow() => Known::Absent,
            None => Known::Unread(inner.fault.clone()),
        }
    }

    /// Reads something of an object that is there.
    pub fn read<A>(&self, key: &Key, read: impl FnOnce(&T) -> A) -> Option<A> {
        let inner = self.lock();
        let entry = inner.objects.get(&key.namespace, &key.name)?;
        Some(read(&entry.value))
    }

    /// Takes in an object; true if that changed what is known. What its write's answer told is not looked at again when
    /// its watch tells it.
    pub fn put(&self, key: &Key, metadata: &ObjectMeta, seen: impl FnOnce() -> T) -> bool {
        if self.is_told(key, metadata) {
            return false;
        }
        let new = Entry {
            version: version(metadata),
            is_listed: true,
            value: seen(),
        };
        let mut inner = self.lock();
        let Some(entry) = inner.objects.get_mut(&key.namespace, &key.name) else {
            inner.objects.insert(&key.namespace, &key.name, new);
            return true;
        };
        if is_older(new.version, entry.version) {
            return false;
        }
        let is_changed = entry.value != new.value;
        *entry = new;
        is_changed
    }

    /// Whether this version, or a later one, is known; it is on the list then.
    fn is_told(&self, key: &Key, metadata: &ObjectMeta) -> bool {
        let version = version(metadata);
        let mut inner = self.lock();
        let Some(entry) = inner.objects.get_mut(&key.namespace, &key.name) else {
            return false;
        };
        entry.is_listed = true;
        is_older(version, entry.version) || version.is_some() && version == entry.version
    }

    /// Takes an object out; true if it was known.
    pub fn remove(&self, key: &Key, metadata: &ObjectMeta) -> bool {
        let mut inner = self.lock();
        let Some(entry) = inner.objects.get(&key.namespace, &key.name) else {
            return false;
        };
        if is_older(version(metadata), entry.version) {
            return false;
        }
        inner.objects.remove(&key.namespace, &key.name).is_some()
    }

    /// The resourceVersion last seen of an object, for conditional writes.
    pub fn version(&self, key: &Key) -> Option<String> {
        let inner = self.lock();
        let entry = inner.objects.get(&key.namespace, &key.name)?;
        entry.version.map(|version| version.to_string())
    }

    /// Forgets an object that a write found missing.
    pub fn forget(&self, key: &Key) {
        self.lock().objects.remove(&key.namespace, &key.name);
    }

    /// A new list begins.
    pub fn start_list(&self) {
        for entry in self.lock().objects.values_mut() {
            entry.is_listed = false;
        }
    }

    /// The list is read: what was not on it is gone. Returns what went.
    pub fn finish_list(&self) -> Vec<Key> {
        let mut inner = self.lock();
        let mut gone = Vec::new();
        inner.objects.retain(|namespace, name, entry| {
            if !entry.is_listed {
                gone.push(Key::new(namespace, name));
            }
            entry.is_listed
        });
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
        let inner = self.lock();
        let rows = inner.objects.iter();
        rows.map(|(namespace, name, _)| Key::new(namespace, name))
            .collect()
    }

    /// How many there are in a namespace.
    pub fn count(&self, namespace: &str) -> usize {
        let inner = self.lock();
        let rows = inner.objects.iter();
        rows.filter(|(of, _, _)| *of == namespace).count()
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn version(metadata: &ObjectMeta) -> Option<NonZeroU64> {
    metadata
        .resource_version
        .as_deref()
        .and_then(|version| version.parse().ok())
}

fn is_older(new: Option<NonZeroU64>, old: Option<NonZeroU64>) -> bool {
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
        assert!(store.put(&key, &meta("10"), || 'b'));
        assert!(!store.put(&key, &meta("9"), || 'a'), "a late event");
        assert!(!store.put(&key, &meta("11"), || 'b'), "no difference to us");
        let told = store.put(&key, &meta("11"), || unreachable!("told before"));
        assert!(!told);
        assert!(!store.remove(&key, &meta("9")), "a late deletion");
        assert_eq!(store.get(&key), Known::Present('b'));
        store.start_list();
        store.put(&Key::new("test", "other"), &meta("12"), || 'x');
        assert_eq!(store.finish_list(), std::slice::from_ref(&key));
        assert!(store.put(&key, &meta("odd"), || 'c') && store.remove(&key, &meta("13")));
    }
}
