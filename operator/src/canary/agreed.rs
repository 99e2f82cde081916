//! Remembers which live objects were compared in full and found right, though their digests
//! differ: so that they are not read again until one side changes.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::digest;
use crate::world::key::Key;
use crate::world::objects::ServiceSeen;

/// What was found right.
#[derive(Default)]
pub(super) struct Agreed(Mutex<HashMap<Key, u64>>);

impl Agreed {
    /// Whether this pair of seen and wanted was found right.
    pub(super) fn holds(&self, key: &Key, pair: &(ServiceSeen, Value)) -> bool {
        self.lock().get(key) == Some(&hash(pair))
    }

    /// Notes that a pair is right.
    pub(super) fn note(&self, key: Key, pair: &(ServiceSeen, Value)) {
        self.lock().insert(key, hash(pair));
    }

    /// Forgets objects that are gone.
    pub(super) fn sweep(&self, is_there: impl Fn(&Key) -> bool) {
        self.lock().retain(|key, _| is_there(key));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash((seen, wanted): &(ServiceSeen, Value)) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seen, digest::short(wanted)).hash(&mut hasher);
    hasher.finish()
}
