//! Go's quoting of strings, both ways (package strconv)

/// Whether Go prints the character as it is inside quotes (close to
/// `unicode.IsPrint`: no control, format, private or unassigned characters, and
/// of the spaces only U+0020).
pub(crate) fn is_print(c: char) -> bool {
    match u32::from(c) {
        0..0x20 | 0x7f..0xa1 | 0xad => false,
        0x20..0x7f | 0xa1..0x250 => true,
        0x1680 | 0x180e | 0x2000..=0x200f | 0x2028..=0x202f | 0x205f..=0x206f | 0x3000 | 0xfeff => {
            false
        }
        0xe000..=0xf8ff | 0xfff0..=0xfffb | 0xfffe | 0xffff => false,
        code if code >= 0xe_0000 => false,
        // Rust's own escaping knows the unassigned characters.
        _ => {
            c.escape_debug().len() == 1
                || matches!(c.escape_debug().next(), Some(first) if first == c)
        }
    }
}

/// A string in double quotes, as `%q`.
pub(crate) fn quote(text: &str) -> String {
    quote_with(text, '"', false)
}

/// A string between `mark`s; with `is_ascii` nothing above 0x7e is left as is.
pub(crate) fn quote_with(text: &str, mark: char, is_ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(mark);
    for c in text.chars() {
        push_escaped(&mut out, c, mark, is_ascii);
    }
    out.push(mark);
    out
}

fn push_escaped(out: &mut String, c: char, mark: char, is_ascii: bool) {
    if c == mark || c == '\\' {
        out.push('\\');
        out.push(c);
        return;
    }
    if is_print(c) && (!is_ascii || c.is_ascii()) {
        out.push(c);
        return;
    }
    let code = u32::from(c);
    match c {
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        _ if code < 0x20 || code == 0x7f => out.push_str(&format!("\\x{code:02x}")),
        _ if code < 0x1_0000 => out.push_str(&format!("\\u{code:04x}")),
        _ => out.push_str(&format!("\\U{code:08x}")),
    }
}

/// The text inside a Go string literal; none if an escape is not valid. The
/// lexer has checked the quotes.
pub(crate) fn unquote(literal: &str) -> Option<String> {
    let mark = literal.chars().next()?;
    let inner = literal.get(1..literal.len().checked_sub(1)?)?;
    if mark == '`' {
        return Some(inner.replace('\r', ""));
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => unescape(&mut chars, mark, &mut bytes)?,
            _ if c == mark || c == '\n' => return None,
            _ => push_char(&mut bytes, c),
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn push_char(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn unescape(chars: &mut std::str::Chars<'_>, mark: char, bytes: &mut Vec<u8>) -> Option<()> {
    let c = chars.next()?;
    match c {
        'a' => bytes.push(7),
        'b' => bytes.push(8),
        'f' => bytes.push(12),
        'n' => bytes.push(b'\n'),
        'r' => bytes.push(b'\r'),
        't' => bytes.push(b'\t'),
        'v' => bytes.push(11),
        '\\' => bytes.push(b'\\'),
        'x' => bytes.push(u8::try_from(digits(chars, 2, 16, 0)?).ok()?),
        'u' => push_char(bytes, char::from_u32(digits(chars, 4, 16, 0)?)?),
        'U' => push_char(bytes, char::from_u32(digits(chars, 8, 16, 0)?)?),
        '0'..='7' => bytes.push(u8::try_from(digits(chars, 2, 8, c.to_digit(8)?)?).ok()?),
        _ if c == mark => push_char(bytes, c),
        _ => return None,
    }
    Some(())
}

fn digits(chars: &mut std::str::Chars<'_>, count: usize, radix: u32, first: u32) -> Option<u32> {
    let mut code = first;
    for _ in 0..count {
        code = code
            .checked_mul(radix)?
            .checked_add(chars.next()?.to_digit(radix)?)?;
    }
    Some(code)
}

/// The character in a Go character literal such as `'a'` or `'\n'`; the error
/// is Go's text.
pub(crate) fn unquote_char(literal: &str) -> Result<char, String> {
    let inner = literal
        .get(1..literal.len().saturating_sub(1))
        .unwrap_or_default();
    let invalid = || "invalid syntax".to_owned();
    let mut chars = inner.chars();
    let first = chars.next().ok_or_else(invalid)?;
    let c = if first == '\\' {
        let mut bytes = Vec::new();
        unescape(&mut chars, '\'', &mut bytes).ok_or_else(invalid)?;
        match bytes.as_slice() {
            // '\xff' is the character of that number, not a byte.
            [byte] => char::from(*byte),
            _ => std::str::from_utf8(&bytes)
                .ok()
                .and_then(|text| text.chars().next())
                .ok_or_else(invalid)?,
        }
    } else {
        first
    };
    if chars.next().is_some() {
        return Err(format!("malformed character constant: {literal}"));
    }
    Ok(c)
}
