//! Visits fields by kustomize's paths, which do not tell lists from maps.
//!
//! `spec/containers/image` visits the image of every container. A part that
//! ends in `[]` must be a list and is never made. `\/` stands for a slash.

use serde_json::{Map, Value};

use crate::error::Fault;
use crate::id::Gvk;

/// Which objects have the field; empty parts match anything.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Owner {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
}

impl Owner {
    pub(crate) fn matches(&self, gvk: &Gvk) -> bool {
        matches(self.group, self.version, self.kind, gvk)
    }
}

/// True when each part is empty or equal.
pub(crate) fn matches(group: &str, version: &str, kind: &str, gvk: &Gvk) -> bool {
    (kind.is_empty() || kind == gvk.kind)
        && (group.is_empty() || group == gvk.group)
        && (version.is_empty() || version == gvk.version)
}

/// What to put where a path ends in nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Create {
    /// Leave it missing.
    Nothing,
    /// A map.
    Map,
    /// A null that the visitor turns into a scalar.
    Scalar,
}

/// What is done to a field that was found.
pub(crate) type Visit<'a> = dyn FnMut(&mut Value) -> Result<(), Fault> + 'a;

/// Visits every value at `path`.
///
/// # Errors
/// When a part of the path is a scalar, or `visit` fails.
pub(crate) fn visit(
    json: &mut Value,
    path: &str,
    create: Create,
    visit: &mut Visit<'_>,
) -> Result<(), Fault> {
    visit_parts(json, path, &split(path), create, visit)
}

/// As [`visit`] with the path split already; `path` is for errors.
///
/// # Errors
/// As [`visit`].
pub(crate) fn visit_parts(
    json: &mut Value,
    path: &str,
    parts: &[String],
    create: Create,
    visit: &mut Visit<'_>,
) -> Result<(), Fault> {
    descend(json, parts, create, visit).map_err(|fault| {
        if let Fault::BadValue(why) = fault {
            return Fault::BadValue(format!("field {path:?}: {why}"));
        }
        fault
    })
}

fn descend(
    json: &mut Value,
    parts: &[String],
    create: Create,
    found: &mut Visit<'_>,
) -> Result<(), Fault> {
    let Some((part, rest)) = parts.split_first() else {
        return found(json);
    };
    match json {
        Value::Null => Ok(()),
        Value::Array(items) => items
            .iter_mut()
            .try_for_each(|item| descend(item, parts, create, found)),
        Value::Object(object) => {
            let (key, is_list) = match part.strip_suffix("[]") {
                Some(key) => (key, true),
                None => (part.as_str(), false),
            };
            let may_create = create != Create::Nothing && !is_list;
            if may_create && object.get(key).is_none_or(Value::is_null) {
                let made = if rest.is_empty() && create == Create::Scalar {
                    Value::Null
                } else {
                    Value::Object(Map::new())
                };
                object.insert(key.to_owned(), made);
            }
            match object.get_mut(key) {
                Some(next) => descend(next, rest, create, found),
                None => Ok(()),
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(Fault::BadValue(format!(
            "a map or list is wanted where {part:?} is looked for, not a scalar"
        ))),
    }
}

/// Splits a path at its slashes.
pub(crate) fn split(path: &str) -> Vec<String> {
    const ESCAPED: &str = "\u{0}";
    if !path.contains('\\') {
        return path.split('/').map(str::to_owned).collect();
    }
    path.replace("\\/", ESCAPED)
        .split('/')
        .map(|part| part.replace(ESCAPED, "/"))
        .collect()
}
