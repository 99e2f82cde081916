//! Puts variables into text as Flux's `postBuild` does, in its strict mode.
//!
//! The language looks like a shell's and is not: `${v:+d}` and `${v:?d}` mean
//! what `${v:-d}` means, patterns of `/` are literal, offsets count bytes. A
//! variable that is absent and has no default is an error. Values are not read
//! again. `$v` and `$(v)` are left alone; `$$` is `$`.

use std::collections::BTreeMap;

/// How deep `${a:-${b:-…}}` may nest.
const DEPTH_MAX: usize = 32;
/// Bytes of the result.
const RESULT_BYTES_MAX: usize = 16 << 20;

/// Why the text could not be filled in. No variant holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SubstituteError {
    #[error("variable not set (strict mode): {0:?}")]
    NotSet(String),
    #[error("missing closing brace")]
    MissingBrace,
    #[error("unable to parse variable name")]
    BadName,
    #[error("bad substitution within ${{{0}}}")]
    BadSubstitution(String),
    #[error("nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    #[error("the result is longer than {RESULT_BYTES_MAX} bytes")]
    TooLong,
}

type Variables = BTreeMap<String, String>;

/// Fills in `text`.
pub(crate) fn substitute(text: &str, variables: &Variables) -> Result<String, SubstituteError> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, dollar) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        if let Some(after) = dollar.strip_prefix("$$") {
            out.push('$');
            rest = after;
        } else if let Some(inside) = dollar.strip_prefix("${") {
            let value;
            (value, rest) = expand(inside, variables, 0)?;
            out.push_str(&value);
        } else {
            out.push('$');
            rest = dollar.strip_prefix('$').unwrap_or_default();
        }
        if out.len() > RESULT_BYTES_MAX {
            return Err(SubstituteError::TooLong);
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Expands what follows `${`, to and with its closing brace; gives the rest.
fn expand<'a>(
    inside: &'a str,
    variables: &Variables,
    depth: usize,
) -> Result<(String, &'a str), SubstituteError> {
    if depth >= DEPTH_MAX {
        return Err(SubstituteError::TooDeep);
    }
    let (is_length, inside) = match inside.strip_prefix('#') {
        Some(rest) => (true, rest),
        None => (false, inside),
    };
    let end = inside
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(inside.len());
    let (name, rest) = inside.split_at_checked(end).unwrap_or((inside, ""));
    if name.is_empty() {
        return Err(SubstituteError::BadName);
    }
    let value = variables.get(name);
    let needed = || {
        value
            .cloned()
            .ok_or_else(|| SubstituteError::NotSet(name.to_owned()))
    };
    if is_length {
        let rest = rest
            .strip_prefix('}')
            .ok_or(SubstituteError::MissingBrace)?;
        return Ok((needed()?.len().to_string(), rest));
    }
    if let Some(rest) = rest.strip_prefix('}') {
        return Ok((needed()?, rest));
    }
    for operator in [":-", ":=", ":+", ":?", "="] {
        if let Some(rest) = rest.strip_prefix(operator) {
            let (default, rest) = argument(rest, &[], variables, depth)?;
            let value = value.filter(|value| !value.is_empty()).cloned();
            return Ok((value.unwrap_or(default), close(rest)?));
        }
    }
    if let Some(rest) = rest.strip_prefix(':') {
        return slice(name, needed, rest, variables, depth);
    }
    if let Some(rest) = rest.strip_prefix('/') {
        return replace(name, needed, rest, variables, depth);
    }
    if rest.starts_with(['#', '%']) {
        return trim(name, needed, rest, variables, depth);
    }
    for (operator, change) in CASES {
        if let Some(rest) = rest.strip_prefix(operator) {
            let rest = close(rest)?;
            return Ok((change(&needed()?), rest));
        }
    }
    Err(SubstituteError::MissingBrace)
}

type Change = fn(&str) -> String;

const CASES: [(&str, Change); 4] = [
    ("^^", |text| text.to_uppercase()),
    (",,", |text| text.to_lowercase()),
    ("^", |text| first(text, |c| c.to_uppercase().collect())),
    (",", |text| first(text, |c| c.to_lowercase().collect())),
];

fn first(text: &str, change: fn(char) -> String) -> String {
    let mut rest = text.chars();
    rest.next()
        .map(|c| change(c) + rest.as_str())
        .unwrap_or_default()
}

fn close(rest: &str) -> Result<&str, SubstituteError> {
    rest.strip_prefix('}').ok_or(SubstituteError::MissingBrace)
}

/// Reads an argument up to a closing brace or one of `ends`, both left unread.
fn argument<'a>(
    mut rest: &'a str,
    ends: &[char],
    variables: &Variables,
    depth: usize,
) -> Result<(String, &'a str), SubstituteError> {
    let mut out = String::new();
    loop {
        if let Some(inside) = rest.strip_prefix("${") {
            let value;
            (value, rest) = expand(inside, variables, depth.saturating_add(1))?;
            out.push_str(&value);
            continue;
        }
        let Some(c) = rest.chars().next() else {
            return Err(SubstituteError::MissingBrace);
        };
        if c == '}' || ends.contains(&c) {
            return Ok((out, rest));
        }
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        match after
            .chars()
            .next()
            .filter(|next| c == '\\' && ends.contains(next))
        {
            Some(escaped) => {
                out.push(escaped);
                rest = after.get(escaped.len_utf8()..).unwrap_or_default();
            }
            None => {
                out.push(c);
                rest = after;
            }
        }
    }
}

/// `${v:offset}` and `${v:offset:length}`, in bytes.
fn slice<'a>(
    name: &str,
    needed: impl Fn() -> Result<String, SubstituteError>,
    rest: &'a str,
    variables: &Variables,
    depth: usize,
) -> Result<(String, &'a str), SubstituteError> {
    let (offset, rest) = argument(rest, &[':'], variables, depth)?;
    if offset.is_empty() {
        return Err(SubstituteError::BadSubstitution(name.to_owned()));
    }
    let (length, rest) = match rest.strip_prefix(':') {
        Some(rest) => {
            let (length, rest) = argument(rest, &[':'], variables, depth)?;
            (Some(length), rest)
        }
        None => (None, rest),
    };
    let rest = close(rest)?;
    let value = needed()?;
    let Ok(offset) = offset.parse::<usize>() else {
        return Ok((value, rest));
    };
    let tail = value.as_bytes().get(offset..).unwrap_or_default();
    let length = match length.as_deref().map(str::parse::<i64>) {
        None => tail.len(),
        Some(Err(_)) => return Ok((value, rest)),
        // A negative length counts from the end.
        Some(Ok(length)) if length < 0 => {
            let cut = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX);
            tail.len().saturating_sub(cut)
        }
        Some(Ok(length)) => usize::try_from(length).unwrap_or(usize::MAX),
    };
    let piece = tail.get(..length.min(tail.len())).unwrap_or_default();
    Ok((String::from_utf8_lossy(piece).into_owned(), rest))
}

/// `${v/o/n}` and its forms; the pattern is literal.
fn replace<'a>(
    name: &str,
    needed: impl Fn() -> Result<String, SubstituteError>,
    rest: &'a str,
    variables: &Variables,
    depth: usize,
) -> Result<(String, &'a str), SubstituteError> {
    let (how, rest) = match rest.chars().next() {
        Some(c @ ('/' | '#' | '%')) => (Some(c), rest.get(1..).unwrap_or_default()),
        Some(_) | None => (None, rest),
    };
    let (old, rest) = argument(rest, &['/'], variables, depth)?;
    let rest = rest
        .strip_prefix('/')
        .ok_or_else(|| SubstituteError::BadSubstitution(name.to_owned()))?;
    let (new, rest) = argument(rest, &['/'], variables, depth)?;
    let rest = close(rest)?;
    let value = needed()?;
    let replaced = match how {
        Some('/') => value.replace(&old, &new),
        Some('#') => value
            .strip_prefix(&old)
            .map_or_else(|| value.clone(), |tail| format!("{new}{tail}")),
        Some(_) => value
            .strip_suffix(&old)
            .map_or_else(|| value.clone(), |head| format!("{head}{new}")),
        None => value.replacen(&old, &new, 1),
    };
    Ok((replaced, rest))
}

/// `${v#p}`, `${v##p}`, `${v%p}`, `${v%%p}`: cuts what a glob matches off an end.
///
/// At the back, value and pattern are both read backwards, classes included, so
/// that `[a-z]` matches nothing there.
fn trim<'a>(
    name: &str,
    needed: impl Fn() -> Result<String, SubstituteError>,
    rest: &'a str,
    variables: &Variables,
    depth: usize,
) -> Result<(String, &'a str), SubstituteError> {
    let is_front = rest.starts_with('#');
    let mark = if is_front { "#" } else { "%" };
    let rest = rest.strip_prefix(mark).unwrap_or(rest);
    let (is_longest, rest) = rest
        .strip_prefix(mark)
        .map_or((false, rest), |rest| (true, rest));
    let (pattern, rest) = argument(rest, &[], variables, depth)?;
    let rest = close(rest)?;
    if pattern.is_empty() {
        return Err(SubstituteError::BadSubstitution(name.to_owned()));
    }
    let value = needed()?;
    let kept = if is_front {
        trim_front(&value, &pattern, is_longest).to_owned()
    } else {
        backwards(trim_front(
            &backwards(&value),
            &backwards(&pattern),
            is_longest,
        ))
    };
    Ok((kept, rest))
}

fn backwards(text: &str) -> String {
    text.chars().rev().collect()
}

fn trim_front<'a>(value: &'a str, pattern: &str, is_longest: bool) -> &'a str {
    // An empty match cuts nothing, so the cuts start after the first character.
    let mut cuts: Vec<usize> = value
        .char_indices()
        .map(|(at, c)| at.saturating_add(c.len_utf8()))
        .collect();
    if is_longest {
        cuts.reverse();
    }
    let matched = cuts
        .into_iter()
        .filter_map(|cut| value.split_at_checked(cut));
    matched
        .into_iter()
        .find(|(head, _)| sources::glob::matches(pattern, head))
        .map_or(value, |(_, tail)| tail)
}

#[cfg(test)]
mod tests;
