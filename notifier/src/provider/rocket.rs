//! Words an alert for Rocket.Chat: Slack's form, with colours as numbers.

use serde_json::Value;

use super::{Receiver, slack};
use crate::message::Message;

/// Colours: all that is no error, and errors.
const COLOURS: [&str; 2] = ["#0076D7", "#FF0000"];

pub(super) fn body(receiver: &Receiver, message: &Message) -> Value {
    slack::coloured(receiver, message, COLOURS)
}
