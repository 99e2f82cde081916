//! Starts the real control plane or node, runs the tests that need it, and stops it again.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::run::{command, root, run, run_command};
use crate::setup;
use crate::setup::{cluster_script, gateway_crds, tools};

/// A running cluster; stopped when dropped, whatever happened.
struct Cluster {
    state: &'static str,
}

/// Where the cluster keeps its state while it runs.
const STATE: &str = "/tmp/sluice-cluster";

impl Cluster {
    fn up(mode: &[&str]) -> Result<Self> {
        setup::debian()?;
        setup::cluster()?;
        let cluster = Self { state: STATE };
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

    /// Runs a test binary beside the cluster.
    fn test(&self, binary: &Path, filter: &str) -> Result<()> {
        let mut test = self.script("exec");
        test.arg(binary)
            .args([filter, "--nocapture", "--test-threads=1"]);
        test.env("E2E_CLUSTER", "1")
            .env("E2E_SLUICE", root().join("target/debug/sluice"));
        test.env("E2E_GATEWAY_CRDS", gateway_crds()?)
            .env("E2E_BIN", tools()?)
            .env("KUBECONFIG", format!("{}/kubeconfig", self.state));
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
    let binary = test_binary()?;
    Cluster::up(&["plane"])?.test(&binary, "plane")
}

/// The main job on a real node.
pub(crate) fn node() -> Result<()> {
    let binary = test_binary()?;
    let cluster = Cluster::up(&[])?;
    run_command(
        cluster
            .script("image")
            .arg("docker.io/library/podinfo:1")
            .arg(tools()?.join("podinfo")),
    )?;
    cluster.test(&binary, "node")
}

/// Builds the end-to-end tests and the program that they start.
fn test_binary() -> Result<std::path::PathBuf> {
    run("cargo", &["build", "--quiet", "--package", "cli"])?;
    let built = command(
        "cargo",
        &[
            "test",
            "--package",
            "e2e",
            "--test",
            "it",
            "--no-run",
            "--message-format",
            "json",
        ],
    )
    .output()?;
    anyhow::ensure!(
        built.status.success(),
        "the end-to-end tests do not build: {}",
        String::from_utf8_lossy(&built.stderr)
    );
    let lines = String::from_utf8_lossy(&built.stdout).into_owned();
    let executable = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|told| {
            told.get("executable")?
                .as_str()
                .map(std::path::PathBuf::from)
        })
        .next_back();
    executable.ok_or_else(|| anyhow::anyhow!("cargo named no test binary"))
}
