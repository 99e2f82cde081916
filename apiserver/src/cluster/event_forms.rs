//! Converts events between the forms of the core group and of events.k8s.io.
//!
//! Field for field as k8s.io/kubernetes' pkg/apis/events/v1 conversion does.

use serde_json::{Map, Value, json};

/// Field of the core form, field of the events.k8s.io form.
const RENAMED: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// The core form as events.k8s.io shows it.
pub(super) fn to_events(core: &Value) -> Value {
    renamed(core, "events.k8s.io/v1", |key| {
        RENAMED
            .iter()
            .find(|(core, _)| *core == key)
            .map(|(_, events)| *events)
    })
}

/// The events.k8s.io form as the core group shows it.
pub(super) fn to_core(events: &Value) -> Value {
    renamed(events, "v1", |key| {
        RENAMED
            .iter()
            .find(|(_, events)| *events == key)
            .map(|(core, _)| *core)
    })
}

fn renamed(
    event: &Value,
    api_version: &str,
    name_of: impl Fn(&str) -> Option<&'static str>,
) -> Value {
    let mut map: Map<String, Value> = event
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (name_of(key).unwrap_or(key).to_owned(), value.clone()))
        .collect();
    map.insert("apiVersion".to_owned(), json!(api_version));
    map.insert("kind".to_owned(), json!("Event"));
    Value::Object(map)
}
