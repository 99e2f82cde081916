//! Bridges the moment between our write and its echo in the watch.
//!
//! A reconcile reads from the watch cache, which may still hold what we have
//! just replaced. Asking the API server each time would cost a request; this
//! remembers our own last write until the cache has moved past it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use kube::ResourceExt as _;
use kube::api::DynamicObject;

use crate::subject::Key;

/// Our last writes of one kind.
#[derive(Default)]
pub(crate) struct Recent(Mutex<BTreeMap<Key, Written>>);

struct Written {
    /// Versions that our writes replaced.
    replaced: BTreeSet<String>,
    latest: Arc<DynamicObject>,
}

impl Recent {
    /// The cached object, or our own later version of it.
    pub(crate) fn freshest(&self, cached: Arc<DynamicObject>) -> Arc<DynamicObject> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Key::of(&cached);
        let Some(written) = all.get(&key) else {
            return cached;
        };
        let is_behind = cached.uid() == written.latest.uid()
            && cached
                .resource_version()
                .is_some_and(|version| written.replaced.contains(&version));
        if is_behind {
            return Arc::clone(&written.latest);
        }
        all.remove(&key);
        cached
    }

    /// Notes that we replaced `before` by `after`.
    pub(crate) fn wrote(&self, before: &DynamicObject, after: DynamicObject) -> Arc<DynamicObject> {
        let after = Arc::new(after);
        if before.resource_version() == after.resource_version() {
            return after;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let written = all.entry(Key::of(&after)).or_insert_with(|| Written {
            replaced: BTreeSet::new(),
            latest: Arc::clone(&after),
        });
        if written.latest.uid() != after.uid() {
            written.replaced.clear();
        }
        written.replaced.extend(before.resource_version());
        written.latest = Arc::clone(&after);
        after
    }

    /// Forgets an object that is gone.
    pub(crate) fn forget(&self, key: &Key) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(version: &str) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "X",
            "metadata": {"name": "a", "namespace": "b", "uid": "u", "resourceVersion": version},
        }))
        .unwrap()
    }

    #[test]
    fn our_writes_hide_what_they_replaced_and_nothing_else() {
        let recent = Recent::default();
        let seen = |version: &str| {
            recent
                .freshest(Arc::new(object(version)))
                .resource_version()
                .unwrap()
        };
        assert_eq!(seen("1"), "1");
        recent.wrote(&object("1"), object("2"));
        recent.wrote(&object("2"), object("3"));
        assert_eq!((seen("1"), seen("2")), ("3".to_owned(), "3".to_owned()));
        assert_eq!(seen("9"), "9");
        assert_eq!(seen("1"), "1", "what the cache moved past is forgotten");
    }
}
