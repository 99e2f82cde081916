//! Flagger's load tester: gates, rollback gates and load tasks over HTTP.
//!
//! `server.rs` answers, `gate.rs` remembers gates, `task.rs` runs what is asked, `command.rs`
//! reads command lines, and [`load`] generates requests in this process. Programs are started
//! only when [`Settings::is_shell_allowed`] is set.

mod command;
mod gate;
pub mod load;
mod metrics;
mod server;
mod settings;
mod shell;
mod task;

pub use command::{CommandError, parse as parse_command};
pub use server::run;
pub use settings::{Args, Settings, SettingsError};
