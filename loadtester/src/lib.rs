//! Flagger's load tester: gates, rollback gates and load tasks over HTTP.
//!
//! `accept.rs` takes connections, `server.rs` answers, `gate.rs` remembers gates, `task.rs` reads and runs what is asked,
//! `command.rs` reads command lines, `grpc.rs` makes calls of a `ghz` line, and [`load`]
//! generates requests in this process. Programs are started only when
//! [`Settings::is_shell_allowed`] is set.

mod accept;
mod command;
mod gate;
mod grpc;
pub mod load;
mod metrics;
mod server;
mod settings;
mod shell;
mod task;

pub use accept::listen;
pub use server::run;
pub use settings::{Args, Encoding, Settings, SettingsError};
