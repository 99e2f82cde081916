//! Reads the keys and values of a generated object.

use std::collections::BTreeSet;

use crate::accumulate::{Builder, Layer};
use crate::error::Fault;
use crate::kustomization::Generator;

/// Reads env files, literals and files; a key may come once.
pub(super) fn read(
    builder: &mut Builder<'_>,
    layer: &Layer<'_>,
    generator: &Generator,
) -> Result<Vec<(String, Vec<u8>)>, Fault> {
    let mut pairs = Vec::new();
    for path in &generator.envs {
        let content = builder.file(&layer.folder.join(path)?)?;
        env_file(path, content, &mut pairs)?;
    }
    for source in &generator.literals {
        let (key, value) = literal(source)?;
        pairs.push((key.to_owned(), value.as_bytes().to_vec()));
    }
    for source in &generator.files {
        let (key, path) = file_source(source)?;
        let content = builder.file(&layer.folder.join(path)?)?;
        pairs.push((key.to_owned(), content.to_vec()));
    }
    let mut seen = BTreeSet::new();
    for (key, _) in &pairs {
        if !is_key(key) {
            return Err(Fault::BadValue(format!(
                "key {key:?} may have letters, digits, \"-\", \"_\" and \".\" only"
            )));
        }
        if !seen.insert(key) {
            return Err(Fault::BadValue(format!("key {key:?} is given twice")));
        }
    }
    Ok(pairs)
}

fn is_key(key: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !key.is_empty() && key.bytes().all(fits)
}

fn env_file(path: &str, content: &[u8], pairs: &mut Vec<(String, Vec<u8>)>) -> Result<(), Fault> {
    let text = std::str::from_utf8(content).map_err(|_| Fault::NotText)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (at, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if !is_key(key)
            || key.starts_with(|c: char| c.is_ascii_digit())
            || key == "."
            || key == ".."
        {
            return Err(Fault::BadValue(format!(
                "line {} of env file {path:?} does not start with the name of a variable",
                at.saturating_add(1)
            )));
        }
        pairs.push((key.to_owned(), value.as_bytes().to_vec()));
    }
    Ok(())
}

/// `key=value`, the value bare or in one pair of quotes.
fn literal(source: &str) -> Result<(&str, &str), Fault> {
    let (key, value) = source
        .split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| Fault::BadValue("a literal must be key=value".to_owned()))?;
    let unquoted = ['"', '\'']
        .iter()
        .filter(|_| value.len() >= 2)
        .find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q));
    Ok((key, unquoted.unwrap_or(value)))
}

/// `path`, whose last part is the key, or `key=path`.
fn file_source(source: &str) -> Result<(&str, &str), Fault> {
    let Some((key, path)) = source.split_once('=') else {
        let name = source.trim_end_matches('/');
        return Ok((name.rsplit_once('/').map_or(name, |(_, name)| name), source));
    };
    if key.is_empty() || path.is_empty() || path.contains('=') {
        let why = format!("file source {source:?} must be a path or key=path");
        return Err(Fault::BadValue(why));
    }
    Ok((key, path))
}
