//! Relations: which canaries look at which objects, so that a change wakes them.
//!
//! Objects are kept as hashes: a clash wakes one canary too many, which costs nothing.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::key::Key;

/// The relations of all canaries.
#[derive(Default)]
pub struct Relations {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    canaries: BTreeSet<(u64, Key)>,
    objects: HashMap<Key, Box<[u64]>>,
}

impl Relations {
    /// Replaces what `canary` looks at: (kind's id, object).
    pub fn set(&self, canary: &Key, objects: &[(String, Key)]) {
        let mut hashes: Vec<u64> = objects.iter().map(|(kind, key)| hash(kind, key)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        let mut inner = self.lock();
        if inner
            .objects
            .get(canary)
            .is_some_and(|old| **old == *hashes)
        {
            return;
        }
        inner.forget(canary);
        for hash in &hashes {
            inner.canaries.insert((*hash, canary.clone()));
        }
        inner
            .objects
            .insert(canary.clone(), hashes.into_boxed_slice());
    }

    /// Forgets a canary.
    pub fn remove(&self, canary: &Key) {
        self.lock().forget(canary);
    }

    /// The canaries that look at an object.
    pub fn of(&self, kind: &str, object: &Key) -> Vec<Key> {
        let hash = hash(kind, object);
        let inner = self.lock();
        let from = (hash, Key::new("", ""));
        inner
            .canaries
            .range(from..)
            .take_while(|(found, _)| *found == hash)
            .map(|(_, key)| key.clone())
            .collect()
    }

    /// The other canaries that look at an object that `canary` looks at.
    pub fn sharing(&self, canary: &Key) -> Vec<Key> {
        let inner = self.lock();
        let mut found = BTreeSet::new();
        for hash in inner.objects.get(canary).into_iter().flatten() {
            let from = (*hash, Key::new("", ""));
            found.extend(
                inner
                    .canaries
                    .range(from..)
                    .take_while(|(other, _)| other == hash)
                    .map(|(_, key)| key.clone()),
            );
        }
        found.remove(canary);
        found.into_iter().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget(&mut self, canary: &Key) {
        for hash in self.objects.remove(canary).unwrap_or_default() {
            self.canaries.remove(&(hash, canary.clone()));
        }
    }
}

fn hash(kind: &str, key: &Key) -> u64 {
    let mut hasher = DefaultHasher::new();
    (kind, key).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_all_canaries_of_an_object() {
        let relations = Relations::default();
        let (a, b) = (Key::new("test", "a"), Key::new("test", "b"));
        let shared = ("v1/ConfigMap".to_owned(), Key::new("test", "env"));
        let own = ("apps/v1/Deployment".to_owned(), Key::new("test", "a"));
        relations.set(&a, &[shared.clone(), own.clone()]);
        relations.set(&b, std::slice::from_ref(&shared));
        assert_eq!(relations.of(&shared.0, &shared.1), [a.clone(), b.clone()]);
        assert_eq!(
            (relations.sharing(&a), relations.sharing(&b)),
            (vec![b.clone()], vec![a.clone()])
        );
        relations.set(&a, std::slice::from_ref(&own));
        assert_eq!(relations.sharing(&a), []);
        assert_eq!(relations.of(&shared.0, &shared.1), std::slice::from_ref(&b));
        relations.remove(&b);
        assert_eq!(relations.of(&shared.0, &shared.1), []);
        assert_eq!(relations.of(&own.0, &own.1), [a]);
    }
}
