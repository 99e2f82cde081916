//! Log lines as Flagger's logger writes them, which people cut up with jq: one JSON object a line, with the keys
//! `level`, `ts`, `caller`, `msg`, and what belongs to the line.

use std::fmt;

use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Flagger's form.
pub(super) struct Zap;

impl<S, N> FormatEvent<S, N> for Zap
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        spans: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::new();
        for span in spans.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>()
                && !fields.is_empty()
            {
                line.insert(span.name().to_owned(), fields.fields.clone().into());
            }
        }
        let mut found = Fields {
            line: &mut line,
            text: String::new(),
        };
        event.record(&mut found);
        let text = found.text;
        let metadata = event.metadata();
        line.insert("level".into(), level(*metadata.level()).into());
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        line.insert("ts".into(), now.into());
        line.insert(
            "caller".into(),
            caller(metadata.file(), metadata.line()).into(),
        );
        line.insert("msg".into(), text.into());
        writeln!(out, "{}", Value::Object(line))
    }
}

/// zap knows no trace.
fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

/// The folder and file of the line, with its number, as zap shortens them.
fn caller(file: Option<&str>, line: Option<u32>) -> String {
    let file = file.unwrap_or_default();
    let mut slashes = file.rmatch_indices('/').map(|(place, _)| place);
    let short = slashes
        .nth(1)
        .and_then(|place| file.get(place.saturating_add(1)..))
        .unwrap_or(file);
    format!("{short}:{}", line.unwrap_or_default())
}

/// Takes in the fields of a line.
struct Fields<'a> {
    line: &'a mut Map<String, Value>,
    text: String,
}

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.text = text,
            (name, value) => {
                self.line.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut kept = self.0.lock().map_err(|_| io::Error::other("poisoned"))?;
            kept.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_has_the_keys_of_flagger() {
        let kept = Kept::default();
        let out = kept.clone();
        let lines = tracing_subscriber::fmt()
            .event_format(Zap)
            .with_writer(move || out.clone())
            .finish();
        tracing::subscriber::with_default(lines, || {
            tracing::warn!(
                canary = "podinfo.test",
                tries = 2,
                is_new = true,
                "Halt \"it\""
            );
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&line["level"], &line["msg"]),
            (&"warn".into(), &"Halt \"it\"".into())
        );
        assert_eq!(line["canary"], "podinfo.test");
        assert_eq!((&line["tries"], &line["is_new"]), (&2.into(), &true.into()));
        let caller = line["caller"].as_str().unwrap();
        assert!(caller.starts_with("logs/zap.rs:"), "{caller}");
        let time = line["ts"].as_str().unwrap();
        assert!(chrono::DateTime::parse_from_rfc3339(time).is_ok(), "{time}");
        assert_eq!(super::caller(Some("lib.rs"), None), "lib.rs:0");
    }
}
