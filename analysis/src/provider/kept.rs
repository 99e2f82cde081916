//! Credentials that clouds lend, kept until shortly before they end
//!
//! In memory only, a bounded number, found by a digest of where they came from.
//! Nothing here can be printed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, TimeDelta, Utc};

use crate::credentials::Secret;

/// Sources whose credentials are kept.
const KEPT_MAX: usize = 64;

/// Not used in the last minutes of their life: they must outlast a request, and
/// clouds have their successors ready by then.
const MARGIN: TimeDelta = TimeDelta::minutes(5);

/// Longest time that they are kept, whatever the cloud says.
const AGE_MAX: TimeDelta = TimeDelta::hours(12);

/// Kept credentials; shared by all checks of one way out.
#[derive(Default)]
pub struct Kept(Mutex<BTreeMap<Source, Entry>>);

/// Where credentials came from: a digest, for it may name secrets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source(Vec<u8>);

struct Entry {
    until: DateTime<Utc>,
    lent: Lent,
}

/// What was lent.
#[derive(Clone)]
pub(super) struct Lent {
    /// An access key's id, its secret, and its token; or a token alone.
    pub(super) parts: Vec<Secret>,
    /// When it ends; it is not kept if that is not known.
    pub(super) ends: Option<DateTime<Utc>>,
}

impl Source {
    /// All that tells one source from another.
    pub(super) fn of(parts: &[&str]) -> Self {
        // Lengths keep neighbours apart.
        let text: String = parts
            .iter()
            .map(|part| format!("{}:{part}", part.len()))
            .collect();
        Self(digest(&SHA256, text.as_bytes()).as_ref().to_vec())
    }
}

impl Kept {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<Source, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a source lent, if it still holds.
    pub(super) fn find(&self, source: &Source, now: DateTime<Utc>) -> Option<Lent> {
        let entries = self.entries();
        let entry = entries.get(source).filter(|entry| now < entry.until)?;
        Some(entry.lent.clone())
    }

    /// Keeps what a source lent; in the place of what ends first, if there is no room.
    pub(super) fn keep(&self, source: &Source, lent: &Lent, now: DateTime<Utc>) {
        let latest = now.checked_add_signed(AGE_MAX);
        let ends = lent.ends.and_then(|ends| ends.checked_sub_signed(MARGIN));
        let (Some(ends), Some(latest)) = (ends, latest) else {
            return;
        };
        let until = ends.min(latest);
        let mut entries = self.entries();
        entries.retain(|_, entry| now < entry.until);
        if until <= now {
            return;
        }
        if entries.len() >= KEPT_MAX && !entries.contains_key(source) {
            let first = entries.iter().min_by_key(|(_, entry)| entry.until);
            let first = first.map(|(source, _)| source.clone());
            first.and_then(|first| entries.remove(&first));
        }
        let lent = lent.clone();
        entries.insert(source.clone(), Entry { until, lent });
    }

    /// Forgets what was refused.
    pub(super) fn forget(&self, source: &Source) {
        self.entries().remove(source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lent(ends: Option<DateTime<Utc>>) -> Lent {
        Lent {
            parts: vec![Secret::new("token")],
            ends,
        }
    }

    #[test]
    fn nothing_is_kept_to_its_end() {
        let now = DateTime::UNIX_EPOCH;
        let minutes = |count| now + TimeDelta::minutes(count);
        let source = Source::of(&["a", "b"]);
        let check = |ends: Option<i64>, after: i64, wanted: bool| {
            let kept = Kept::default();
            kept.keep(&source, &lent(ends.map(minutes)), now);
            let found = kept.find(&source, minutes(after)).is_some();
            assert_eq!(found, wanted, "{ends:?} {after}");
        };
        check(Some(60), 0, true);
        check(Some(60), 54, true);
        check(Some(60), 55, false);
        check(Some(5), 0, false);
        check(Some(-5), 0, false);
        check(None, 0, false);
        check(Some(60 * 24 * 365), 719, true);
        check(Some(60 * 24 * 365), 720, false);
    }

    #[test]
    fn sources_are_apart_and_bounded() {
        let now = DateTime::UNIX_EPOCH;
        let kept = Kept::default();
        let source = |number: i64| Source::of(&["a", &number.to_string()]);
        for number in 0..100 {
            let ends = now + TimeDelta::minutes(60 + number);
            kept.keep(&source(number), &lent(Some(ends)), now);
        }
        assert_eq!(kept.entries().len(), KEPT_MAX);
        assert!(kept.find(&source(99), now).is_some());
        assert!(kept.find(&source(35), now).is_none());
        assert!(kept.find(&Source::of(&["a9", "9"]), now).is_none());
        kept.forget(&source(99));
        assert!(kept.find(&source(99), now).is_none());
    }
}
