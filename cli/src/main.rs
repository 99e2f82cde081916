//! The `sluice` command: reads what was typed and starts that one thing.

use std::process::ExitCode;

mod args;
mod client;
mod colour;
mod demo;
mod gateway;
mod loadtester;
mod logs;
mod operator;
mod wget;

fn main() -> ExitCode {
    match args::read(std::env::args_os()) {
        Ok(command) => args::start(command),
        Err(refused) => refused.exit(),
    }
}
