//! The tree of a parsed template, and its nodes as error texts show them

use std::fmt;

use crate::quote::quote;

/// Something between two others in a template's text.
#[derive(Debug)]
pub(crate) enum Node {
    Text {
        pos: usize,
        text: String,
    },
    Action {
        pos: usize,
        pipe: Pipe,
    },
    If(Branch),
    With(Branch),
    Range(Branch),
    Template {
        pos: usize,
        name: String,
        pipe: Option<Pipe>,
    },
    Break {
        pos: usize,
    },
    Continue {
        pos: usize,
    },
}

/// `if`, `with` or `range` with its bodies.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) pos: usize,
    pub(crate) pipe: Pipe,
    pub(crate) list: Vec<Node>,
    pub(crate) otherwise: Option<Vec<Node>>,
}

/// Commands whose values flow from left to right, and where the last goes.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) pos: usize,
    pub(crate) is_assign: bool,
    /// Names with their `$`.
    pub(crate) variables: Vec<String>,
    pub(crate) commands: Vec<Command>,
}

/// An operand, and the arguments that follow it; never empty.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) pos: usize,
    pub(crate) first: Operand,
    pub(crate) args: Vec<Operand>,
}

/// A word of a command.
#[derive(Debug)]
pub(crate) struct Operand {
    pub(crate) pos: usize,
    pub(crate) term: Term,
}

/// What the word is.
#[derive(Debug)]
pub(crate) enum Term {
    Dot,
    Nil,
    Bool(bool),
    Number(Number),
    String {
        quoted: String,
        text: String,
    },
    Field(Vec<String>),
    /// A name with its `$`, then fields.
    Variable(String, Vec<String>),
    Identifier(String),
    /// Fields of what an operand evaluates to.
    Chain(Box<Operand>, Vec<String>),
    Pipe(Box<Pipe>),
}

/// A constant; what it can be depends on where it is used.
#[derive(Debug)]
pub(crate) struct Number {
    pub(crate) text: String,
    pub(crate) int: Option<i64>,
    pub(crate) float: Option<f64>,
    /// Written so that it is a float where the place does not say.
    pub(crate) is_float: bool,
}

/// A place in the tree that an error can name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Spot<'t> {
    Node(&'t Node),
    Pipe(&'t Pipe),
    Command(&'t Command),
    Operand(&'t Operand),
}

impl Spot<'_> {
    pub(crate) fn pos(self) -> usize {
        match self {
            Self::Node(node) => node.pos(),
            Self::Pipe(pipe) => pipe.pos,
            Self::Command(command) => command.pos,
            Self::Operand(operand) => operand.pos,
        }
    }
}

impl fmt::Display for Spot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => node.fmt(f),
            Self::Pipe(pipe) => pipe.fmt(f),
            Self::Command(command) => command.fmt(f),
            Self::Operand(operand) => operand.fmt(f),
        }
    }
}

impl Node {
    fn pos(&self) -> usize {
        match self {
            Self::Text { pos, text: _ } | Self::Action { pos, pipe: _ } => *pos,
            Self::Template {
                pos,
                name: _,
                pipe: _,
            }
            | Self::Break { pos }
            | Self::Continue { pos } => *pos,
            Self::If(branch) | Self::With(branch) | Self::Range(branch) => branch.pos,
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { pos: _, text } => f.write_str(text),
            Self::Action { pos: _, pipe } => write!(f, "{{{{{pipe}}}}}"),
            // Go shows the bodies too; no error of Go's ever names these nodes.
            Self::If(branch) => write!(f, "{{{{if {}}}}}", branch.pipe),
            Self::With(branch) => write!(f, "{{{{with {}}}}}", branch.pipe),
            Self::Range(branch) => write!(f, "{{{{range {}}}}}", branch.pipe),
            Self::Template {
                pos: _,
                name,
                pipe: None,
            } => write!(f, "{{{{template {}}}}}", quote(name)),
            Self::Template {
                pos: _,
                name,
                pipe: Some(pipe),
            } => {
                write!(f, "{{{{template {} {pipe}}}}}", quote(name))
            }
            Self::Break { pos: _ } => f.write_str("{{break}}"),
            Self::Continue { pos: _ } => f.write_str("{{continue}}"),
        }
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            let sign = if self.is_assign { "=" } else { ":=" };
            write!(f, "{} {sign} ", self.variables.join(", "))?;
        }
        for (place, command) in self.commands.iter().enumerate() {
            if place > 0 {
                f.write_str(" | ")?;
            }
            command.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_operand(&self.first, f)?;
        for arg in &self.args {
            f.write_str(" ")?;
            fmt_operand(arg, f)?;
        }
        Ok(())
    }
}

fn fmt_operand(operand: &Operand, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match &operand.term {
        Term::Pipe(pipe) => write!(f, "({pipe})"),
        Term::Dot
        | Term::Nil
        | Term::Bool(_)
        | Term::Number(_)
        | Term::String { .. }
        | Term::Field(_)
        | Term::Variable(..)
        | Term::Identifier(_)
        | Term::Chain(..) => write!(f, "{operand}"),
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.term {
            Term::Dot => f.write_str("."),
            Term::Nil => f.write_str("nil"),
            Term::Bool(value) => value.fmt(f),
            Term::Number(number) => f.write_str(&number.text),
            Term::String { quoted, text: _ } => f.write_str(quoted),
            Term::Field(fields) => fmt_fields(fields, f),
            Term::Variable(name, fields) => {
                f.write_str(name)?;
                fmt_fields(fields, f)
            }
            Term::Identifier(name) => f.write_str(name),
            Term::Chain(operand, fields) => {
                fmt_operand(operand, f)?;
                fmt_fields(fields, f)
            }
            Term::Pipe(pipe) => pipe.fmt(f),
        }
    }
}

fn fmt_fields(fields: &[String], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    fields.iter().try_for_each(|field| write!(f, ".{field}"))
}
