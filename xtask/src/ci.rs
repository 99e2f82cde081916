//! Everything that must pass before a change lands: fast first, one summary at the end.

use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::run::{command, run, run_command, shown};
use crate::{cluster, generate, setup, tidy};

/// Seeds of the simulation in CI.
const SEEDS: u64 = 60;

/// One check: its name and what it does.
struct Check {
    name: &'static str,
    work: fn() -> Result<String>,
}

/// Checks of the source alone.
const SOURCE: [Check; 8] = [
    Check {
        name: "format",
        work: || quiet(run("cargo", &["fmt", "--all", "--check"])),
    },
    Check {
        name: "tidy",
        work: || quiet(tidy::tidy()),
    },
    Check {
        name: "generated files",
        work: || quiet(generate::generate(true)),
    },
    Check {
        name: "clippy",
        work: clippy,
    },
    Check {
        name: "deny",
        work: deny,
    },
    Check {
        name: "tests",
        work: tests,
    },
    Check {
        name: "docs",
        work: docs,
    },
    Check {
        name: "simulation",
        work: || simulate(1, SEEDS).map(|()| format!("{SEEDS} seeds")),
    },
];

/// Checks against real servers.
const CLUSTER: [Check; 3] = [
    Check {
        name: "setup of the cluster",
        work: || setup::setup().map(|()| String::new()),
    },
    Check {
        name: "real control plane",
        work: || quiet(cluster::plane()),
    },
    Check {
        name: "real node",
        work: || quiet(cluster::node()),
    },
];

/// Runs every check and prints one summary; fails at the end if one failed.
#[expect(
    clippy::print_stdout,
    reason = "the summary is what this command is for"
)]
pub(crate) fn ci(with_cluster: bool) -> Result<()> {
    let mut lines = Vec::new();
    let (mut passed, mut failed) = (0_u32, 0_u32);
    let cluster = if with_cluster {
        CLUSTER.as_slice()
    } else {
        &[]
    };
    for check in SOURCE.iter().chain(cluster) {
        println!("== {}", check.name);
        let began = Instant::now();
        let done = (check.work)();
        let seconds = began.elapsed().as_secs();
        match done {
            Ok(told) => {
                passed = passed.saturating_add(1);
                lines.push(format!(
                    "  ok      {:<22} {seconds:>5} s  {told}",
                    check.name
                ));
            }
            Err(error) => {
                failed = failed.saturating_add(1);
                println!("{} failed: {error:#}", check.name);
                lines.push(format!(
                    "  FAILED  {:<22} {seconds:>5} s  {}",
                    check.name,
                    first_line(&error)
                ));
            }
        }
    }
    println!("\n== summary\n{}", lines.join("\n"));
    println!("{passed} passed, {failed} failed");
    if failed > 0 {
        bail!("{failed} checks failed");
    }
    Ok(())
}

fn first_line(error: &anyhow::Error) -> String {
    format!("{error:#}")
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn quiet(done: Result<()>) -> Result<String> {
    done.map(|()| String::new())
}

/// All of the workspace, and the program as the image has it.
fn clippy() -> Result<String> {
    let workspace: &[&str] = &["--workspace", "--all-targets", "--features", "cli/jemalloc"];
    let image: &[&str] = &[
        "--package",
        "cli",
        "--no-default-features",
        "--features",
        "jemalloc",
    ];
    for chosen in [workspace, image] {
        let words = [&["clippy", "--quiet"], chosen, &["--", "-D", "warnings"]].concat();
        run("cargo", &words)?;
    }
    Ok(String::new())
}

/// Licences, bans and sources; known vulnerabilities too where the database can be fetched.
fn deny() -> Result<String> {
    setup::deny()?;
    run(
        "cargo",
        &[
            "deny",
            "--log-level",
            "error",
            "check",
            "bans",
            "licenses",
            "sources",
        ],
    )?;
    let fetched = command("cargo", &["deny", "--log-level", "error", "fetch", "db"])
        .output()
        .context("failed to start cargo deny")?;
    if !fetched.status.success() {
        return Ok("without advisories: their database cannot be fetched here".to_owned());
    }
    run(
        "cargo",
        &["deny", "--log-level", "error", "check", "advisories"],
    )?;
    Ok("with advisories".to_owned())
}

/// The workspace's tests; says how many ran.
fn tests() -> Result<String> {
    let told = shown("cargo", &["test", "--workspace", "--quiet"])?;
    let all = told.lines().filter_map(counts);
    let (passed, ignored) = all.fold((0_u32, 0_u32), |sum, one| {
        (sum.0.saturating_add(one.0), sum.1.saturating_add(one.1))
    });
    Ok(format!(
        "{passed} tests passed, 0 failed, {ignored} ignored"
    ))
}

/// Passed and ignored of `test result: ok. 6 passed; 0 failed; 0 ignored; …`.
fn counts(line: &str) -> Option<(u32, u32)> {
    let rest = line.strip_prefix("test result: ok. ")?;
    let number = |word: &str| {
        rest.split("; ")
            .find_map(|part| part.strip_suffix(word)?.trim().parse().ok())
    };
    Some((number(" passed")?, number(" ignored")?))
}

fn docs() -> Result<String> {
    let mut doc = command("cargo", &["doc", "--workspace", "--no-deps", "--quiet"]);
    run_command(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(String::new())
}

/// Runs seeds of the simulation; a failing one prints how to run it again.
pub(crate) fn simulate(seed: u64, count: u64) -> Result<()> {
    // With the whole workspace, as the tests are built, so that nothing is built twice.
    let mut test = command(
        "cargo",
        &[
            "test",
            "--workspace",
            "--quiet",
            "--test",
            "it",
            "--",
            "simulation::",
            "--nocapture",
        ],
    );
    test.env("SLUICE_SEED", seed.to_string())
        .env("SLUICE_SEEDS", count.to_string());
    run_command(&mut test)
}

#[cfg(test)]
mod tests {
    #[test]
    fn counts_are_read() {
        let line = "test result: ok. 6 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s";
        assert_eq!(super::counts(line), Some((6, 1)));
        assert_eq!(super::counts("running 6 tests"), None);
    }
}
