//! Chooses and writes the style of a string: plain, quoted or literal.

use super::Style;
use super::writer::{INDENT, Writer};
use crate::resolve;

/// Length in bytes past which a key goes behind `?`.
const SIMPLE_KEY_BYTES_MAX: usize = 128;

/// How a string is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    Single,
    Double,
    Literal,
}

/// True when a key fits on the line of its value.
pub(super) fn is_simple_key(key: &str) -> bool {
    key.len() <= SIMPLE_KEY_BYTES_MAX && !key.chars().any(is_break)
}

/// Writes a key that [`is_simple_key`].
pub(super) fn key(writer: &mut Writer, text: &str) {
    write(writer, text, true);
}

/// Writes a string value.
pub(super) fn value(writer: &mut Writer, text: &str) {
    let outer = writer.increase_scalar_indent();
    write(writer, text, false);
    writer.set_indent(outer);
}

fn write(writer: &mut Writer, text: &str, simple_key: bool) {
    match form(text, writer.style(), simple_key) {
        Form::Plain => folded(writer, text, simple_key, None),
        Form::Single => folded(writer, text, simple_key, Some('\'')),
        Form::Double => double_quoted(writer, text, simple_key),
        Form::Literal => literal(writer, text),
    }
}

fn form(text: &str, style: Style, simple_key: bool) -> Form {
    let wants = if text.contains('\n') {
        Form::Literal
    } else if resolve::reads_as_string(text, style.dialect()) {
        Form::Plain
    } else {
        Form::Double
    };
    let traits = Traits::of(text, style);
    match wants {
        Form::Literal if traits.block_allowed && !simple_key => Form::Literal,
        Form::Plain if traits.plain_allowed && !(simple_key && traits.multiline) => Form::Plain,
        Form::Plain if traits.single_allowed && !(simple_key && traits.multiline) => Form::Single,
        Form::Literal | Form::Plain | Form::Double | Form::Single => Form::Double,
    }
}

/// What libyaml's analysis finds out about a string.
struct Traits {
    plain_allowed: bool,
    single_allowed: bool,
    block_allowed: bool,
    multiline: bool,
}

impl Traits {
    fn of(text: &str, style: Style) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let mut unprintable = false;
        let mut tab = false;
        let mut multiline = false;
        let mut space_after_break = false;
        let mut break_after_space = false;
        let mut previous = None;
        for &c in &chars {
            // Version 3 keeps tabs in literal blocks; version 2 escapes them.
            if c == '\t' && style == Style::Kyaml {
                tab = true;
            } else if !is_printable(c, style) {
                unprintable = true;
            }
            multiline |= is_break(c);
            space_after_break |= c == ' ' && previous.is_some_and(is_break);
            break_after_space |= is_break(c) && previous == Some(' ');
            previous = Some(c);
        }
        let edge = |c: Option<&char>| c.is_some_and(|c| *c == ' ' || is_break(*c));
        let odd_edges = edge(chars.first()) || edge(chars.last());
        let escaped = break_after_space || unprintable;
        Self {
            plain_allowed: !(odd_edges
                || space_after_break
                || escaped
                || tab
                || multiline
                || has_indicator(&chars)),
            single_allowed: !(space_after_break || escaped || tab),
            block_allowed: !(escaped || chars.last() == Some(&' ')),
            multiline,
        }
    }
}

/// True when a character would be taken for syntax in a block collection.
fn has_indicator(chars: &[char]) -> bool {
    if matches!(chars, ['-', '-', '-', ..] | ['.', '.', '.', ..]) {
        return true;
    }
    let blank_at = |i: usize| chars.get(i).is_none_or(|c| *c == ' ' || *c == '\t');
    chars.iter().enumerate().any(|(i, c)| match c {
        '#' => {
            let before = i.checked_sub(1).and_then(|b| chars.get(b));
            before.is_none_or(|b| *b == ' ' || *b == '\t' || is_break(*b))
        }
        ':' => blank_at(i.saturating_add(1)),
        '?' | '-' => i == 0 && blank_at(1),
        ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
        | '`' => i == 0,
        _ => false,
    })
}

/// Plain (no quote) or single quoted, folded at spaces when too wide.
fn folded(writer: &mut Writer, text: &str, simple_key: bool, quote: Option<char>) {
    match quote {
        Some(_) => writer.indicator("'"),
        None => writer.space(),
    }
    let mut spaces = false;
    let mut breaks = false;
    let mut chars = text.chars().peekable();
    let mut first = true;
    while let Some(c) = chars.next() {
        if c == ' ' {
            let next = chars.peek();
            let inner = quote.is_none() || (!first && next.is_some());
            let fold = !simple_key && !spaces && writer.too_wide() && inner && next != Some(&' ');
            if fold {
                writer.write_indent();
            } else {
                writer.put(c);
            }
            spaces = true;
        } else if is_break(c) {
            if !breaks && c == '\n' {
                writer.line_break('\n');
            }
            writer.line_break(c);
            breaks = true;
        } else {
            if breaks {
                writer.write_indent();
            }
            if quote == Some(c) {
                writer.put(c);
            }
            writer.text(c);
            spaces = false;
            breaks = false;
        }
        first = false;
    }
    if let Some(quote) = quote {
        writer.put(quote);
    }
    writer.end_scalar();
}

fn double_quoted(writer: &mut Writer, text: &str, simple_key: bool) {
    writer.indicator("\"");
    let mut spaces = false;
    let mut chars = text.chars().peekable();
    let mut first = true;
    while let Some(c) = chars.next() {
        if c == '"' || c == '\\' || is_break(c) || !is_printable(c, writer.style()) {
            escape(writer, c);
            spaces = false;
        } else if c == ' ' {
            let next = chars.peek();
            if !simple_key && !spaces && writer.too_wide() && !first && next.is_some() {
                writer.write_indent();
                if next == Some(&' ') {
                    writer.put('\\');
                }
            } else {
                writer.put(c);
            }
            spaces = true;
        } else {
            writer.put(c);
            spaces = false;
        }
        first = false;
    }
    writer.put('"');
    writer.end_scalar();
}

fn escape(writer: &mut Writer, c: char) {
    writer.put('\\');
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => return hexadecimal(writer, u32::from(c)),
    };
    writer.put(short);
}

fn hexadecimal(writer: &mut Writer, code: u32) {
    let digits = match code {
        0..=0xff => format!("x{code:02X}"),
        0x100..=0xffff => format!("u{code:04X}"),
        _ => format!("U{code:08X}"),
    };
    for c in digits.chars() {
        writer.put(c);
    }
}

fn literal(writer: &mut Writer, text: &str) {
    writer.indicator("|");
    if text.starts_with([' ', '\n', '\u{85}', '\u{2028}', '\u{2029}']) {
        for c in INDENT.to_string().chars() {
            writer.put(c);
        }
    }
    let mut tail = text.chars().rev();
    match (tail.next(), tail.next()) {
        (Some(last), _) if !is_break(last) => writer.put('-'),
        (Some(_), None) => writer.put('+'),
        (Some(_), Some(before)) if is_break(before) => writer.put('+'),
        (Some(_) | None, _) => {}
    }
    writer.start_block_lines();
    let mut breaks = true;
    for c in text.chars() {
        if is_break(c) {
            writer.line_break(c);
            breaks = true;
        } else {
            if breaks {
                writer.write_indent();
            }
            writer.text(c);
            breaks = false;
        }
    }
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What libyaml writes without an escape. Version 2 escapes characters beyond
/// the basic plane.
fn is_printable(c: char, style: Style) -> bool {
    match c {
        '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' => true,
        '\u{e000}'..='\u{fffd}' => c != '\u{feff}',
        '\u{10000}'.. => style == Style::Kyaml,
        _ => false,
    }
}
