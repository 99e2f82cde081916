//! Every Rust file says what it is, and none grows past what a reader can hold.

use std::path::Path;

use anyhow::Result;

use super::{Broken, read, tracked};

/// Longest file. The aim is 300; past this a file is two.
const LINES_MAX: usize = 600;

/// Longest first line of a header.
const HEADER_COLUMNS_MAX: usize = 120;

/// Checks the header and the size of each Rust file.
pub(super) fn check() -> Result<Vec<Broken>> {
    let mut broken = Vec::new();
    for path in tracked(".rs")? {
        broken.extend(judge(&path, &read(&path)?));
    }
    Ok(broken)
}

fn judge(path: &Path, text: &str) -> Vec<Broken> {
    let mut broken = Vec::new();
    let shown = path.display();
    let first = text.lines().next().unwrap_or_default();
    if !first.starts_with("//! ") {
        broken.push(format!(
            "{shown}: its first line must say what it does, as `//! …`"
        ));
    }
    if first.chars().count() > HEADER_COLUMNS_MAX {
        broken.push(format!(
            "{shown}: its first line is longer than {HEADER_COLUMNS_MAX} columns"
        ));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        broken.push(format!(
            "{shown}: {lines} lines; split what is two ideas ({LINES_MAX} at most)"
        ));
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_wrong() {
        let judge = |text: &str| judge(Path::new("a.rs"), text).len();
        assert_eq!(judge("//! Reads.\n"), 0);
        assert_eq!(judge("use x;\n"), 1);
        assert_eq!(judge(&format!("//! Reads.\n{}", "\n".repeat(700))), 1);
    }
}
