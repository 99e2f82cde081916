//! Writes the files made from code, or says that they are stale.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::chart;
use crate::run::root;

/// First line of a generated file.
const HEADER: &str = "# Made from the Rust types by `cargo x generate`; edit those.\n";

/// Writes the generated files; with `check`, only compares.
pub(crate) fn generate(check: bool) -> Result<()> {
    let mut stale = Vec::new();
    for (path, wanted) in files()? {
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        if found == wanted {
            continue;
        }
        if check {
            stale.push(path.display().to_string());
            continue;
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, wanted)
            .with_context(|| format!("failed to write {}", path.display()))?;
    }
    if stale.is_empty() {
        return Ok(());
    }
    bail!("stale: {}; run `cargo x generate`", stale.join(", "))
}

/// Path and content of each generated file.
fn files() -> Result<Vec<(PathBuf, String)>> {
    let folder = root().join("deploy/crds");
    let mut files = definitions(&folder)?;
    files.extend(chart::files(&files)?);
    Ok(files)
}

fn definitions(folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    api::crd::all()
        .into_iter()
        .map(|crd| {
            let name = crd
                .pointer("/metadata/name")
                .and_then(serde_json::Value::as_str)
                .context("a CRD without a name")?;
            let (plural, group) = name.split_once('.').context("a CRD name without a dot")?;
            let text = format!(
                "{HEADER}{}",
                goyaml::to_string(&goyaml::Value::from(crd.clone()))
            );
            Ok((folder.join(format!("{group}_{plural}.yaml")), text))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn generated_files_are_fresh() {
        super::generate(true).unwrap();
    }
}
