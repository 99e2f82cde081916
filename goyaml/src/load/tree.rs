//! Stacks open collections and counts what they cost.

use std::collections::{BTreeMap, BTreeSet};

use super::scalar::{self, Key, Scalar};
use crate::error::Fault;
use crate::limits::Limits;
use crate::resolve::Dialect;
use crate::value::{Map, Value};

/// The document under construction.
pub(super) struct Tree {
    dialect: Dialect,
    limits: Limits,
    open: Vec<Frame>,
    root: Option<Value>,
    anchors: BTreeMap<usize, (Value, Weight)>,
    spent: Weight,
}

/// An open collection.
struct Frame {
    /// 0 when it has no anchor.
    anchor: usize,
    body: Body,
}

enum Body {
    Seq(Vec<Value>),
    Map(OpenMap),
}

#[derive(Default)]
struct OpenMap {
    pairs: Vec<(String, Value)>,
    names: BTreeSet<String>,
    key: Option<Key>,
    merges: Vec<Map>,
}

/// What a value costs, aliases written out.
#[derive(Clone, Copy, Debug, Default)]
struct Weight {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

impl Tree {
    pub(super) fn new(dialect: Dialect, limits: &Limits) -> Self {
        Self {
            dialect,
            limits: *limits,
            open: Vec::new(),
            root: None,
            anchors: BTreeMap::new(),
            spent: Weight::default(),
        }
    }

    /// Ends the document; one without content is null.
    pub(super) fn finish(&mut self) -> Value {
        self.anchors.clear();
        self.root.take().unwrap_or_default()
    }

    pub(super) fn scalar(&mut self, scalar: Scalar<'_>, anchor: usize) -> Result<(), Fault> {
        let leaf = Weight {
            nodes: 1,
            bytes: scalar.text.len(),
            depth: 0,
        };
        self.spend(leaf)?;
        let dialect = self.dialect;
        if let Some(map) = self.map_without_key()
            && anchor == 0
        {
            return map.set_key(scalar.into_key(dialect)?);
        }
        let value = scalar.into_value(self.dialect)?;
        self.remember(anchor, &value)?;
        self.place(value)
    }

    pub(super) fn open_seq(&mut self, anchor: usize) -> Result<(), Fault> {
        self.open(anchor, Body::Seq(Vec::new()))
    }

    pub(super) fn open_map(&mut self, anchor: usize) -> Result<(), Fault> {
        self.open(anchor, Body::Map(OpenMap::default()))
    }

    fn open(&mut self, anchor: usize, body: Body) -> Result<(), Fault> {
        if self.open.len() >= self.limits.depth_max {
            return Err(Fault::TooDeep(self.limits.depth_max));
        }
        self.spend(Weight {
            nodes: 1,
            ..Weight::default()
        })?;
        self.open.push(Frame { anchor, body });
        Ok(())
    }

    pub(super) fn close(&mut self) -> Result<(), Fault> {
        let Some(frame) = self.open.pop() else {
            return Ok(());
        };
        let value = match frame.body {
            Body::Seq(items) => Value::Seq(items),
            Body::Map(map) => Value::Map(map.close()),
        };
        self.remember(frame.anchor, &value)?;
        self.place(value)
    }

    pub(super) fn alias(&mut self, id: usize) -> Result<(), Fault> {
        let (value, weight) = self.anchors.get(&id).ok_or(Fault::RecursiveAlias)?;
        let weight = *weight;
        if self.open.len().saturating_add(weight.depth) > self.limits.depth_max {
            return Err(Fault::TooDeep(self.limits.depth_max));
        }
        // Spend before the copy, so that a bomb is never built.
        let value = if self.fits(weight) {
            value.clone()
        } else {
            Value::Null
        };
        self.spend(weight)?;
        self.place(value)
    }

    fn fits(&self, more: Weight) -> bool {
        self.spent.nodes.saturating_add(more.nodes) <= self.limits.nodes_max
            && self.spent.bytes.saturating_add(more.bytes) <= self.limits.expanded_bytes_max
    }

    fn spend(&mut self, more: Weight) -> Result<(), Fault> {
        self.spent.nodes = self.spent.nodes.saturating_add(more.nodes);
        self.spent.bytes = self.spent.bytes.saturating_add(more.bytes);
        if self.spent.nodes > self.limits.nodes_max {
            return Err(Fault::TooManyNodes(self.limits.nodes_max));
        }
        if self.spent.bytes > self.limits.expanded_bytes_max {
            return Err(Fault::TooManyBytes(self.limits.expanded_bytes_max));
        }
        Ok(())
    }

    /// Keeps a copy for aliases; the copy is paid for like a use.
    fn remember(&mut self, anchor: usize, value: &Value) -> Result<(), Fault> {
        if anchor == 0 {
            return Ok(());
        }
        let weight = weigh(value);
        self.spend(weight)?;
        self.anchors.insert(anchor, (value.clone(), weight));
        Ok(())
    }

    /// The innermost collection, when it is a mapping that awaits a key.
    fn map_without_key(&mut self) -> Option<&mut OpenMap> {
        match &mut self.open.last_mut()?.body {
            Body::Map(map) if map.key.is_none() => Some(map),
            Body::Map(_) | Body::Seq(_) => None,
        }
    }

    fn place(&mut self, value: Value) -> Result<(), Fault> {
        let Some(frame) = self.open.last_mut() else {
            self.root = Some(value);
            return Ok(());
        };
        match &mut frame.body {
            Body::Seq(items) => items.push(value),
            Body::Map(map) if map.key.is_none() => {
                let name = scalar::name_of(value)?;
                map.set_key(Key::Name(name))?;
            }
            Body::Map(map) => map.set_value(value)?,
        }
        Ok(())
    }
}

impl OpenMap {
    fn set_key(&mut self, key: Key) -> Result<(), Fault> {
        if let Key::Name(name) = &key
            && !self.names.insert(name.clone())
        {
            return Err(Fault::DuplicateKey(name.clone()));
        }
        self.key = Some(key);
        Ok(())
    }

    fn set_value(&mut self, value: Value) -> Result<(), Fault> {
        match self.key.take() {
            Some(Key::Name(name)) => self.pairs.push((name, value)),
            Some(Key::Merge) => match value {
                Value::Map(map) => self.merges.push(map),
                Value::Seq(items) => {
                    for item in items {
                        let Value::Map(map) = item else {
                            return Err(Fault::BadMerge);
                        };
                        self.merges.push(map);
                    }
                }
                Value::Null
                | Value::Bool(_)
                | Value::Int(_)
                | Value::Uint(_)
                | Value::Float(_)
                | Value::String(_) => return Err(Fault::BadMerge),
            },
            None => {}
        }
        Ok(())
    }

    /// The mapping's own keys win over merged ones, earlier merges over later.
    fn close(mut self) -> Map {
        for (name, value) in self.merges.into_iter().flatten() {
            if self.names.insert(name.clone()) {
                self.pairs.push((name, value));
            }
        }
        Map::from_unique(self.pairs)
    }
}

/// Walks a value; its depth is bounded by the limit it was built under.
fn weigh(value: &Value) -> Weight {
    let leaf = |bytes| Weight {
        nodes: 1,
        bytes,
        depth: 0,
    };
    let add = |sum: Weight, part: Weight| Weight {
        nodes: sum.nodes.saturating_add(part.nodes),
        bytes: sum.bytes.saturating_add(part.bytes),
        depth: sum.depth.max(part.depth.saturating_add(1)),
    };
    let open = Weight {
        nodes: 1,
        bytes: 0,
        depth: 1,
    };
    match value {
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Float(_) => leaf(8),
        Value::String(s) => leaf(s.len()),
        Value::Seq(items) => items.iter().map(weigh).fold(open, add),
        Value::Map(map) => map.iter().fold(open, |sum, (key, value)| {
            let sum = add(sum, weigh(value));
            Weight {
                bytes: sum.bytes.saturating_add(key.len()),
                ..sum
            }
        }),
    }
}
