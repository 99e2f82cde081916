//! Runs other programs, telling what runs and what failed.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The root of the checkout. Cargo says at run time which one: several may share a target folder, and with it this program.
pub(crate) fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR");
    let here = here.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().unwrap_or(&here).to_path_buf()
}

/// A command in the root of the checkout.
pub(crate) fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// Runs a program to its end with its output shown.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<()> {
    run_command(&mut command(program, args))
}

/// Runs a prepared command to its end with its output shown.
pub(crate) fn run_command(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command
        .status()
        .with_context(|| format!("failed to start {shown}"))?;
    if !status.success() {
        bail!("{shown} ended with {status}");
    }
    Ok(())
}

/// Runs a program and gives what it printed; its errors are shown.
pub(crate) fn output(program: &str, args: &[&str]) -> Result<String> {
    let done = command(program, args)
        .output()
        .with_context(|| format!("failed to start {program}"))?;
    if !done.status.success() {
        bail!(
            "{program} {args:?} ended with {}: {}",
            done.status,
            String::from_utf8_lossy(&done.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Runs a program to its end with its output shown, and gives what it printed as well.
pub(crate) fn shown(program: &str, args: &[&str]) -> Result<String> {
    let mut running = command(program, args)
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to start {program}"))?;
    let mut told = String::new();
    if let Some(stdout) = running.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            writeln!(std::io::stdout(), "{line}")?;
            told.push_str(&line);
            told.push('\n');
        }
    }
    let status = running.wait()?;
    if !status.success() {
        bail!("{program} {args:?} ended with {status}");
    }
    Ok(told)
}

/// Whether a program answers.
pub(crate) fn answers(program: &str, args: &[&str]) -> bool {
    command(program, args)
        .output()
        .is_ok_and(|done| done.status.success())
}
