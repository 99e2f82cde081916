//! Cuts a template's text into tokens, spaces and trim markers obeyed
//!
//! Knows nothing of grammar: which token may follow which is for `parse`. A
//! lexical mistake becomes a last token of kind `Error`, so that an earlier
//! grammatical one is reported first, as in Go.

mod number;
mod token;

use token::keyword;
pub(crate) use token::{Kind, Token};

/// Splits the text. `is_keyword` is asked whether `break` and `continue` are
/// keywords: they are not when the caller has functions of these names.
pub(crate) fn lex(input: &str, is_keyword: impl Fn(&str) -> bool) -> Vec<Token> {
    let mut lexer = Lexer {
        input,
        pos: 0,
        start: 0,
        line: 1,
        counted: 0,
        paren_depth: 0,
        tokens: Vec::new(),
    };
    if let Err(message) = lexer.run(&is_keyword) {
        let line = lexer.line_of_start();
        lexer.tokens.push(Token {
            kind: Kind::Error,
            pos: lexer.start,
            text: message,
            line,
        });
    }
    lexer.tokens
}

struct Lexer<'a> {
    input: &'a str,
    pos: usize,
    start: usize,
    line: usize,
    /// Newlines before this place are in `line` already.
    counted: usize,
    paren_depth: usize,
    tokens: Vec<Token>,
}

type Lexed<T = ()> = Result<T, String>;

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.input.get(self.pos..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn advance(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.pos += next.len_utf8();
        Some(next)
    }

    fn accept(&mut self, valid: &str) -> bool {
        let is_valid = self.peek().is_some_and(|c| valid.contains(c));
        if is_valid {
            self.advance();
        }
        is_valid
    }

    fn accept_run(&mut self, valid: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&valid) {
            self.advance();
        }
    }

    fn word(&self) -> &str {
        self.input.get(self.start..self.pos).unwrap_or_default()
    }

    fn line_of_start(&mut self) -> usize {
        let passed = self.input.get(self.counted..self.start).unwrap_or_default();
        self.line += passed.matches('\n').count();
        self.counted = self.counted.max(self.start);
        self.line
    }

    fn emit(&mut self, kind: Kind) {
        let line = self.line_of_start();
        let token = Token {
            kind,
            pos: self.start,
            text: self.word().to_owned(),
            line,
        };
        self.tokens.push(token);
        self.start = self.pos;
    }

    fn ignore(&mut self) {
        self.start = self.pos;
    }

    fn run(&mut self, is_keyword: &impl Fn(&str) -> bool) -> Lexed {
        loop {
            let Some(place) = self.rest().find("{{") else {
                self.pos = self.input.len();
                if self.pos > self.start {
                    self.emit(Kind::Text);
                }
                let line = self.line_of_start();
                self.tokens.push(Token {
                    kind: Kind::Eof,
                    pos: self.pos,
                    text: "EOF".to_owned(),
                    line,
                });
                return Ok(());
            };
            self.text_before(place);
            if !self.comment()? {
                self.action(is_keyword)?;
            }
        }
    }

    fn text_before(&mut self, length: usize) {
        let end = self.pos + length;
        let text = self.rest().get(..length).unwrap_or_default();
        let is_trimmed = has_left_trim(self.input.get(end + 2..).unwrap_or_default());
        let kept = if is_trimmed {
            text.trim_end_matches(is_space).len()
        } else {
            length
        };
        self.pos += kept;
        if kept > 0 {
            self.emit(Kind::Text);
        }
        self.pos = end;
        self.ignore();
    }

    /// Skips a comment with its delimiters, if the delimiter here opens one.
    fn comment(&mut self) -> Lexed<bool> {
        let after = self.rest().get(2..).unwrap_or_default();
        let marker = if has_left_trim(after) { 2 } else { 0 };
        if !after.get(marker..).unwrap_or_default().starts_with("/*") {
            return Ok(false);
        }
        self.pos += 2 + marker;
        self.ignore();
        self.pos += 2;
        let Some(end) = self.rest().find("*/") else {
            return Err("unclosed comment".to_owned());
        };
        self.pos += end + 2;
        match self.right_delim() {
            Some(is_trimmed) => self.skip_right_delim(is_trimmed),
            None => return Err("comment ends before closing delimiter".to_owned()),
        }
        self.ignore();
        Ok(true)
    }

    /// At a right delimiter: whether it has a trim marker before it.
    fn right_delim(&self) -> Option<bool> {
        let rest = self.rest();
        if has_right_trim(rest) && rest.get(2..).is_some_and(|after| after.starts_with("}}")) {
            return Some(true);
        }
        rest.starts_with("}}").then_some(false)
    }

    fn skip_right_delim(&mut self, is_trimmed: bool) {
        self.pos += 2;
        if is_trimmed {
            self.pos += 2;
            self.accept_run(is_space);
        }
    }

    fn action(&mut self, is_keyword: &impl Fn(&str) -> bool) -> Lexed {
        self.pos += 2;
        self.emit(Kind::LeftDelim);
        if has_left_trim(self.rest()) {
            self.pos += 2;
            self.ignore();
        }
        self.paren_depth = 0;
        loop {
            if let Some(is_trimmed) = self.right_delim() {
                if self.paren_depth > 0 {
                    return Err("unclosed left paren".to_owned());
                }
                if is_trimmed {
                    self.pos += 2;
                    self.ignore();
                }
                self.pos += 2;
                self.emit(Kind::RightDelim);
                if is_trimmed {
                    self.accept_run(is_space);
                    self.ignore();
                }
                return Ok(());
            }
            self.token(is_keyword)?;
        }
    }

    fn token(&mut self, is_keyword: &impl Fn(&str) -> bool) -> Lexed {
        let Some(first) = self.peek() else {
            return Err("unclosed action".to_owned());
        };
        if is_space(first) {
            self.space();
            return Ok(());
        }
        let after = self.rest().as_bytes().get(1).copied();
        match first {
            '+' | '-' | '0'..='9' => return self.number(),
            '.' if after.is_none_or(|byte| byte.is_ascii_digit()) => return self.number(),
            _ if is_alphanumeric(first) => return self.identifier(is_keyword),
            _ => {}
        }
        self.advance();
        match first {
            '=' => self.emit(Kind::Assign),
            ':' if self.accept("=") => self.emit(Kind::Declare),
            ':' => return Err("expected :=".to_owned()),
            '|' => self.emit(Kind::Pipe),
            '"' => self.quoted('"', Kind::String, "unterminated quoted string")?,
            '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant")?,
            '`' => self.raw_string()?,
            '$' => self.field(Kind::Variable, Kind::Variable)?,
            '.' => self.field(Kind::Field, Kind::Dot)?,
            '(' => {
                self.paren_depth += 1;
                self.emit(Kind::LeftParen);
            }
            ')' => {
                let Some(depth) = self.paren_depth.checked_sub(1) else {
                    return Err("unexpected right paren".to_owned());
                };
                self.paren_depth = depth;
                self.emit(Kind::RightParen);
            }
            ' '..='~' => self.emit(Kind::Char),
            _ => {
                return Err(format!(
                    "unrecognized character in action: {}",
                    code_point(Some(first))
                ));
            }
        }
        Ok(())
    }

    /// Takes spaces, but leaves the one that belongs to a trim marker.
    fn space(&mut self) {
        while self.peek().is_some_and(is_space) && self.right_delim().is_none() {
            self.advance();
        }
        self.emit(Kind::Space);
    }

    fn identifier(&mut self, is_keyword: &impl Fn(&str) -> bool) -> Lexed {
        self.accept_run(is_alphanumeric);
        self.terminator()?;
        let kind = match keyword(self.word()) {
            Some(Kind::Break | Kind::Continue) if !is_keyword(self.word()) => Kind::Identifier,
            Some(kind) => kind,
            None if matches!(self.word(), "true" | "false") => Kind::Bool,
            None => Kind::Identifier,
        };
        self.emit(kind);
        Ok(())
    }

    /// After `.` or `$`: a name, or the bare sign.
    fn field(&mut self, kind: Kind, bare: Kind) -> Lexed {
        if self.terminator().is_ok() {
            self.emit(bare);
            return Ok(());
        }
        self.accept_run(is_alphanumeric);
        self.terminator()?;
        self.emit(kind);
        Ok(())
    }

    /// A name must end in something that cannot be part of an expression.
    fn terminator(&self) -> Lexed {
        let next = self.peek();
        let is_end =
            next.is_none_or(|c| is_space(c) || matches!(c, '.' | ',' | '|' | ':' | ')' | '('));
        if is_end || self.rest().starts_with("}}") {
            return Ok(());
        }
        Err(format!("bad character {}", code_point(next)))
    }

    fn quoted(&mut self, end: char, kind: Kind, unterminated: &str) -> Lexed {
        loop {
            let mut next = self.advance();
            if next == Some('\\') {
                next = self.advance();
                if next.is_some_and(|c| c != '\n') {
                    continue;
                }
            }
            match next {
                None | Some('\n') => return Err(unterminated.to_owned()),
                Some(c) if c == end => break,
                Some(_) => {}
            }
        }
        self.emit(kind);
        Ok(())
    }

    fn raw_string(&mut self) -> Lexed {
        let Some(end) = self.rest().find('`') else {
            return Err("unterminated raw quoted string".to_owned());
        };
        self.pos += end + 1;
        self.emit(Kind::RawString);
        Ok(())
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphabetic() || c.is_numeric()
}

fn has_left_trim(text: &str) -> bool {
    text.strip_prefix('-')
        .is_some_and(|after| after.starts_with(is_space))
}

fn has_right_trim(text: &str) -> bool {
    text.strip_prefix(is_space)
        .is_some_and(|after| after.starts_with('-'))
}

/// A character as Go's `%#U` prints it: `U+0041 'A'`.
fn code_point(c: Option<char>) -> String {
    match c {
        None => "U+FFFFFFFFFFFFFFFF".to_owned(),
        Some(c) if crate::quote::is_print(c) => format!("U+{:04X} '{c}'", u32::from(c)),
        Some(c) => format!("U+{:04X}", u32::from(c)),
    }
}
