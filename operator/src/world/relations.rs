//! Relations: which canaries look at which objects, and which claim which target, so that a change wakes them.
//!
//! Objects and canaries are kept as hashes: a clash wakes one canary too many, which costs nothing.

use std::collections::BTreeSet;
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
    /// Hash of an object or a claim, and the number of a canary.
    pairs: BTreeSet<(u32, u32)>,
    /// In order of their numbers, then their keys.
    canaries: Vec<Canary>,
}

struct Canary {
    /// The hash of its key: two may share one.
    number: u32,
    key: Key,
    objects: Box<[u32]>,
    claim: Option<u32>,
}

impl Canary {
    fn new(key: &Key) -> Self {
        Self {
            number: hash(key),
            key: key.clone(),
            objects: Box::default(),
            claim: None,
        }
    }

    fn hashes(&self) -> impl Iterator<Item = u32> {
        self.claim.iter().chain(&self.objects).copied()
    }
}

impl Relations {
    /// Replaces what `canary` looks at: (kind's id, object).
    pub fn set(&self, canary: &Key, objects: &[(String, Key)]) {
        let mut hashes: Vec<u32> = objects.iter().map(hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        self.lock().change(canary, |known| {
            if *known.objects != *hashes {
                known.objects = hashes.into_boxed_slice();
            }
        });
    }

    /// Forgets what a canary looks at.
    pub fn remove(&self, canary: &Key) {
        self.set(canary, &[]);
    }

    /// Notes which target of its namespace a canary claims, if any. Gives the others that claim what it claimed before
    /// or claims then.
    pub fn claim(&self, canary: &Key, target: Option<u64>) -> Vec<Key> {
        let mut rivals = self.rivals(canary);
        let claim = target.map(|target| hash((&canary.namespace, target)));
        self.lock().change(canary, |known| known.claim = claim);
        rivals.extend(self.rivals(canary));
        rivals
    }

    /// The canaries that look at an object.
    pub fn of(&self, kind: &str, object: &Key) -> Vec<Key> {
        self.lock().keys(hash((kind, object))).cloned().collect()
    }

    /// The other canaries that claim what `canary` claims.
    pub fn rivals(&self, canary: &Key) -> Vec<Key> {
        let inner = self.lock();
        let claim = inner.get(canary).and_then(|known| known.claim);
        let all = claim.into_iter().flat_map(|claim| inner.keys(claim));
        all.filter(|key| *key != canary).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Where a canary is, or would be.
    fn place(&self, canary: &Key) -> Result<usize, usize> {
        let wanted = (hash(canary), canary);
        self.canaries
            .binary_search_by(|known| (known.number, &known.key).cmp(&wanted))
    }

    fn get(&self, canary: &Key) -> Option<&Canary> {
        let place = self.place(canary).ok()?;
        self.canaries.get(place)
    }

    /// The canaries with a number.
    fn numbered(&self, number: u32) -> impl Iterator<Item = &Canary> {
        let start = self.canaries.partition_point(|known| known.number < number);
        let rest = self.canaries.iter().skip(start);
        rest.take_while(move |known| known.number == number)
    }

    /// Changes what is noted of a canary, and its pairs with it; one of which nothing is noted is forgotten.
    fn change(&mut self, canary: &Key, change: impl FnOnce(&mut Canary)) {
        let place = self.place(canary).unwrap_or_else(|place| {
            self.canaries.insert(place, Canary::new(canary));
            place
        });
        let Some(known) = self.canaries.get_mut(place) else {
            return;
        };
        let number = known.number;
        for hash in known.hashes() {
            self.pairs.remove(&(hash, number));
        }
        change(known);
        if known.claim.is_none() && known.objects.is_empty() {
            self.canaries.remove(place);
        }
        // Also those of another canary of this number, which may have been the same.
        let all = self.numbered(number).flat_map(Canary::hashes);
        let pairs: Vec<_> = all.map(|hash| (hash, number)).collect();
        self.pairs.extend(pairs);
    }

    fn keys(&self, hash: u32) -> impl Iterator<Item = &Key> {
        let pairs = self.pairs.range((hash, 0)..=(hash, u32::MAX));
        let found = pairs.flat_map(|(_, number)| self.numbered(*number));
        found.map(|known| &known.key)
    }
}

fn hash(of: impl Hash) -> u32 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    let [_, _, _, _, rest @ ..] = hasher.finish().to_be_bytes();
    u32::from_be_bytes(rest)
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
        let mut both = relations.of(&shared.0, &shared.1);
        both.sort();
        assert_eq!(both, [a.clone(), b.clone()]);
        relations.set(&a, std::slice::from_ref(&own));
        assert_eq!(relations.of(&shared.0, &shared.1), std::slice::from_ref(&b));
        relations.remove(&b);
        assert_eq!(relations.of(&shared.0, &shared.1), []);
        assert_eq!(relations.of(&own.0, &own.1), [a]);
    }

    #[test]
    fn rivals_claim_the_same_target_of_the_same_namespace() {
        let relations = Relations::default();
        let key = |name: &str| Key::new("test", name);
        let (a, b, far) = (key("a"), key("b"), Key::new("far", "a"));
        let own = [("v1/Service".to_owned(), key("a"))];
        assert_eq!(relations.claim(&a, Some(1)), []);
        relations.set(&a, &own);
        assert_eq!(relations.claim(&far, Some(1)), []);
        assert_eq!(relations.claim(&b, Some(1)), [key("a")]);
        assert_eq!(
            (relations.rivals(&a), relations.rivals(&far)),
            (vec![key("b")], vec![])
        );
        relations.remove(&a);
        assert_eq!(
            relations.rivals(&b),
            [key("a")],
            "it is there until its claim is gone"
        );
        assert_eq!(relations.claim(&b, Some(2)), [key("a")]);
        assert_eq!(relations.claim(&a, None), []);
        assert_eq!(relations.claim(&b, None), []);
        let inner = relations.lock();
        assert_eq!((inner.canaries.len(), inner.pairs.len()), (1, 1));
    }
}
