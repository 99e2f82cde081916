//! Builds the tree of a template from its tokens
//!
//! Checks grammar, declared variables and known functions; evaluates nothing.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever token the grammar does not name at a place is an error there"
)]

mod control;
mod expression;
mod number;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::builtin;
use crate::error::ParseError;
use crate::funcs::Funcs;
use crate::lex::{Kind, Token, lex};
use crate::node::Node;
use crate::template::Source;

/// Nested parentheses and nested blocks that a template may have; each level
/// takes stack of the thread that parses.
const DEPTH_MAX: usize = 100;

/// Parses a text into its root (under the source's name) and its definitions.
pub(crate) fn parse(
    source: &Arc<Source>,
    funcs: &Funcs,
) -> Result<BTreeMap<String, Vec<Node>>, ParseError> {
    let tokens = lex(&source.text, |word| funcs.get(word).is_none());
    let mut parser = Parser {
        name: &source.name,
        funcs,
        tokens,
        next: 0,
        furthest: 0,
        scope: Scope::default(),
        depth: 0,
        trees: BTreeMap::new(),
    };
    parser.top()?;
    Ok(parser.trees)
}

/// Whether the nodes give no output but white space.
pub(crate) fn is_empty(nodes: &[Node]) -> bool {
    nodes
        .iter()
        .all(|node| matches!(node, Node::Text { pos: _, text } if text.trim().is_empty()))
}

/// What a definition does not share with the text around it.
struct Scope {
    variables: Vec<String>,
    range_depth: usize,
    action_line: usize,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            variables: vec!["$".to_owned()],
            range_depth: 0,
            action_line: 0,
        }
    }
}

struct Parser<'a> {
    name: &'a str,
    funcs: &'a Funcs,
    /// Ends with `Eof` or `Error`.
    tokens: Vec<Token>,
    next: usize,
    furthest: usize,
    scope: Scope,
    depth: usize,
    trees: BTreeMap<String, Vec<Node>>,
}

type Parsed<T> = Result<T, ParseError>;

/// What comes next in a list of nodes.
enum Item {
    Node(Node),
    End,
    Else,
}

impl Item {
    fn shown(&self) -> &'static str {
        match self {
            Self::Node(_) | Self::End => "{{end}}",
            Self::Else => "{{else}}",
        }
    }
}

// Reading tokens, and errors.
impl Parser<'_> {
    fn token_at(&self, place: usize) -> Token {
        let token = self.tokens.get(place).or(self.tokens.last()).cloned();
        token.unwrap_or_else(|| Token {
            kind: Kind::Eof,
            pos: 0,
            text: "EOF".to_owned(),
            line: 1,
        })
    }

    fn peek(&mut self) -> Token {
        self.furthest = self.furthest.max(self.next);
        self.token_at(self.next)
    }

    fn advance(&mut self) -> Token {
        let token = self.peek();
        self.next += 1;
        token
    }

    fn peek_non_space(&mut self) -> Token {
        while self.peek().kind == Kind::Space {
            self.next += 1;
        }
        self.peek()
    }

    fn next_non_space(&mut self) -> Token {
        self.peek_non_space();
        self.advance()
    }

    fn back(&mut self) {
        self.next = self.next.saturating_sub(1);
    }

    fn fail<T>(&self, message: impl Into<String>) -> Parsed<T> {
        let line = self.token_at(self.furthest).line;
        Err(ParseError {
            name: self.name.to_owned(),
            line,
            message: message.into(),
        })
    }

    fn unexpected<T>(&self, token: &Token, context: &str) -> Parsed<T> {
        if token.kind != Kind::Error {
            return self.fail(format!("unexpected {} in {context}", token.shown()));
        }
        let started = self.scope.action_line;
        let mut message = token.text.clone();
        if started != 0 && started != token.line {
            let at = if message.ends_with(" action") {
                ""
            } else {
                " in action"
            };
            message.push_str(&format!("{at} started at {}:{started}", self.name));
        }
        self.fail(message)
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Token> {
        let token = self.next_non_space();
        if token.kind == kind {
            Ok(token)
        } else {
            self.unexpected(&token, context)
        }
    }

    fn deeper<T>(&mut self, text: &str, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= DEPTH_MAX {
            return self.fail(text);
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn has_function(&self, name: &str) -> bool {
        self.funcs.get(name).is_some() || builtin::arity(name).is_some()
    }
}
