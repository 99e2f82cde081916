//! Names say what a thing is; these words say nothing.

use std::path::Path;

use anyhow::Result;

use super::{Broken, read, tracked};

/// Words that no file, module or type may be called by.
const EMPTY_WORDS: [&str; 8] = [
    "util", "utils", "helper", "helpers", "manager", "handler", "common", "misc",
];

/// Names that the field itself gives: a Flux field, and Kubernetes' field managers.
const GIVEN: [&str; 2] = ["CommonMetadata", "manager_words"];

/// Checks the names of Rust files and of the types and functions in them.
pub(super) fn check() -> Result<Vec<Broken>> {
    let mut broken = Vec::new();
    for path in tracked(".rs")? {
        let stem = path
            .file_stem()
            .map(|s| s.to_string_lossy().into_owned())
            .unwrap_or_default();
        if words(&stem).any(|w| EMPTY_WORDS.contains(&w.as_str())) || stem == "mod" {
            broken.push(format!(
                "{}: a file must be named for what it holds",
                path.display()
            ));
        }
        broken.extend(judge(&path, &read(&path)?));
    }
    Ok(broken)
}

fn judge(path: &Path, text: &str) -> Vec<Broken> {
    let mut broken = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let Some(name) = defined(line).filter(|name| !GIVEN.contains(&name.as_str())) else {
            continue;
        };
        if let Some(word) = words(&name).find(|w| EMPTY_WORDS.contains(&w.as_str())) {
            let at = number.saturating_add(1);
            broken.push(format!(
                "{}:{at}: {name:?} says {word:?}; name it for what it does",
                path.display()
            ));
        }
    }
    broken
}

/// The name that a line defines, if it defines one.
fn defined(line: &str) -> Option<String> {
    let mut words = line
        .split_whitespace()
        .skip_while(|w| matches!(*w, "async" | "const" | "unsafe") || w.starts_with("pub"));
    let keyword = words.next()?;
    if !matches!(keyword, "fn" | "struct" | "enum" | "trait" | "mod" | "type") {
        return None;
    }
    let name = words.next()?;
    Some(
        name.split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .unwrap_or_default()
            .to_owned(),
    )
}

/// The words of a `snake_case` or `CamelCase` name, in lower case.
fn words(name: &str) -> impl Iterator<Item = String> {
    let mut out: Vec<String> = vec![String::new()];
    for c in name.chars() {
        let is_start = c == '_' || c == '-' || c.is_uppercase();
        if is_start {
            out.push(String::new());
        }
        if let Some(last) = out.last_mut().filter(|_| c.is_alphanumeric()) {
            last.extend(c.to_lowercase());
        }
    }
    out.into_iter().filter(|w| !w.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_empty_words() {
        let count = |text: &str| judge(Path::new("a.rs"), text).len();
        assert_eq!(count("pub(crate) struct LeaseManager {"), 1);
        assert_eq!(count("    async fn handler(x: u8) {"), 1);
        assert_eq!(count("struct FieldManagers; let manager = 1;"), 0);
    }
}
