//! Finds what other managers own of a routing object that must be ours: an apply takes away only what nobody else owns,
//! so that a setting that Flagger or a user wrote before us would stay in force for ever.
//!
//! What Flagger wrote it wrote for the same Canary. Of what anybody else wrote, only fields are taken in which the
//! Canary alone has a say. Who owns what is changed by writing `managedFields`, as Kubernetes' documentation of
//! server-side apply describes; the object stays as it is, until the apply.

use serde_json::{Map, Value, json};

use super::write::FIELD_MANAGER;
use crate::json::{list_at, str_at};

/// The field manager of Flagger's writes.
const FLAGGER: &str = "flagger";
/// What App Mesh fills in as Flagger writes, and nobody may change.
const FILLED_IN: [&str; 2] = ["awsName", "meshRef"];

type Fields = Map<String, Value>;

/// `metadata.managedFields` with all that must be ours given to us; none when it is already. `sole` names fields of the
/// spec.
pub(super) fn taken(live: &Value, sole: &[&str]) -> Option<Vec<Value>> {
    let mut taken = Fields::new();
    let before = list_at(live, "/metadata/managedFields");
    let mut ours = json!({
        "manager": FIELD_MANAGER, "operation": "Apply", "apiVersion": str_at(live, "/apiVersion"),
        "time": before.iter().map(|entry| str_at(entry, "/time")).max(),
        "fieldsType": "FieldsV1", "fieldsV1": {},
    });
    let mut entries = Vec::new();
    for entry in before {
        let (manager, operation) = (str_at(entry, "/manager"), str_at(entry, "/operation"));
        if !str_at(entry, "/subresource").is_empty() {
            entries.push(entry.clone());
        } else if (manager, operation) == (FIELD_MANAGER, "Apply") {
            ours = entry.clone();
        } else {
            entries.extend(left(entry, manager == FLAGGER, sole, &mut taken));
        }
    }
    if taken.is_empty() {
        return None;
    }
    if let Some(Value::Object(fields)) = ours.get_mut("fieldsV1") {
        unite(fields, taken);
    }
    entries.push(ours);
    Some(entries)
}

/// What is left of an entry when ours is `taken`; none when that is all.
fn left(entry: &Value, is_flagger: bool, sole: &[&str], taken: &mut Fields) -> Option<Value> {
    let mut left = entry.clone();
    if let Some(Value::Object(fields)) = left.get_mut("fieldsV1") {
        cut(fields, "f:spec", taken, |name| {
            sole.contains(&name) || (is_flagger && !FILLED_IN.contains(&name))
        });
        cut(fields, "f:metadata", taken, |name| {
            is_flagger && ["labels", "annotations"].contains(&name)
        });
        if fields.is_empty() {
            return None;
        }
    }
    Some(left)
}

/// Moves the fields below `parent` that are wanted, each with all below it.
fn cut(fields: &mut Fields, parent: &str, taken: &mut Fields, is_wanted: impl Fn(&str) -> bool) {
    let Some(Value::Object(below)) = fields.get_mut(parent) else {
        return;
    };
    let (wanted, rest): (Fields, Fields) = std::mem::take(below)
        .into_iter()
        .partition(|(key, _)| key.strip_prefix("f:").is_some_and(&is_wanted));
    *below = rest;
    // With nothing below it, it would say that the parent itself is owned.
    if below.is_empty() {
        fields.remove(parent);
    }
    if !wanted.is_empty() {
        let wanted = Fields::from_iter([(parent.to_owned(), wanted.into())]);
        unite(taken, wanted);
    }
}

/// Adds the fields of `more`.
fn unite(fields: &mut Fields, more: Fields) {
    for (key, value) in more {
        match (fields.get_mut(&key), value) {
            (Some(Value::Object(there)), Value::Object(value)) => unite(there, value),
            (Some(_) | None, value) => drop(fields.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "a/v1",
            "time": "2027-01-15T08:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    #[test]
    fn only_what_must_be_ours_is_taken() {
        let host = json!({"f:spec": {"f:host": {}}});
        let both = json!({"f:spec": {"f:host": {}, "f:policy": {".": {}, "f:tls": {}}}});
        let policy = json!({"f:spec": {"f:policy": {".": {}, "f:tls": {}}}});
        let labels = json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}, "f:ownerReferences": {}}, "f:spec": {"f:awsName": {}, "f:listeners": {}}});
        let of_status = |entry: &Value| {
            let mut entry = entry.clone();
            entry["subresource"] = json!("status");
            entry
        };
        let ours = |fields: &Value| entry("sluice", "Apply", fields);
        for (entries, expected) in [
            (vec![], None),
            (vec![ours(&both)], None),
            (vec![entry("kubectl", "Update", &host), ours(&both)], None),
            (vec![of_status(&entry("kubectl", "Update", &policy))], None),
            (
                vec![entry("kubectl", "Update", &policy), ours(&host)],
                Some(vec![ours(&both)]),
            ),
            (
                vec![entry("kustomize-controller", "Apply", &both)],
                Some(vec![
                    entry("kustomize-controller", "Apply", &host),
                    ours(&policy),
                ]),
            ),
            (
                vec![
                    entry("flagger", "Update", &labels),
                    entry("kubectl", "Update", &labels),
                ],
                Some(vec![
                    entry(
                        "flagger",
                        "Update",
                        &json!({"f:metadata": {"f:ownerReferences": {}}, "f:spec": {"f:awsName": {}}}),
                    ),
                    entry("kubectl", "Update", &labels),
                    ours(
                        &json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}}, "f:spec": {"f:listeners": {}}}),
                    ),
                ]),
            ),
        ] {
            let live = json!({"apiVersion": "a/v1", "metadata": {"managedFields": entries}});
            assert_eq!(taken(&live, &["policy"]), expected, "{live}");
        }
    }
}
