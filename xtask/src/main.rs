//! Chores of the project, one command each: `cargo x <command>`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod chart;
mod ci;
mod cluster;
mod generate;
mod run;
mod setup;
mod tidy;

/// Chores of the Sluice project.
#[derive(Parser)]
#[command(name = "cargo x", arg_required_else_help = true)]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Everything that must pass before a change lands, fast checks first. Installs what it needs.
    Ci {
        /// Leave out the real control plane and the real node.
        #[arg(long)]
        no_cluster: bool,
    },
    /// The rules of the house that no other tool knows: arrows, sizes, headers, names.
    Tidy,
    /// Write the files made from others: `deploy/crds/`, and the chart's copies.
    Generate {
        /// Only say whether they are up to date.
        #[arg(long)]
        check: bool,
    },
    /// Run seeds of the simulation: random faults on virtual time.
    Simulate {
        /// First seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many seeds.
        #[arg(long, default_value_t = 1)]
        count: u64,
    },
    /// The main job on a real node: kubelet, containerd, Prometheus, our gateway, real pods.
    E2e,
    /// The operator against a real kube-apiserver, without a node.
    Plane,
    /// Install what the checks need from Debian, Go modules and crates.
    Setup,
}

fn main() -> ExitCode {
    match carry_out(&Args::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn carry_out(chore: &Chore) -> Result<()> {
    match chore {
        Chore::Ci { no_cluster } => ci::ci(!*no_cluster),
        Chore::Tidy => tidy::tidy(),
        Chore::Generate { check } => generate::generate(*check),
        Chore::Simulate { seed, count } => ci::simulate(*seed, *count),
        Chore::E2e => cluster::node(),
        Chore::Plane => cluster::plane(),
        Chore::Setup => setup::setup(),
    }
}

#[expect(clippy::print_stderr, reason = "the last words of a chore")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("{error:#}");
    ExitCode::FAILURE
}
