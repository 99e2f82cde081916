//! Holds a set of parsed templates and starts their execution
//!
//! The set has a root and the templates that `define` and `block` add to it.
//! Does not parse or run anything itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{ExecError, ParseError};
use crate::exec;
use crate::funcs::Funcs;
use crate::node::Node;
use crate::parse;
use crate::value::Value;

/// What a field of a map that has no such key gives. Go's option `missingkey`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingKey {
    /// `<no value>` when printed, false in conditions.
    #[default]
    Default,
    /// The zero value of the map's elements.
    Zero,
    /// Execution stops with an error.
    Error,
}

/// Bounds of one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nodes and commands evaluated, plus one for each 64 bytes of text made.
    pub steps_max: u64,
    /// Length of the output, and of any one string made on the way.
    pub output_bytes_max: usize,
    /// Nested actions, parentheses and template calls together.
    pub depth_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps_max: 1_000_000,
            output_bytes_max: 1 << 20,
            depth_max: 200,
        }
    }
}

/// How a template is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// What a missing map key means.
    pub missing_key: MissingKey,
    /// Where execution stops at the latest.
    pub limits: Limits,
}

/// The text that nodes point into, with the name that errors show.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// One named template of a set.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) source: Arc<Source>,
    pub(crate) root: Arc<Vec<Node>>,
}

/// A set of parsed templates with the functions they may call.
#[derive(Debug, Clone)]
pub struct Template {
    name: String,
    pub(crate) trees: BTreeMap<String, Tree>,
    pub(crate) funcs: Funcs,
}

impl Template {
    /// Parses `text` as the template `name`. Functions must be known here: a
    /// call of an unknown one is a parse error, as in Go.
    pub fn parse(name: &str, text: &str, funcs: Funcs) -> Result<Self, ParseError> {
        let mut template = Self {
            name: name.to_owned(),
            trees: BTreeMap::new(),
            funcs,
        };
        template.add(name, text)?;
        Ok(template)
    }

    /// Parses a further template into the set; its definitions are seen by all.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), ParseError> {
        let source = Arc::new(Source {
            name: name.to_owned(),
            text: text.to_owned(),
        });
        // A new text may define a template anew, as a second Parse may in Go.
        for (tree_name, root) in parse::parse(&source, &self.funcs)? {
            let is_kept = parse::is_empty(&root) && self.trees.contains_key(&tree_name);
            if !is_kept {
                let tree = Tree {
                    source: Arc::clone(&source),
                    root: Arc::new(root),
                };
                self.trees.insert(tree_name, tree);
            }
        }
        Ok(())
    }

    /// Names of all templates in the set, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.trees.keys().map(String::as_str)
    }

    /// Runs the root template with `data` as dot and `$`.
    pub fn execute(&self, data: &Value, options: &Options) -> Result<String, ExecError> {
        self.execute_template(&self.name, data, options)
    }

    /// Runs the template `name` of the set with `data` as dot and `$`.
    pub fn execute_template(
        &self,
        name: &str,
        data: &Value,
        options: &Options,
    ) -> Result<String, ExecError> {
        exec::execute(self, name, data, options)
    }
}
