//! Tracks which manager owns which field, and carries out server-side apply.
//!
//! The rules are those of structured-merge-diff's updater: an update takes over what it changes, an apply owns what it
//! names, a conflict is a change of a field that another manager owns, and a field no longer applied by anyone goes.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

pub(crate) mod field_set;
pub(crate) mod merge;
mod skeleton;

use self::{
    field_set::FieldSet,
    merge::{Comparison, compare, paths_of},
};
use crate::{
    object::{at, put, take},
    schema::Schema,
    status::ApiError,
};

/// Update entries kept apart before the oldest are merged into one, as kube-apiserver caps them.
const UPDATE_ENTRIES_MAX: usize = 10;

/// One manager's part in an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    manager: String,
    is_apply: bool,
    api_version: String,
    subresource: String,
    time: String,
    set: FieldSet,
}

/// Who writes, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(crate) manager: &'a str,
    pub(crate) api_version: &'a str,
    pub(crate) subresource: &'a str,
    /// Whether the status is written elsewhere, so that the main resource owns nothing of it.
    pub(crate) has_status: bool,
    pub(crate) now: DateTime<Utc>,
}

impl Writer<'_> {
    fn time(&self) -> String {
        self.now.to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// Drops paths that nobody owns, or that this endpoint does not write.
    fn restrict(&self, set: &mut FieldSet) {
        for field in ["f:apiVersion", "f:kind"] {
            set.cut(&[field]);
        }
        for field in [
            "f:name",
            "f:namespace",
            "f:creationTimestamp",
            "f:selfLink",
            "f:uid",
            "f:generation",
            "f:managedFields",
            "f:resourceVersion",
            "f:deletionTimestamp",
            "f:deletionGracePeriodSeconds",
        ] {
            set.cut(&["f:metadata", field]);
        }
        if self.subresource == "status" {
            set.keep("f:status");
        } else if self.has_status {
            set.cut(&["f:status"]);
        }
    }
}

/// Reads `metadata.managedFields`.
pub(crate) fn entries_of(object: &Value) -> Vec<Entry> {
    let word = |entry: &Value, key: &str| {
        entry
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    at(object, &["metadata", "managedFields"])
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|entry| entry.get("manager").is_some())
        .map(|entry| Entry {
            manager: word(entry, "manager"),
            is_apply: word(entry, "operation") == "Apply",
            api_version: word(entry, "apiVersion"),
            subresource: word(entry, "subresource"),
            time: word(entry, "time"),
            set: FieldSet::from_value(entry.get("fieldsV1").unwrap_or(&Value::Null)),
        })
        .collect()
}

/// Writes `metadata.managedFields`.
fn put_entries(object: &mut Value, mut entries: Vec<Entry>) {
    entries.retain(|entry| !entry.set.is_empty());
    entries.sort_by(|a, b| {
        (
            !a.is_apply,
            &a.time,
            &a.manager,
            &a.api_version,
            &a.subresource,
        )
            .cmp(&(
                !b.is_apply,
                &b.time,
                &b.manager,
                &b.api_version,
                &b.subresource,
            ))
    });
    if entries.is_empty() {
        take(object, &["metadata", "managedFields"]);
        return;
    }
    let list = entries.iter().map(entry_value).collect();
    put(object, &["metadata", "managedFields"], Value::Array(list));
}

fn entry_value(entry: &Entry) -> Value {
    let mut value = json!({
        "manager": entry.manager,
        "operation": if entry.is_apply { "Apply" } else { "Update" },
        "apiVersion": entry.api_version,
        "time": entry.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": entry.set.to_value(),
    });
    if !entry.subresource.is_empty() {
        crate::object::put(&mut value, &["subresource"], json!(entry.subresource));
    }
    value
}

/// Records a create or update from `old` to `new` in the managed fields of `new`.
///
/// Entries sent with the object take the place of those stored, so that clients may edit them; an empty entry resets.
pub(crate) fn track_update(
    old: Option<&Value>,
    new: &mut Value,
    schema: &Schema,
    writer: &Writer<'_>,
) {
    let sent = at(new, &["metadata", "managedFields"])
        .and_then(Value::as_array)
        .cloned();
    let is_reset = sent
        .as_ref()
        .is_some_and(|list| list.iter().all(|entry| entry.get("manager").is_none()))
        && old.is_some();
    let mut entries = match (&sent, old) {
        (Some(list), _) if !list.is_empty() => entries_of(new),
        (_, Some(old)) => entries_of(old),
        (_, None) => Vec::new(),
    };
    if is_reset {
        entries.clear();
    }
    take(new, &["metadata", "managedFields"]);
    let skeleton;
    let before = match old {
        Some(old) => old,
        None => {
            skeleton = skeleton::of(new, schema);
            &skeleton
        }
    };
    let found = compare(before, new, schema);
    disown(&mut entries, &found, |entry| is_update_by(entry, writer));
    let mut taken = found.added;
    taken.unite(&found.modified);
    writer.restrict(&mut taken);
    let position = entries.iter().position(|entry| is_update_by(entry, writer));
    match position.and_then(|position| entries.get_mut(position)) {
        Some(entry) => {
            entry.set = entry.set.minus(&found.removed);
            if !taken.is_empty() {
                entry.set.unite(&taken);
                entry.time = writer.time();
            }
        }
        None if !taken.is_empty() => entries.push(Entry {
            manager: writer.manager.to_owned(),
            is_apply: false,
            api_version: writer.api_version.to_owned(),
            subresource: writer.subresource.to_owned(),
            time: writer.time(),
            set: taken,
        }),
        None => {}
    }
    cap_updates(&mut entries);
    put_entries(new, entries);
}

fn is_update_by(entry: &Entry, writer: &Writer<'_>) -> bool {
    !entry.is_apply
        && entry.manager == writer.manager
        && entry.subresource == writer.subresource
        && entry.api_version == writer.api_version
}

fn is_apply_by(entry: &Entry, writer: &Writer<'_>) -> bool {
    entry.is_apply && entry.manager == writer.manager && entry.subresource == writer.subresource
}

/// Takes changed and removed fields from everyone but the writer.
fn disown(entries: &mut [Entry], found: &Comparison, is_writer: impl Fn(&Entry) -> bool) {
    for entry in entries.iter_mut().filter(|entry| !is_writer(entry)) {
        entry.set = entry
            .set
            .minus(&found.modified)
            .minus(&found.added)
            .minus(&found.removed);
    }
}

/// Merges the oldest update entries of one version into one when there are too many.
fn cap_updates(entries: &mut Vec<Entry>) {
    let mut updates: Vec<usize> = (0..entries.len())
        .filter(|index| entries.get(*index).is_some_and(|entry| !entry.is_apply))
        .collect();
    if updates.len() <= UPDATE_ENTRIES_MAX {
        return;
    }
    updates.sort_by_key(|index| entries.get(*index).map(|entry| entry.time.clone()));
    updates.truncate(updates.len() - UPDATE_ENTRIES_MAX + 1);
    let mut merged: Option<Entry> = None;
    for index in &updates {
        let Some(entry) = entries.get(*index) else {
            continue;
        };
        match &mut merged {
            Some(merged) => {
                merged.set.unite(&entry.set);
                merged.time.clone_from(&entry.time);
            }
            None => {
                merged = Some(Entry {
                    manager: "ancient-changes".to_owned(),
                    subresource: String::new(),
                    ..entry.clone()
                });
            }
        }
    }
    let mut index = 0;
    entries.retain(|_| {
        let keeps = !updates.contains(&index);
        index += 1;
        keeps
    });
    entries.extend(merged);
}

/// The object that results from an apply, with its managed fields.
///
/// # Errors
/// 409 when the apply would change fields of other managers and is not forced.
pub(crate) fn apply(
    live: Option<&Value>,
    applied: &Value,
    schema: &Schema,
    writer: &Writer<'_>,
    is_forced: bool,
) -> Result<Value, ApiError> {
    let empty;
    let live_or_empty = match live {
        Some(live) => live,
        None => {
            empty = json!({});
            &empty
        }
    };
    let mut base = live_or_empty.clone();
    take(&mut base, &["metadata", "managedFields"]);
    let mut entries = live.map(entries_of).unwrap_or_default();
    if let Some(live) = live
        && at(live, &["metadata", "managedFields"]).is_none()
    {
        entries.push(before_first_apply(&base, schema, writer));
    }
    let mut config = applied.clone();
    take(&mut config, &["metadata", "managedFields"]);
    // What the object names without owning it, such as its name, still must not go.
    let mut kept = paths_of(&config, schema);
    let mut named = kept.clone();
    writer.restrict(&mut named);
    let before = entries
        .iter()
        .find(|entry| is_apply_by(entry, writer))
        .map(|entry| entry.set.clone())
        .unwrap_or_default();
    let merged = merge::merge(&base, &config, schema);
    for entry in entries.iter().filter(|entry| !is_apply_by(entry, writer)) {
        kept.unite(&entry.set);
    }
    let gone = before.with_parents().minus(&kept.with_parents());
    let mut result = merge::without(&merged, schema, &gone);
    let found = compare(&base, &result, schema);
    if live.is_some() {
        let mut changed = found.modified.clone();
        changed.unite(&found.added);
        if !is_forced {
            refuse_conflicts(&entries, &changed, writer)?;
        }
        disown(&mut entries, &found, |entry| is_apply_by(entry, writer));
    }
    let is_unchanged = base == result && before == named;
    let time = entries
        .iter()
        .find(|entry| is_apply_by(entry, writer) && is_unchanged)
        .map_or_else(|| writer.time(), |entry| entry.time.clone());
    entries.retain(|entry| !is_apply_by(entry, writer));
    entries.push(Entry {
        manager: writer.manager.to_owned(),
        is_apply: true,
        api_version: writer.api_version.to_owned(),
        subresource: writer.subresource.to_owned(),
        time,
        set: named,
    });
    put_entries(&mut result, entries);
    Ok(result)
}

/// The entry for all that was there before anything was tracked.
fn before_first_apply(base: &Value, schema: &Schema, writer: &Writer<'_>) -> Entry {
    let mut set = paths_of(base, schema);
    Writer {
        subresource: "",
        ..*writer
    }
    .restrict(&mut set);
    Entry {
        manager: "before-first-apply".to_owned(),
        is_apply: false,
        api_version: writer.api_version.to_owned(),
        subresource: String::new(),
        time: writer.time(),
        set,
    }
}

fn refuse_conflicts(
    entries: &[Entry],
    changed: &FieldSet,
    writer: &Writer<'_>,
) -> Result<(), ApiError> {
    let mut by_manager: Vec<(String, Vec<String>)> = Vec::new();
    for entry in entries.iter().filter(|entry| !is_apply_by(entry, writer)) {
        let paths = entry.set.and(changed).paths();
        if paths.is_empty() {
            continue;
        }
        let words = manager_words(entry);
        match by_manager.iter_mut().find(|(known, _)| *known == words) {
            Some((_, known)) => known.extend(paths),
            None => by_manager.push((words, paths)),
        }
    }
    by_manager.sort();
    let count: usize = by_manager.iter().map(|(_, paths)| paths.len()).sum();
    if count == 0 {
        return Ok(());
    }
    let causes: Vec<Value> = by_manager
        .iter()
        .flat_map(|(words, paths)| {
            paths.iter().map(move |path| {
                json!({
                    "reason": "FieldManagerConflict",
                    "message": format!("conflict with {words}"),
                    "field": path,
                })
            })
        })
        .collect();
    let sections: Vec<String> = by_manager
        .iter()
        .map(|(words, paths)| match paths.as_slice() {
            [one] => format!("conflict with {words}: {one}"),
            many => format!("conflicts with {words}:\n- {}", many.join("\n- ")),
        })
        .collect();
    let noun = if count == 1 { "conflict" } else { "conflicts" };
    Err(ApiError::apply_conflict(
        format!("Apply failed with {count} {noun}: {}", sections.join("\n")),
        &causes,
    ))
}

fn manager_words(entry: &Entry) -> String {
    let mut words = format!("{:?}", entry.manager);
    if !entry.subresource.is_empty() {
        words.push_str(&format!(" with subresource {:?}", entry.subresource));
    }
    if !entry.is_apply {
        words.push_str(&format!(" using {}", entry.api_version));
    }
    words
}
