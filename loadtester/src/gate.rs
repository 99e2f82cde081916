//! Gates of canaries, open or closed, in memory.
//!
//! A gate that nobody opened is closed. Gates do not survive a restart, as in Flagger.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Open gates kept at one time.
const OPEN_MAX: usize = 10_000;

/// A set of open gates by `<canary>.<namespace>`.
#[derive(Debug, Default)]
pub(crate) struct Gates(Mutex<BTreeSet<String>>);

impl Gates {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeSet<String>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn is_open(&self, key: &str) -> bool {
        self.with(|open| open.contains(key))
    }

    /// Opens a gate; false if too many are open.
    pub(crate) fn open(&self, key: String) -> bool {
        self.with(|open| {
            let has_room = open.len() < OPEN_MAX || open.contains(&key);
            if has_room {
                open.insert(key);
            }
            has_room
        })
    }

    pub(crate) fn close(&self, key: &str) {
        self.with(|open| open.remove(key));
    }
}
