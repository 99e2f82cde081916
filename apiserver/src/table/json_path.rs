//! Finds values by the JSONPath dialect of printer columns: fields, indexes, `[*]`, and filters by equality.

use serde_json::Value;

use crate::status::plain;

/// The values at a path, none when the path cannot be read.
pub(super) fn find<'a>(object: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![object];
    let mut rest = path
        .trim()
        .trim_start_matches('{')
        .trim_end_matches('}')
        .trim_start_matches('$');
    while !rest.is_empty() {
        let Some((step, after)) = next_step(rest) else {
            return Vec::new();
        };
        found = found
            .into_iter()
            .flat_map(|value| step.take(value))
            .collect();
        rest = after;
    }
    found
}

enum Step {
    Field(String),
    Index(i64),
    Every,
    /// Items whose field has this text.
    Where(String, String),
}

impl Step {
    fn take<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        let items = || value.as_array().map_or(&[][..], Vec::as_slice);
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Index(index) => {
                let from_end = usize::try_from(-index)
                    .ok()
                    .and_then(|back| items().len().checked_sub(back));
                let index = usize::try_from(*index).ok().or(from_end);
                index
                    .and_then(|index| items().get(index))
                    .into_iter()
                    .collect()
            }
            Self::Every => match value {
                Value::Object(map) => map.values().collect(),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_) => items().iter().collect(),
            },
            Self::Where(path, wanted) => items()
                .iter()
                .filter(|item| find(item, path).iter().any(|found| plain(found) == *wanted))
                .collect(),
        }
    }
}

fn next_step(path: &str) -> Option<(Step, &str)> {
    if let Some(rest) = path.strip_prefix('[') {
        let end = closing(rest)?;
        let (inside, after) = rest.split_at_checked(end)?;
        return Some((bracket(inside)?, after.strip_prefix(']')?));
    }
    let rest = path.strip_prefix('.').unwrap_or(path);
    let mut name = String::new();
    let mut chars = rest.char_indices();
    let mut end = rest.len();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, escaped)| escaped)),
            '.' | '[' => {
                end = at;
                break;
            }
            other => name.push(other),
        }
    }
    let after = rest.get(end..)?;
    match name.as_str() {
        "" if after.is_empty() => None,
        "" => next_step(after),
        "*" => Some((Step::Every, after)),
        _ => Some((Step::Field(name), after)),
    }
}

/// Where the bracket closes, outside quotes.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    text.find(|c| match (quote, c) {
        (Some(open), c) if c == open => {
            quote = None;
            false
        }
        (None, '\'' | '"') => {
            quote = Some(c);
            false
        }
        (None, ']') => true,
        _ => false,
    })
}

fn bracket(inside: &str) -> Option<Step> {
    if inside == "*" {
        return Some(Step::Every);
    }
    if let Some(filter) = inside
        .strip_prefix("?(")
        .and_then(|rest| rest.strip_suffix(')'))
    {
        let (left, right) = filter.split_once("==")?;
        let path = left.trim().strip_prefix('@')?.to_owned();
        return Some(Step::Where(path, unquoted(right.trim()).to_owned()));
    }
    match inside.parse() {
        Ok(index) => Some(Step::Index(index)),
        Err(_) => Some(Step::Field(unquoted(inside).to_owned())),
    }
}

fn unquoted(text: &str) -> &str {
    text.trim_matches(['\'', '"'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_of_printer_columns() {
        let object = json!({
            "metadata": { "annotations": { "a.b/c": "x" } },
            "status": { "conditions": [{ "type": "Ready", "status": "True" }, { "type": "Other", "status": "False" }] },
        });
        for (path, wanted) in [
            (
                ".status.conditions[?(@.type==\"Ready\")].status",
                vec!["True"],
            ),
            (
                ".status.conditions[?(@.type == 'Other')].status",
                vec!["False"],
            ),
            (".status.conditions[*].type", vec!["Ready", "Other"]),
            (".status.conditions[-1].type", vec!["Other"]),
            (".metadata.annotations.a\\.b/c", vec!["x"]),
            (".metadata.annotations['a.b/c']", vec!["x"]),
            (".status.none", vec![]),
            (".status.conditions[", vec![]),
        ] {
            assert_eq!(
                find(&object, path),
                wanted
                    .into_iter()
                    .map(|text| json!(text))
                    .collect::<Vec<_>>()
                    .iter()
                    .collect::<Vec<_>>(),
                "{path}"
            );
        }
    }
}
