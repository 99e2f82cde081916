//! Words an alert for Google Chat: one card, a section a fact.

use serde_json::{Value, json};

use crate::message::Message;

const IMAGE: &str = "https://flagger.app/favicon.png";

pub(super) fn body(message: &Message) -> Value {
    let mut sections = vec![section(&strong(&message.text))];
    sections.extend(message.fields.iter().map(|field| {
        section(&format!(
            "{}<br>{}",
            escaped(&field.name),
            strong(&field.value)
        ))
    }));
    json!({"cards": [{
        "header": {"title": "Flagger", "subtitle": message.sender, "imageUrl": IMAGE},
        "sections": sections,
    }]})
}

fn section(text: &str) -> Value {
    json!({"widgets": [{"textParagraph": {"text": text}}]})
}

fn strong(text: &str) -> String {
    format!(
        "<font color=#848484><strong>{}</strong></font>",
        escaped(text)
    )
}

/// Text paragraphs are HTML: a `<` of a limit must not begin a tag.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
