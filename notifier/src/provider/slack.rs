//! Words an alert for Slack, and for those that take Slack's form.

use serde_json::{Value, json};

use super::Receiver;
use crate::message::{Message, Severity};

/// Colours: all that is no error, and errors.
const COLOURS: [&str; 2] = ["good", "danger"];

pub(super) fn body(receiver: &Receiver, message: &Message) -> Value {
    coloured(receiver, message, COLOURS)
}

/// Slack's form with other colours.
pub(super) fn coloured(receiver: &Receiver, message: &Message, colours: [&str; 2]) -> Value {
    let [calm, alarm] = colours;
    let color = match message.severity {
        Severity::Info | Severity::Warn => calm,
        Severity::Error => alarm,
    };
    let fields: Vec<Value> = message
        .fields
        .iter()
        .map(|field| json!({"title": field.name, "value": field.value, "short": false}))
        .collect();
    json!({
        "channel": receiver.channel,
        "username": receiver.username,
        "icon_url": "",
        "icon_emoji": ":rocket:",
        "attachments": [{
            "color": color,
            "author_name": message.sender,
            "text": message.text,
            "mrkdwn_in": ["text"],
            "fields": fields,
        }],
    })
}
