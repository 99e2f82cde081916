//! Brings the meshes' own custom resource definitions, each out of the Go module that has it.
//!
//! None is committed: a module is downloaded once and its files are copied to where the tests look.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Deserializer, Value};

use super::data_plane::CONTOUR_VERSION;
use crate::run::output;

/// A module and what is taken out of it.
struct Module {
    /// The folder that the tests name.
    name: &'static str,
    module: &'static str,
    version: &'static str,
    /// Files, or folders of files, of definitions.
    paths: &'static [&'static str],
}

/// In all 64 MB of archives; Contour's is there for its program anyhow.
const MODULES: [Module; 9] = [
    Module {
        name: "gateway-api",
        module: "sigs.k8s.io/gateway-api",
        version: "v1.5.1",
        paths: &["config/crd/standard"],
    },
    Module {
        name: "contour",
        module: "github.com/projectcontour/contour",
        version: CONTOUR_VERSION,
        paths: &["examples/contour/01-crds.yaml"],
    },
    Module {
        name: "istio",
        module: "istio.io/api",
        version: "v1.31.1",
        paths: &["kubernetes/customresourcedefinitions.gen.yaml"],
    },
    Module {
        name: "osm",
        module: "github.com/openservicemesh/osm",
        version: "v1.2.4",
        paths: &["cmd/osm-bootstrap/crds/smi_traffic_split.yaml"],
    },
    Module {
        name: "appmesh",
        module: "github.com/aws/aws-app-mesh-controller-for-k8s",
        version: "v0.5.0",
        paths: &["deploy/all.yaml"],
    },
    Module {
        name: "traefik",
        module: "github.com/traefik/traefik/v3",
        version: "v3.7.13",
        paths: &["docs/content/reference/dynamic-configuration/traefik.io_traefikservices.yaml"],
    },
    Module {
        name: "apisix",
        module: "github.com/apache/apisix-ingress-controller",
        version: "v1.8.4",
        paths: &["samples/deploy/crd/v1/ApisixRoute.yaml"],
    },
    Module {
        name: "knative",
        module: "knative.dev/serving",
        version: "v0.51.0",
        paths: &[
            "config/core/300-resources/service.yaml",
            "config/core/300-resources/revision.yaml",
        ],
    },
    Module {
        name: "keda",
        module: "github.com/kedacore/keda/v2",
        version: "v2.21.0",
        paths: &["config/crd/bases/keda.sh_scaledobjects.yaml"],
    },
];

/// Copies the definitions to `<tools>/crds/<name>/`, and gives that folder.
pub(super) fn install(tools: &Path) -> Result<PathBuf> {
    let folders = downloaded()?;
    let crds = tools.join("crds");
    for wanted in &MODULES {
        let from = folders
            .get(wanted.module)
            .with_context(|| format!("go mod download named no folder of {}", wanted.module))?;
        let to = crds.join(wanted.name);
        let _ = fs::remove_dir_all(&to);
        fs::create_dir_all(&to)?;
        for path in wanted.paths {
            copy(&from.join(path), &to)
                .with_context(|| format!("{} has no {path}", wanted.module))?;
        }
    }
    Ok(crds)
}

/// The folder of each module.
fn downloaded() -> Result<BTreeMap<String, PathBuf>> {
    let wanted = MODULES.map(|one| format!("{}@{}", one.module, one.version));
    let mut arguments = vec!["mod", "download", "-json"];
    arguments.extend(wanted.iter().map(String::as_str));
    let told = output("go", &arguments)?;
    let mut folders = BTreeMap::new();
    for module in Deserializer::from_str(&told).into_iter::<Value>() {
        let module = module.context("go mod download told no JSON")?;
        let text = |key: &str| module.get(key).and_then(Value::as_str);
        if let (Some(path), Some(folder)) = (text("Path"), text("Dir")) {
            folders.insert(path.to_owned(), PathBuf::from(folder));
        }
    }
    Ok(folders)
}

/// Copies a file, or each file of a folder. Written anew, because Go's cache is read-only.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        let name = from.file_name().context("a file has a name")?;
        fs::write(to.join(name), fs::read(from)?)?;
        return Ok(());
    }
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "yaml") {
            copy(&path, to)?;
        }
    }
    Ok(())
}
