//! Follows renames: writes the new names where other objects refer to them.
//!
//! Runs once, at the end, when every name has its prefixes, suffixes and hash.
//! A reference is followed when exactly one object of the right kind ever had
//! that name and stands where the referrer can mean it.

mod table;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::error::Fault;
use crate::field::{self, Create};
use crate::id::{Gvk, Id};
use crate::resource::{Resource, text};
use table::Reference;

/// What a reference needs to know of an object that it may mean.
struct Candidate {
    id: Id,
    name: String,
    /// As written; may be empty.
    namespace: String,
    previous: Vec<Id>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

impl Candidate {
    fn of(resource: &Resource) -> Self {
        Self {
            id: resource.id(),
            name: resource.name().to_owned(),
            namespace: resource.namespace().to_owned(),
            previous: resource.previous_ids(),
            prefixes: resource.prefixes.clone(),
            suffixes: resource.suffixes.clone(),
        }
    }
}

/// Updates every reference in every resource.
pub(crate) fn update(resources: &mut [Resource]) -> Result<(), Fault> {
    // Only what changed its identity can be meant by an outdated reference.
    let candidates: Vec<Candidate> = resources
        .iter()
        .filter(|r| !r.previous.is_empty())
        .map(Candidate::of)
        .collect();
    if candidates.is_empty() {
        return Ok(());
    }
    for resource in resources {
        let original = resource.original_id().gvk;
        let present = resource.gvk();
        let mut json = std::mem::take(&mut resource.json);
        let referrer = Referrer::of(resource, &present, &json, &candidates);
        let outcome = table::REFERENCES
            .iter()
            .filter(|r| r.referrer.matches(&original) && r.referrer.matches(&present))
            .try_for_each(|reference| referrer.follow(&mut json, reference));
        resource.json = json;
        outcome?;
    }
    Ok(())
}

/// The object whose references are followed.
struct Referrer<'a> {
    id: Id,
    prefixes: &'a [String],
    suffixes: &'a [String],
    role: Option<Gvk>,
    /// Those that the referrer can reach.
    candidates: Vec<&'a Candidate>,
}

impl<'a> Referrer<'a> {
    fn of(resource: &'a Resource, gvk: &Gvk, json: &Value, all: &'a [Candidate]) -> Self {
        let name = text(json.pointer("/metadata/name"));
        let id = Id::new(gvk.clone(), name, text(json.pointer("/metadata/namespace")));
        let elsewhere = subject_namespaces(gvk, json);
        let reachable = |c: &&Candidate| {
            id.is_cluster_scoped()
                || c.id.is_cluster_scoped()
                || c.id.namespace == id.namespace
                || elsewhere.contains(c.namespace.as_str())
        };
        let candidates = all.iter().filter(reachable).collect();
        Self {
            prefixes: &resource.prefixes,
            suffixes: &resource.suffixes,
            role: role_of(json),
            candidates,
            id,
        }
    }

    fn follow(&self, json: &mut Value, reference: &Reference) -> Result<(), Fault> {
        let is_target = |c: &&&Candidate| {
            c.previous
                .iter()
                .any(|id| reference.target.matches(&id.gvk))
        };
        if self.candidates.iter().find(is_target).is_none() {
            return Ok(());
        }
        let Reference { path, parts, .. } = reference;
        field::visit_parts(json, path, parts, Create::Nothing, &mut |slot| {
            self.set(slot, reference)
        })
    }

    fn set(&self, slot: &mut Value, reference: &Reference) -> Result<(), Fault> {
        match slot {
            Value::Null => Ok(()),
            Value::Array(items) => items
                .iter_mut()
                .filter(|item| !item.is_null())
                .try_for_each(|item| self.set(item, reference)),
            Value::Object(_) => self.set_map(slot, reference),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                let Some(old) = slot.as_str() else {
                    return Ok(());
                };
                let same_name = |found: &[&Candidate]| all_equal(found, |c| c.name.as_str());
                let found = self.select(old, self.candidates.clone(), reference, same_name)?;
                if let Some(found) = found {
                    *slot = Value::String(found.name.clone());
                }
                Ok(())
            }
        }
    }

    /// A map names its object by `name` and `namespace`.
    fn set_map(&self, slot: &mut Value, reference: &Reference) -> Result<(), Fault> {
        let Some(old) = slot.get("name").and_then(Value::as_str) else {
            return Err(Fault::BadValue(format!(
                "{}: the reference {:?} has no name",
                self.id, reference.path
            )));
        };
        let candidates = match slot.get("namespace").and_then(Value::as_str) {
            None => self.candidates.clone(),
            Some(namespace) => self.in_namespace(namespace),
        };
        let same = |found: &[&Candidate]| {
            all_equal(found, |c| c.name.as_str()) && all_equal(found, |c| c.namespace.as_str())
        };
        let Some(found) = self.select(old, candidates, reference, same)? else {
            return Ok(());
        };
        if let Value::Object(map) = slot {
            map.insert("name".to_owned(), Value::from(found.name.as_str()));
            if !found.namespace.is_empty() {
                map.insert(
                    "namespace".to_owned(),
                    Value::from(found.namespace.as_str()),
                );
            }
        }
        Ok(())
    }

    /// Those that came from a namespace, else those that are in it.
    fn in_namespace(&self, namespace: &str) -> Vec<&'a Candidate> {
        let original = |c: &Candidate| c.previous.first().map(|id| id.namespace.clone());
        let came: Vec<&Candidate> = self
            .candidates
            .iter()
            .filter(|c| original(c).as_deref() == Some(namespace))
            .copied()
            .collect();
        if !came.is_empty() {
            return came;
        }
        let present = self.candidates.iter().copied();
        present.filter(|c| c.id.namespace == namespace).collect()
    }

    /// Narrows the candidates down to the one that is meant.
    fn select(
        &self,
        old: &str,
        mut found: Vec<&'a Candidate>,
        reference: &Reference,
        interchangeable: impl Fn(&[&Candidate]) -> bool,
    ) -> Result<Option<&'a Candidate>, Fault> {
        found.retain(|c| c.previous.iter().any(|id| id.name == old));
        found.retain(|c| {
            c.previous
                .iter()
                .any(|id| reference.target.matches(&id.gvk))
        });
        if reference.path == "roleRef/name"
            && let Some(role) = &self.role
        {
            found.retain(|c| {
                let is_role = |id: &Id| id.gvk.group == role.group && id.gvk.kind == role.kind;
                c.previous.iter().any(is_role)
            });
        }
        found.retain(|c| {
            self.id.is_cluster_scoped()
                || c.id.is_cluster_scoped()
                || c.id.gvk.kind == "ServiceAccount"
                || c.id.namespace == self.id.namespace
        });
        if let [only] = found.as_slice() {
            return Ok(Some(*only));
        }
        found.retain(|c| self.same_affixes(c, true));
        if found.len() > 1 {
            found.retain(|c| self.same_affixes(c, false));
        }
        match found.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(*only)),
            [first, ..] if interchangeable(&found) => Ok(Some(*first)),
            [..] => Err(Fault::Ambiguous {
                wanted: format!("the reference {old:?} of {}", self.id),
                found: found
                    .iter()
                    .map(|c| c.id.to_string())
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }

    /// True when both went through the same layers, as far as names tell.
    fn same_affixes(&self, other: &Candidate, none_fits_all: bool) -> bool {
        let same = |a: &[String], b: &[String]| {
            (none_fits_all && (a.is_empty() || b.is_empty())) || same_end(a, b)
        };
        same(self.prefixes, &other.prefixes) && same(self.suffixes, &other.suffixes)
    }
}

/// True when the shorter is the end of the longer; nothing equals nothing only.
fn same_end(a: &[String], b: &[String]) -> bool {
    if a.is_empty() != b.is_empty() {
        return false;
    }
    a.iter().rev().zip(b.iter().rev()).all(|(x, y)| x == y)
}

fn all_equal<'c>(found: &[&'c Candidate], part: impl Fn(&'c Candidate) -> &'c str) -> bool {
    found
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if part(a) == part(b)))
}

/// A RoleBinding may bind service accounts of other namespaces.
fn subject_namespaces<'j>(gvk: &Gvk, json: &'j Value) -> BTreeSet<&'j str> {
    if gvk.kind != "RoleBinding" {
        return BTreeSet::new();
    }
    let subjects = json.get("subjects").and_then(Value::as_array);
    let subjects = subjects.into_iter().flatten();
    subjects
        .filter(|s| text(s.get("kind")) == "ServiceAccount")
        .filter_map(|s| s.get("namespace").and_then(Value::as_str))
        .collect()
}

fn role_of(json: &Value) -> Option<Gvk> {
    let role = json.get("roleRef")?;
    Some(Gvk {
        group: role.get("apiGroup")?.as_str()?.to_owned(),
        version: String::new(),
        kind: role.get("kind")?.as_str()?.to_owned(),
    })
}
