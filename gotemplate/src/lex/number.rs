//! Finds where a number ends; whether it is one is for `parse::number`

use super::{Kind, Lexed, Lexer, is_alphanumeric};
use crate::quote::quote;

impl Lexer<'_> {
    pub(super) fn number(&mut self) -> Lexed {
        let mut kind = Kind::Number;
        let mut is_good = self.scan_number();
        if is_good && matches!(self.peek(), Some('+' | '-')) {
            kind = Kind::Complex;
            is_good = self.scan_number() && self.word().ends_with('i');
        }
        if !is_good {
            return Err(format!("bad number syntax: {}", quote(self.word())));
        }
        self.emit(kind);
        Ok(())
    }

    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut radix = 10;
        if self.accept("0") {
            if self.accept("xX") {
                radix = 16;
            } else if self.accept("oO") {
                radix = 8;
            } else if self.accept("bB") {
                radix = 2;
            }
        }
        let is_digit = |c: char| c == '_' || c.is_digit(radix);
        self.accept_run(is_digit);
        if self.accept(".") {
            self.accept_run(is_digit);
        }
        if (radix == 10 && self.accept("eE")) || (radix == 16 && self.accept("pP")) {
            self.accept("+-");
            self.accept_run(|c| c == '_' || c.is_ascii_digit());
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.advance();
            return false;
        }
        true
    }
}
