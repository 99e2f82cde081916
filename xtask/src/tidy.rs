//! The rules of the house that no other tool knows. Each is also a test.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::run::{output, root};

mod arrows;
mod files;
mod names;
mod pages;

/// Something that breaks a rule, and where.
type Broken = String;

/// Checks every rule.
pub(crate) fn tidy() -> Result<()> {
    let mut broken = arrows::check()?;
    broken.extend(files::check()?);
    broken.extend(names::check()?);
    broken.extend(pages::check()?);
    if broken.is_empty() {
        return Ok(());
    }
    bail!("{} rules broken:\n  {}", broken.len(), broken.join("\n  "))
}

/// The committed or new files with this ending, as paths from the root.
fn tracked(ending: &str) -> Result<Vec<PathBuf>> {
    let listed = output(
        "git",
        &["ls-files", "--cached", "--others", "--exclude-standard"],
    )?;
    let all = listed.lines().map(PathBuf::from);
    Ok(all
        .filter(|path| path.to_string_lossy().ends_with(ending) && root().join(path).exists())
        .collect())
}

/// Reads a file of the checkout.
fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(root().join(path))
        .with_context(|| format!("failed to read {}", path.display()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_house_is_tidy() {
        super::tidy().unwrap();
    }
}
