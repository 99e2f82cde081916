//! Writes core/v1 Events on Canaries: reason `Synced`, component `flagger`, as Flagger does.
//!
//! The same text again counts the event up instead of making another, at most once a minute.
//! Nothing waits for an event: one that cannot be written is logged.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::canary::act::{WriteError, Writer};
use crate::canary::build::Owner;
use crate::error::chain;
use crate::world::key::Key;
use crate::world::kind;

/// Events remembered, to be counted up: fewer than would double the table once more.
const REMEMBERED_MAX: usize = 1536;
/// Longest text, in bytes: API servers refuse more.
const TEXT_BYTES_MAX: usize = 1024;
/// Longest name of an object.
const NAME_BYTES_MAX: usize = 253;
/// Least time between two writes of one event.
const COUNT_PERIOD: TimeDelta = TimeDelta::seconds(60);

/// Remembers what was told.
#[derive(Default)]
pub struct Recorder(Mutex<Told>);

#[derive(Default)]
struct Told {
    events: HashMap<u64, Series>,
    order: VecDeque<u64>,
}

#[derive(Clone)]
struct Series {
    /// The end of its name.
    number: u64,
    count: u32,
    written: DateTime<Utc>,
}

impl Recorder {
    /// Writes an event on a Canary, or counts it up.
    pub async fn record(
        &self,
        writer: &Writer,
        canary: &Owner,
        warning: bool,
        text: &str,
        now: DateTime<Utc>,
    ) {
        let text = cut(text);
        let id = hash(canary, warning, text);
        let written = match self.again(id, now) {
            Again::Quiet => return,
            Again::Count(series) => match count_up(writer, canary, &series, now).await {
                Err(WriteError::Missing { .. }) => {
                    self.create(writer, canary, warning, text, now).await
                }
                counted => counted,
            },
            Again::New => self.create(writer, canary, warning, text, now).await,
        };
        if let Err(error) = written {
            tracing::warn!(
                canary = format!("{}.{}", canary.name, canary.namespace),
                error = chain(&error),
                "Event not written."
            );
        }
    }

    async fn create(
        &self,
        writer: &Writer,
        canary: &Owner,
        warning: bool,
        text: &str,
        now: DateTime<Utc>,
    ) -> Result<(), WriteError> {
        let number = uuid::Uuid::new_v4().as_u64_pair().0;
        let name = name(&canary.name, number);
        writer
            .create(&kind::event(), &event(canary, &name, warning, text, now))
            .await?;
        self.remember(
            hash(canary, warning, text),
            Series {
                number,
                count: 1,
                written: now,
            },
        );
        Ok(())
    }

    fn again(&self, id: u64, now: DateTime<Utc>) -> Again {
        let mut told = self.lock();
        let Some(series) = told.events.get_mut(&id) else {
            return Again::New;
        };
        series.count = series.count.saturating_add(1);
        if now.signed_duration_since(series.written) < COUNT_PERIOD {
            return Again::Quiet;
        }
        series.written = now;
        Again::Count(series.clone())
    }

    fn remember(&self, id: u64, series: Series) {
        let mut told = self.lock();
        if told.events.insert(id, series).is_none() {
            told.order.push_back(id);
        }
        if told.order.len() > REMEMBERED_MAX
            && let Some(oldest) = told.order.pop_front()
        {
            told.events.remove(&oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Again {
    New,
    Count(Series),
    Quiet,
}

async fn count_up(
    writer: &Writer,
    canary: &Owner,
    series: &Series,
    now: DateTime<Utc>,
) -> Result<(), WriteError> {
    let key = Key::new(&canary.namespace, &name(&canary.name, series.number));
    let patch = json!({"count": series.count, "lastTimestamp": stamp(now)});
    writer.merge(&kind::event(), &key, &patch).await.map(|_| ())
}

fn event(canary: &Owner, name: &str, warning: bool, text: &str, now: DateTime<Utc>) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": canary.namespace},
        "involvedObject": {
            "apiVersion": "flagger.app/v1beta1",
            "kind": "Canary",
            "name": canary.name,
            "namespace": canary.namespace,
            "uid": canary.uid,
        },
        "type": if warning { "Warning" } else { "Normal" },
        "reason": "Synced",
        "message": text,
        "source": {"component": "flagger"},
        "reportingComponent": "flagger",
        "reportingInstance": "",
        "firstTimestamp": stamp(now),
        "lastTimestamp": stamp(now),
        "count": 1,
    })
}

/// The Canary's name with a number; cut where both would be too long for a name.
fn name(canary: &str, number: u64) -> String {
    let suffix = format!(".{number:016x}");
    let room = NAME_BYTES_MAX.saturating_sub(suffix.len());
    let start = canary.get(..room.min(canary.len())).unwrap_or_default();
    // A part of a name ends with a letter or a digit.
    let start = start.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
    format!("{start}{suffix}")
}

fn stamp(now: DateTime<Utc>) -> String {
    now.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

fn hash(canary: &Owner, warning: bool, text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&canary.uid, warning, text).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_counted_and_others_are_forgotten_in_order() {
        let recorder = Recorder::default();
        let now = DateTime::UNIX_EPOCH;
        recorder.remember(
            0,
            Series {
                number: 0,
                count: 1,
                written: now,
            },
        );
        assert!(matches!(
            recorder.again(0, now + TimeDelta::seconds(10)),
            Again::Quiet
        ));
        assert!(
            matches!(recorder.again(0, now + TimeDelta::seconds(70)), Again::Count(series) if series.count == 3)
        );
        assert!(matches!(recorder.again(7, now), Again::New));
        for id in 1..=u64::try_from(REMEMBERED_MAX).unwrap() {
            recorder.remember(
                id,
                Series {
                    number: 0,
                    count: 1,
                    written: now,
                },
            );
        }
        assert!(matches!(recorder.again(0, now), Again::New));
    }

    #[test]
    fn names_are_cut_before_they_are_too_long() {
        assert_eq!(name("podinfo", 10), "podinfo.000000000000000a");
        let long = name(&format!("{}-.b{}", "a".repeat(234), "c".repeat(16)), 10);
        assert_eq!(long, format!("{}.000000000000000a", "a".repeat(234)));
        assert_eq!(name(&"d".repeat(253), 10).len(), 253);
    }

    #[test]
    fn texts_are_cut_at_a_character() {
        assert_eq!(cut("short"), "short");
        let long = "é".repeat(600);
        assert_eq!(cut(&format!("x{long}")).len(), 1023);
    }
}
