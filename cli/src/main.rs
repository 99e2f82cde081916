//! The `sluice` command: reads what was typed and starts that one thing.

use std::process::ExitCode;

mod args;
mod client;
#[cfg(feature = "demo")]
mod colour;
#[cfg(feature = "demo")]
mod demo;
mod gateway;
mod loadtester;
mod logs;
mod operator;
mod wget;

/// glibc's allocator keeps what a burst of rounds leaves in holes: 32 KB a canary in place of 7.
/// Its settings are in `.cargo/config.toml`.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match args::read(std::env::args_os()) {
        Ok(command) => args::start(command),
        Err(refused) => refused.exit(),
    }
}
