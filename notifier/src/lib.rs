//! Sends alerts of canaries to Slack, Teams, Discord, Rocket and Google Chat.
//!
//! `message` is what is said, `route` who hears it, `provider` how each chat service wants
//! it worded, `sender` the way out. It does not decide what is worth an alert, reads no
//! cluster, and tries nothing twice.
//!
//! ```text
//! AlertProvider, Secret ─→ Receiver ─┐
//! flags (route::Flags) ──→ Receiver ─┴─ request(Message) ─→ Transport (Sender: sockets)
//! ```

mod message;
mod provider;
mod route;
mod secret;
mod sender;

pub use message::{Field, Message, Severity};
pub use provider::{Kind, Receiver, Request, Unusable};
pub use route::{Flags, hears};
pub use secret::Secret;
pub use sender::{Border, SendError, Sender, Sent, Transport};
