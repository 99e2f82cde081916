//! Words an alert for Microsoft Teams: a MessageCard.

use serde_json::{Value, json};

use crate::message::{Message, Severity};

pub(super) fn body(message: &Message) -> Value {
    let colour = match message.severity {
        Severity::Info | Severity::Warn => "0076D7",
        Severity::Error => "FF0000",
    };
    let facts: Vec<Value> = message
        .fields
        .iter()
        .map(|field| json!({"name": field.name, "value": field.value}))
        .collect();
    json!({
        "@type": "MessageCard",
        "@context": "http://schema.org/extensions",
        "themeColor": colour,
        "summary": message.sender,
        "sections": [{
            "activityTitle": message.text,
            "activitySubtitle": message.sender,
            "facts": facts,
        }],
    })
}
