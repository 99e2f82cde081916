//! Holds a set of field paths as `fieldsV1` writes it: `f:` a field, `k:` an item by its keys, `v:` an item of a set.
//!
//! The set algebra is that of structured-merge-diff. What is owned by whom is decided in `managed`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A set of paths; a node is a member or leads to members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    is_member: bool,
    children: BTreeMap<String, Self>,
}

impl FieldSet {
    /// Puts a path in.
    pub(crate) fn insert(&mut self, path: &[String]) {
        let mut here = self;
        for part in path {
            here = here.children.entry(part.clone()).or_default();
        }
        here.is_member = true;
    }

    /// Whether no path is in it.
    pub(crate) fn is_empty(&self) -> bool {
        !self.is_member && self.children.values().all(Self::is_empty)
    }

    /// Whether this very node is a member.
    pub(crate) fn is_member(&self) -> bool {
        self.is_member
    }

    /// The paths below one part.
    pub(crate) fn child(&self, part: &str) -> Option<&Self> {
        self.children.get(part)
    }

    /// Adds the paths of another set.
    pub(crate) fn unite(&mut self, other: &Self) {
        self.is_member |= other.is_member;
        for (part, theirs) in &other.children {
            self.children.entry(part.clone()).or_default().unite(theirs);
        }
    }

    /// The members that are not members of the other set.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        let mut left = Self {
            is_member: self.is_member && !other.is_member,
            children: BTreeMap::new(),
        };
        for (part, mine) in &self.children {
            let rest = match other.children.get(part) {
                Some(theirs) => mine.minus(theirs),
                None => mine.clone(),
            };
            if !rest.is_empty() {
                left.children.insert(part.clone(), rest);
            }
        }
        left
    }

    /// The members of both sets.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let mut both = Self {
            is_member: self.is_member && other.is_member,
            children: BTreeMap::new(),
        };
        for (part, mine) in &self.children {
            if let Some(theirs) = other.children.get(part) {
                let shared = mine.and(theirs);
                if !shared.is_empty() {
                    both.children.insert(part.clone(), shared);
                }
            }
        }
        both
    }

    /// Drops a path and all below it.
    pub(crate) fn cut(&mut self, path: &[&str]) {
        let Some((last, parents)) = path.split_last() else {
            return;
        };
        let mut here = self;
        for part in parents {
            let Some(child) = here.children.get_mut(*part) else {
                return;
            };
            here = child;
        }
        here.children.remove(*last);
    }

    /// Keeps only what lies below one part.
    pub(crate) fn keep(&mut self, part: &str) {
        self.children.retain(|name, _| name == part);
    }

    /// The same set with every field that leads to members as a member.
    pub(crate) fn with_parents(&self) -> Self {
        Self {
            is_member: self.is_member,
            children: self
                .children
                .iter()
                .map(|(part, child)| {
                    let mut child = child.with_parents();
                    child.is_member |= part.starts_with("f:") && !child.is_empty();
                    (part.clone(), child)
                })
                .collect(),
        }
    }

    /// Reads the `fieldsV1` form. Odd parts are kept as they are.
    pub(crate) fn from_value(value: &Value) -> Self {
        let mut set = Self::read(value);
        set.is_member = false;
        set
    }

    fn read(value: &Value) -> Self {
        let Some(map) = value.as_object() else {
            return Self::default();
        };
        Self {
            is_member: map.is_empty() || map.contains_key("."),
            children: map
                .iter()
                .filter(|(part, _)| *part != ".")
                .map(|(part, child)| (part.clone(), Self::read(child)))
                .collect(),
        }
    }

    /// The `fieldsV1` form.
    pub(crate) fn to_value(&self) -> Value {
        let mut map = Map::new();
        for (part, child) in &self.children {
            if !child.is_empty() {
                map.insert(part.clone(), child.to_value());
            }
        }
        if self.is_member && !map.is_empty() {
            map.insert(".".to_owned(), Value::Object(Map::new()));
        }
        Value::Object(map)
    }

    /// Every member as people read it: `.spec.containers[name="web"].image`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.print("", &mut paths);
        paths
    }

    fn print(&self, path: &str, paths: &mut Vec<String>) {
        if self.is_member {
            paths.push(path.to_owned());
        }
        for (part, child) in &self.children {
            child.print(&format!("{path}{}", part_text(part)), paths);
        }
    }
}

fn part_text(part: &str) -> String {
    if let Some(name) = part.strip_prefix("f:") {
        return format!(".{name}");
    }
    if let Some(value) = part.strip_prefix("v:") {
        return format!("[={value}]");
    }
    let keys: Map<String, Value> = part
        .strip_prefix("k:")
        .and_then(|keys| serde_json::from_str(keys).ok())
        .unwrap_or_default();
    let words: Vec<String> = keys
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    format!("[{}]", words.join(","))
}
