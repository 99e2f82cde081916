//! Installs what the checks need on a fresh Debian-like machine with Rust, Go and root.
//!
//! The real data plane is in `setup/data_plane.rs`, the meshes' definitions are in `setup/crds.rs`.

use std::path::PathBuf;

use anyhow::{Context, Result};

pub(crate) use data_plane::DataPlane;

use crate::run::{answers, command, root, run, run_command};

mod crds;
mod data_plane;

/// Debian packages of the real node: container runtime, CNI plugins, network tools, Prometheus; pip for Envoy.
const DEBIAN: [&str; 9] = [
    "runc",
    "containernetworking-plugins",
    "iptables",
    "iproute2",
    "openssl",
    "prometheus",
    "git",
    "python3",
    "python3-pip",
];

/// The workload of the end-to-end runs, a Go module.
const PODINFO: &str = "github.com/stefanprodan/podinfo/cmd/podinfo@latest";

/// Where built tools are kept between runs.
pub(crate) fn tools() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("CLUSTER_BIN") {
        return Ok(dir.into());
    }
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(dir) => PathBuf::from(dir),
        None => {
            PathBuf::from(std::env::var_os("HOME").context("HOME is not set; set CLUSTER_BIN")?)
                .join(".cache")
        }
    };
    Ok(cache.join("sluice").join("cluster-bin"))
}

/// Everything for every check.
pub(crate) fn setup() -> Result<()> {
    deny()?;
    debian()?;
    cluster()?;
    crds()?;
    data_plane().map(drop)
}

/// `cargo deny`, which judges the licences and origins of what we link.
pub(crate) fn deny() -> Result<()> {
    if answers("cargo", &["deny", "--version"]) {
        return Ok(());
    }
    run("cargo", &["install", "cargo-deny", "--locked"])
}

/// The Debian packages, if one of their programs is missing.
pub(crate) fn debian() -> Result<()> {
    let is_there = |program: &str| {
        answers(
            "sh",
            &["-c", &format!("PATH=$PATH:/usr/sbin; command -v {program}")],
        )
    };
    let programs = [
        "runc",
        "iptables",
        "ip",
        "openssl",
        "prometheus",
        "git",
        "python3",
    ];
    let has_cni = std::path::Path::new("/usr/lib/cni/bridge").exists();
    let has_pip = answers("python3", &["-m", "pip", "--version"]);
    if programs.iter().all(|p| is_there(p)) && has_cni && has_pip {
        return Ok(());
    }
    run("apt-get", &["update", "-qq"])?;
    let mut install = command(
        "apt-get",
        &["install", "-y", "-qq", "--no-install-recommends"],
    );
    install
        .args(DEBIAN)
        .env("DEBIAN_FRONTEND", "noninteractive");
    run_command(&mut install)
}

/// The binaries of the real node, from Go modules: about ten minutes the first time on two cores.
pub(crate) fn cluster() -> Result<()> {
    let tools = tools()?;
    std::fs::create_dir_all(&tools)?;
    if !tools.join("pause").exists() {
        let mut build = command("bash", &["e2e/cluster/cluster", "build"]);
        run_command(build.env("CLUSTER_BIN", &tools))?;
    }
    if !tools.join("podinfo").exists() {
        let mut install = command("go", &["install", PODINFO]);
        run_command(install.env("GOBIN", &tools).env("CGO_ENABLED", "0"))?;
    }
    Ok(())
}

/// The folder of the meshes' definitions, a folder a mesh.
pub(crate) fn crds() -> Result<PathBuf> {
    crds::install(&tools()?)
}

/// Contour and Envoy.
pub(crate) fn data_plane() -> Result<DataPlane> {
    data_plane::install(&tools()?)
}

/// The cluster script.
pub(crate) fn cluster_script() -> PathBuf {
    root().join("e2e/cluster/cluster")
}
