//! Starts the real control plane or node, runs the tests that need it, and stops it again.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::run::{command, root, run_command};
use crate::setup;
use crate::setup::{DataPlane, cluster_script, tools};

/// The workload's image, loaded into the node.
const PODINFO_IMAGE: &str = "docker.io/library/podinfo:1";

/// A running cluster; stopped when dropped, whatever happened.
struct Cluster {
    state: &'static str,
    /// Held while it runs: its state and its names are one for the machine.
    _turn: File,
}

/// Where the cluster keeps its state while it runs.
const STATE: &str = "/tmp/sluice-cluster";

impl Cluster {
    fn up(mode: &[&str]) -> Result<Self> {
        setup::debian()?;
        setup::cluster()?;
        let turn = File::create(format!("{STATE}.lock"))?;
        if turn.try_lock().is_err() {
            writeln!(
                io::stdout(),
                "another run has the cluster; waiting for its end"
            )?;
            turn.lock()?;
        }
        let cluster = Self {
            state: STATE,
            _turn: turn,
        };
        run_command(&mut cluster.script("down"))?;
        run_command(cluster.script("up").args(mode))?;
        Ok(cluster)
    }

    fn script(&self, verb: &str) -> Command {
        let mut script = Command::new("bash");
        script.arg(cluster_script()).arg(verb).current_dir(root());
        script
            .env("CLUSTER_STATE", self.state)
            .env("CLUSTER_NETNS", "sluice");
        if let Ok(tools) = tools() {
            script.env("CLUSTER_BIN", tools);
        }
        script
    }

    /// Runs the tests whose names hold `filter` beside the cluster.
    fn test(&self, programs: &Programs, filter: &str) -> Result<()> {
        let DataPlane { contour, envoy } = setup::data_plane()?;
        let mut test = self.script("exec");
        test.arg(&programs.tests)
            .args([filter, "--nocapture", "--test-threads=1"]);
        test.env("E2E_CLUSTER", "1")
            .env("E2E_SLUICE", &programs.sluice);
        test.env("E2E_CRDS", setup::crds()?)
            .env("E2E_CONTOUR", contour)
            .env("E2E_ENVOY", envoy);
        run_command(&mut test)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.script("down").status();
    }
}

/// The operator and its adapters against a real kube-apiserver.
pub(crate) fn plane() -> Result<()> {
    let programs = Programs::build()?;
    Cluster::up(&["plane"])?.test(&programs, "plane")
}

/// The main job on a real node.
pub(crate) fn node() -> Result<()> {
    let programs = Programs::build()?;
    let cluster = Cluster::up(&[])?;
    let mut image = cluster.script("image");
    run_command(image.arg(PODINFO_IMAGE).arg(tools()?.join("podinfo")))?;
    cluster.test(&programs, "node")
}

/// The end-to-end tests and the program that they start.
struct Programs {
    tests: PathBuf,
    sluice: PathBuf,
}

impl Programs {
    /// Built with the whole workspace, as the tests are, so that nothing is built twice.
    fn build() -> Result<Self> {
        let tests = built("e2e", &["test", "--workspace", "--test", "it", "--no-run"])?;
        let sluice = built("cli", &["build", "--workspace", "--bin", "sluice"])?;
        Ok(Self { tests, sluice })
    }
}

/// Builds, and gives the executable of this package.
fn built(package: &str, args: &[&str]) -> Result<PathBuf> {
    let mut build = command("cargo", args);
    build
        .args(["--quiet", "--message-format", "json"])
        .stderr(Stdio::inherit());
    let done = build.output()?;
    anyhow::ensure!(
        done.status.success(),
        "cargo {args:?} ended with {}",
        done.status
    );
    let is_ours = |told: &Value| {
        let id = told
            .get("package_id")
            .and_then(Value::as_str)
            .unwrap_or_default();
        id.contains(&format!("/{package}#"))
    };
    String::from_utf8_lossy(&done.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(is_ours)
        .find_map(|told| told.get("executable")?.as_str().map(PathBuf::from))
        .with_context(|| format!("cargo {args:?} named no executable of {package}"))
}
