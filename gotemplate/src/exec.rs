//! Walks the tree of a template and writes its text
//!
//! Control structures, variables, limits and error places are here; the values
//! of pipelines come from `exec::eval`.

mod eval;

use crate::error::ExecError;
use crate::format;
use crate::node::{Branch, Node, Pipe, Spot};
use crate::quote::quote;
use crate::template::{MissingKey, Options, Template, Tree};
use crate::value::Value;

/// One step of the budget pays for this much made text.
const BYTES_PER_STEP: usize = 64;

/// Runs the template `name` of the set.
pub(crate) fn execute(
    template: &Template,
    name: &str,
    data: &Value,
    options: &Options,
) -> Result<String, ExecError> {
    let Some(tree) = template.trees.get(name) else {
        let message = format!("no template {} in the set", quote(name));
        return Err(ExecError {
            location: name.to_owned(),
            message,
        });
    };
    let mut run = Run {
        template,
        options,
        tree,
        name,
        spot: None,
        variables: Vec::new(),
        steps: 0,
        depth: 0,
        out: String::new(),
    };
    let data = Held::plain(data.clone());
    run.variables.push(("$", data.clone()));
    run.list(&data, &tree.root)?;
    Ok(run.out)
}

/// A value with Go's static type of the place it came from.
#[derive(Debug, Clone)]
struct Held {
    value: Value,
    /// Taken from a place of type `interface {}` and not yet unpacked: error
    /// texts then name that type, and a nil is one of that type.
    is_boxed: bool,
}

impl Held {
    fn plain(value: Value) -> Self {
        Self {
            value,
            is_boxed: false,
        }
    }

    fn boxed(value: Value) -> Self {
        Self {
            value,
            is_boxed: true,
        }
    }
}

/// How a list of nodes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// One execution.
struct Run<'t> {
    template: &'t Template,
    options: &'t Options,
    tree: &'t Tree,
    name: &'t str,
    /// The node at work, which errors name.
    spot: Option<Spot<'t>>,
    variables: Vec<(&'t str, Held)>,
    steps: u64,
    depth: usize,
    out: String,
}

type Ran<T> = Result<T, ExecError>;

// Places, limits and variables.
impl<'t> Run<'t> {
    fn at(&mut self, spot: Spot<'t>) {
        self.spot = Some(spot);
    }

    fn fail<T>(&self, message: impl Into<String>) -> Ran<T> {
        let location = match self.spot {
            None => self.name.to_owned(),
            Some(spot) => {
                let before = self.tree.source.text.get(..spot.pos()).unwrap_or_default();
                let line = 1 + before.matches('\n').count();
                let column = before
                    .rfind('\n')
                    .map_or(before.len(), |newline| before.len() - newline - 1);
                let file = &self.tree.source.name;
                format!(
                    "{file}:{line}:{column}: executing {} at <{spot}>",
                    quote(self.name)
                )
            }
        };
        Err(ExecError {
            location,
            message: message.into(),
        })
    }

    fn step(&mut self, count: u64) -> Ran<()> {
        self.steps = self.steps.saturating_add(count);
        let limit = self.options.limits.steps_max;
        if self.steps > limit {
            return self.fail(format!("more than {limit} steps"));
        }
        Ok(())
    }

    /// Pays for text that was made.
    fn pay_for(&mut self, length: usize) -> Ran<()> {
        let limit = self.options.limits.output_bytes_max;
        if length > limit {
            return self.fail(format!("more than {limit} bytes of text"));
        }
        self.step(u64::try_from(length / BYTES_PER_STEP).unwrap_or(u64::MAX))
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Ran<T>) -> Ran<T> {
        let limit = self.options.limits.depth_max;
        if self.depth >= limit {
            return self.fail(format!("exceeded maximum template depth ({limit})"));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn write(&mut self, text: &str) -> Ran<()> {
        let limit = self.options.limits.output_bytes_max;
        if self.out.len().saturating_add(text.len()) > limit {
            return self.fail(format!("more than {limit} bytes of text"));
        }
        self.pay_for(text.len())?;
        self.out.push_str(text);
        Ok(())
    }

    fn assign(&mut self, name: &'t str, value: &Held) -> Ran<()> {
        match self
            .variables
            .iter_mut()
            .rev()
            .find(|(known, _)| *known == name)
        {
            Some((_, held)) => {
                *held = value.clone();
                Ok(())
            }
            None => self.fail(format!("undefined variable: {name}")),
        }
    }
}

// Nodes.
impl<'t> Run<'t> {
    fn list(&mut self, dot: &Held, nodes: &'t [Node]) -> Ran<Flow> {
        self.deeper(|run| {
            for node in nodes {
                let flow = run.node(dot, node)?;
                if flow != Flow::Next {
                    return Ok(flow);
                }
            }
            Ok(Flow::Next)
        })
    }

    fn node(&mut self, dot: &Held, node: &'t Node) -> Ran<Flow> {
        self.at(Spot::Node(node));
        self.step(1)?;
        match node {
            Node::Text { pos: _, text } => self.write(text)?,
            Node::Action { pos: _, pipe } => self.action(dot, node, pipe)?,
            Node::If(branch) => return self.branch(dot, branch, false),
            Node::With(branch) => return self.branch(dot, branch, true),
            Node::Range(branch) => {
                let mark = self.variables.len();
                let flow = self.range(dot, branch);
                self.variables.truncate(mark);
                return flow;
            }
            Node::Template { pos: _, name, pipe } => {
                self.call_template(dot, name, pipe.as_ref())?
            }
            Node::Break { pos: _ } => return Ok(Flow::Break),
            Node::Continue { pos: _ } => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn action(&mut self, dot: &Held, node: &'t Node, pipe: &'t Pipe) -> Ran<()> {
        let value = self.pipeline(dot, pipe)?;
        if !pipe.variables.is_empty() {
            return Ok(());
        }
        self.at(Spot::Node(node));
        match format::printed(&value, self.options.limits.output_bytes_max) {
            Some(text) => self.write(&text),
            None => self.fail(format!("can't print {node} of type {}", value.type_name())),
        }
    }

    fn branch(&mut self, dot: &Held, branch: &'t Branch, is_with: bool) -> Ran<Flow> {
        let mark = self.variables.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        let flow = match (&branch.otherwise, value.is_true()) {
            (_, true) if is_with => self.list(&Held::plain(value), &branch.list),
            (_, true) => self.list(dot, &branch.list),
            (Some(otherwise), false) => self.list(dot, otherwise),
            (None, false) => Ok(Flow::Next),
        };
        self.variables.truncate(mark);
        flow
    }

    fn call_template(&mut self, dot: &Held, name: &'t str, pipe: Option<&'t Pipe>) -> Ran<()> {
        let template = self.template;
        let Some(tree) = template.trees.get(name) else {
            return self.fail(format!("template {} not defined", quote(name)));
        };
        let dot = match pipe {
            Some(pipe) => Held::plain(self.pipeline(dot, pipe)?),
            None => Held::plain(Value::Nil),
        };
        // A template sees no variables of its caller.
        let variables = std::mem::replace(&mut self.variables, vec![("$", dot.clone())]);
        let outer = (self.tree, self.name);
        (self.tree, self.name) = (tree, name);
        self.list(&dot, &tree.root)?;
        (self.tree, self.name) = outer;
        self.variables = variables;
        Ok(())
    }

    fn range(&mut self, dot: &Held, branch: &'t Branch) -> Ran<Flow> {
        let value = self.pipeline(dot, &branch.pipe)?;
        let mut has_run = false;
        match &value {
            Value::Int(count) => {
                if branch.pipe.variables.len() > 1 {
                    return self.fail(format!(
                        "can't use {count} to iterate over more than one variable"
                    ));
                }
                for number in 0..*count {
                    has_run = true;
                    if self.turn(branch, Value::Nil, &Held::plain(Value::Int(number)))?
                        == Flow::Break
                    {
                        break;
                    }
                }
            }
            Value::List(items) => {
                for (place, item) in items.iter().enumerate() {
                    has_run = true;
                    let index = Value::Int(i64::try_from(place).unwrap_or(i64::MAX));
                    if self.turn(branch, index, &Held::boxed(item.clone()))? == Flow::Break {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for (key, item) in &map.entries {
                    has_run = true;
                    let item = Held {
                        value: item.clone(),
                        is_boxed: !map.is_of_strings,
                    };
                    if self.turn(branch, Value::from(key.as_str()), &item)? == Flow::Break {
                        break;
                    }
                }
            }
            Value::Nil => {}
            Value::Bool(_) | Value::Float(_) | Value::String(_) | Value::Func(_) => {
                let shown = format::plain(&value);
                return self.fail(format!("range can't iterate over {shown}"));
            }
        }
        match &branch.otherwise {
            Some(otherwise) if !has_run => self.list(dot, otherwise),
            Some(_) | None => Ok(Flow::Next),
        }
    }

    /// One pass through the body of a range.
    fn turn(&mut self, branch: &'t Branch, index: Value, item: &Held) -> Ran<Flow> {
        self.step(1)?;
        match branch.pipe.variables.as_slice() {
            [] => {}
            // With one variable it takes the element, with two the second does.
            [name] => self.assign(name, item)?,
            [first, second, ..] => {
                self.assign(first, &Held::plain(index))?;
                self.assign(second, item)?;
            }
        }
        let mark = self.variables.len();
        let flow = self.list(item, &branch.list);
        self.variables.truncate(mark);
        flow
    }

    fn missing_key(&self) -> MissingKey {
        self.options.missing_key
    }
}
