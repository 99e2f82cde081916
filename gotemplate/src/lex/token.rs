//! Kinds of tokens, and tokens as error texts show them

use crate::quote::quote;

/// Kinds of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Error,
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Dot,
    Nil,
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

/// A token: its kind, its text, and where it starts.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) pos: usize,
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Token {
    /// The token as error texts show it.
    pub(crate) fn shown(&self) -> String {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "all other kinds are shown alike"
        )]
        match self.kind {
            Kind::Eof => "EOF".to_owned(),
            Kind::Error => self.text.clone(),
            _ if self.is_keyword() => format!("<{}>", self.text),
            _ if self.text.len() > 10 => format!(
                "{}...",
                quote(&self.text.chars().take(10).collect::<String>())
            ),
            _ => quote(&self.text),
        }
    }

    fn is_keyword(&self) -> bool {
        keyword(&self.text) == Some(self.kind)
    }
}

pub(super) fn keyword(word: &str) -> Option<Kind> {
    Some(match word {
        "." => Kind::Dot,
        "nil" => Kind::Nil,
        "block" => Kind::Block,
        "break" => Kind::Break,
        "continue" => Kind::Continue,
        "define" => Kind::Define,
        "else" => Kind::Else,
        "end" => Kind::End,
        "if" => Kind::If,
        "range" => Kind::Range,
        "template" => Kind::Template,
        "with" => Kind::With,
        _ => return None,
    })
}
