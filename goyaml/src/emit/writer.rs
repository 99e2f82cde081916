//! Keeps the column, the indentation and the pending white space.
//!
//! The states are those of libyaml's emitter, so that line folding and the
//! placing of the first item after an indicator come out the same.

use super::Style;

/// Spaces a level.
pub(super) const INDENT: usize = 2;
/// Column after which go-yaml v2 folds at the next space.
const SIGS_WIDTH: usize = 80;

/// The document so far.
pub(super) struct Writer {
    out: String,
    style: Style,
    /// Characters since the last line break.
    column: usize,
    /// `None` outside every collection.
    indent: Option<usize>,
    /// The last character was white space.
    whitespace: bool,
    /// Only indentation and indicators stand on this line.
    indention: bool,
}

impl Writer {
    pub(super) fn new(style: Style) -> Self {
        Self {
            out: String::new(),
            style,
            column: 0,
            indent: None,
            whitespace: true,
            indention: true,
        }
    }

    pub(super) fn finish(mut self) -> String {
        if self.column > 0 || self.out.is_empty() {
            self.line_break('\n');
        }
        self.out
    }

    pub(super) fn style(&self) -> Style {
        self.style
    }

    /// True past the column where lines are folded.
    pub(super) fn too_wide(&self) -> bool {
        match self.style {
            Style::Sigs => self.column > SIGS_WIDTH,
            Style::Kyaml => false,
        }
    }

    pub(super) fn at_indention(&self) -> bool {
        self.indention
    }

    /// Enters a block collection and returns the indentation to go back to.
    pub(super) fn increase_indent(&mut self, indentless: bool) -> Option<usize> {
        let outer = self.indent;
        self.indent = match outer {
            None => Some(0),
            Some(n) if indentless => Some(n),
            Some(n) => Some(n.saturating_add(INDENT)),
        };
        outer
    }

    /// Enters a scalar, which indents even at the root.
    pub(super) fn increase_scalar_indent(&mut self) -> Option<usize> {
        let outer = self.indent;
        self.indent = Some(outer.map_or(INDENT, |n| n.saturating_add(INDENT)));
        outer
    }

    pub(super) fn set_indent(&mut self, indent: Option<usize>) {
        self.indent = indent;
    }

    pub(super) fn put(&mut self, c: char) {
        self.out.push(c);
        self.column = self.column.saturating_add(1);
    }

    /// Writes a character of a scalar.
    pub(super) fn text(&mut self, c: char) {
        self.put(c);
        self.indention = false;
    }

    pub(super) fn line_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
        self.indention = true;
    }

    /// Goes to the indentation column, on a new line unless already there.
    pub(super) fn write_indent(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.line_break('\n');
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }

    /// `-`, `?` or `:` of a block collection: what follows may stay on the line.
    pub(super) fn block_indicator(&mut self, indicator: &str) {
        let indention = self.indention;
        self.indicator(indicator);
        self.indention = indention;
    }

    /// The `:` after a simple key.
    pub(super) fn colon(&mut self) {
        self.put(':');
        self.whitespace = false;
        self.indention = false;
    }

    /// `[]`, `{}`, `|` or an opening quote, after a space where one is needed.
    pub(super) fn indicator(&mut self, indicator: &str) {
        self.space();
        for c in indicator.chars() {
            self.put(c);
        }
        self.whitespace = false;
        self.indention = false;
    }

    /// A space, unless white space stands there already.
    pub(super) fn space(&mut self) {
        if !self.whitespace {
            self.put(' ');
        }
    }

    /// Text that needs neither quotes nor folding.
    pub(super) fn plain(&mut self, text: &str) {
        self.space();
        for c in text.chars() {
            self.put(c);
        }
        self.end_scalar();
    }

    pub(super) fn end_scalar(&mut self) {
        self.whitespace = false;
        self.indention = false;
    }

    /// After the header of a block scalar.
    pub(super) fn start_block_lines(&mut self) {
        self.line_break('\n');
        self.whitespace = true;
    }
}
