//! Pages for people: links inside the project lead somewhere.

use std::path::Path;

use anyhow::Result;

use super::{Broken, read, tracked};
use crate::run::root;

/// Checks the relative links of every Markdown page.
pub(super) fn check() -> Result<Vec<Broken>> {
    let mut broken = Vec::new();
    for path in tracked(".md")? {
        for link in links(&read(&path)?) {
            let folder = path.parent().unwrap_or(Path::new(""));
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !root().join(folder).join(file).exists() {
                broken.push(format!(
                    "{}: the link to {link:?} leads nowhere",
                    path.display()
                ));
            }
        }
    }
    Ok(broken)
}

/// Targets of `[text](target)` that are no addresses. What stands in backticks is no link.
fn links(text: &str) -> Vec<String> {
    let prose: String = text
        .lines()
        .flat_map(|line| line.split('`').step_by(2))
        .collect();
    let targets = prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets
        .filter(|t| !t.contains("://") && !t.starts_with('#') && !t.contains(' '))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn finds_links() {
        let text = "[a](b.md#c) [d](https://e) ![f](g.svg) `[x](y)`";
        assert_eq!(super::links(text), ["b.md#c", "g.svg"]);
    }
}
